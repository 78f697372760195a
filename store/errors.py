"""How the log fails.

LogError
├── LogUnusable          the folder, or this object, can't be used (any more)
│   └── LogLocked        another process has the log open for writing
├── LogTooNew            written by a later version of the program
├── LogDamaged           the bytes on disk are not what was written
├── InvalidAppend        the append is wrong in itself: a bug in its author, refused at once
├── VersionConflict      a stream is not at the version that the append was decided on
├── DuplicateMessage     the append makes a message known that is known already
└── LogFailed            a commit failed and its outcome is unknown: the log must be reopened
"""


class LogError(Exception):
    """What happened, `where` (a file, a sequence), what was `found`, and the `cure`."""

    def __init__(self, what: str, *, where: str = "", found: str = "", cure: str = "") -> None:
        super().__init__(what, where, found, cure)
        self.what = what
        self.where = where
        self.found = found
        self.cure = cure

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        found = f": {self.found}" if self.found else ""
        cure = f". {self.cure[0].upper()}{self.cure[1:]}." if self.cure else ""
        return f"{self.what}{place}{found}{cure}"


class LogUnusable(LogError):
    """The log's folder can't be used, or this object is closed, forked, or only for reading."""


class LogLocked(LogUnusable):
    """Another process has the log open for writing: there is one writer."""


class LogTooNew(LogError):
    """The log has a format, or holds an event, that only a later version of the program knows."""


class LogDamaged(LogError):
    """What is on disk isn't what was written. Nothing damaged is ever handed out."""


class InvalidAppend(LogError):
    """The append could not be written, or not be read again. Raised to its author, nothing
    waits.
    """


class VersionConflict(LogError):
    """A stream is not at the expected version: somebody else appended to it meanwhile."""


class DuplicateMessage(LogError):
    """The message is known already; nothing of the append was stored."""


class LogFailed(LogError):
    """A commit failed with unknown outcome. Every later append fails until the log is reopened."""
