"""A small file of lines: appended to and replaced, each time whole or not at all.

Whatever fails, the open file is the one that the name leads to, so that no line is ever written
where the next start doesn't look for it. Where that can't be had, nothing is written any more.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

from store.disk.creation import sync_folder
from store.errors import LogUnusable

_WIPE_BYTES = 1 << 20

_log = logging.getLogger(__name__)


class KeyFile:
    """The file `path`, open for writing. There is one writer.

    Opening it cuts off a last line that isn't whole. Raises `OSError`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_name(path.name + ".new")
        self._replaced: list[int] = []
        self._unsynced = False
        self._torn = False
        self._unusable = ""
        _discard(self._fresh)
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._size = _whole_lines(self._fd)
            sync_folder(path.parent)
        except BaseException:
            os.close(self._fd)
            raise

    def check_usable(self) -> None:
        """Raise `LogUnusable` when nobody knows any more which file the name leads to."""
        if self._unusable:
            raise LogUnusable(
                "the file of keys can't be used any more",
                where=str(self._path),
                found=self._unusable,
                cure="restart the daemon",
            )

    def append(self, lines: bytes) -> None:
        """Add whole lines, durably.

        Raises `OSError`, and then none of them is in the file; `LogUnusable` when the file can't
        be trusted to be found again.
        """
        self.check_usable()
        self._mend()
        self._torn = True
        try:
            _write_all(self._fd, lines)
            os.fsync(self._fd)
        except BaseException:
            # Half a line, or one that may not have reached the disk, must not stay: the next one
            # would be glued to it.
            with suppress(OSError):
                self._cut_off()
            raise
        self._torn = False
        self._size += len(lines)

    def replace(self, lines: bytes) -> None:
        """Put a file of these lines in place of the old one; `settle` makes that last.

        Raises `OSError`, and then the old file is still the one; `LogUnusable`.
        """
        self.check_usable()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        _discard(self._fresh)
        old = fd = -1
        try:
            old = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            fd = os.open(self._fresh, flags, 0o600)
            _write_all(fd, lines)
            os.fsync(fd)
            self._rename(fd)
        except BaseException:
            _close(old)
            _close(fd)
            _discard(self._fresh)
            raise
        previous, self._fd = self._fd, fd
        self._replaced.append(old)
        self._size, self._unsynced, self._torn = len(lines), True, False
        _close(previous)

    def settle(self) -> None:
        """Make `replace` durable, and overwrite the old file's bytes.

        Raises `OSError`; it can be called again, and nothing is appended before the first half is
        done.
        """
        self.check_usable()
        self._sync()
        self._wipe_replaced()

    def close(self) -> None:
        """Let it go; what `settle` could not do before is tried once more."""
        try:
            self.settle()
        except (OSError, LogUnusable) as error:
            _log.error("destroyed keys may still be found on the disk: %s", error)
        for old in (*self._replaced, self._fd):
            _close(old)
        self._replaced.clear()
        self._fd = -1

    def _rename(self, fd: int) -> None:
        try:
            self._fresh.rename(self._path)
        except BaseException as error:
            try:
                replaced = self._path.stat().st_ino == os.fstat(fd).st_ino
            except OSError as trouble:
                self._unusable = f"it could not be replaced ({error}), nor looked at ({trouble})"
                raise
            if not replaced:
                raise

    def _mend(self) -> None:
        """What has to be true before a line is added: it will be found, and stand by itself."""
        self._sync()
        try:
            self._wipe_replaced()
        except OSError as error:  # the key is gone from the file; its bytes are tried again
            _log.warning("a destroyed key's bytes could not be overwritten yet: %s", error)
        if self._torn:
            self._cut_off()
        found, named = os.fstat(self._fd), self._path.stat()
        if (found.st_dev, found.st_ino) != (named.st_dev, named.st_ino):
            self._unusable = "another file has taken its name"
            self.check_usable()

    def _sync(self) -> None:
        if self._unsynced:
            sync_folder(self._path.parent)
            self._unsynced = False

    def _wipe_replaced(self) -> None:
        """Not before the new file's name is durable: a crash may bring the old one back."""
        while self._replaced:
            _wipe(self._replaced[-1])
            _close(self._replaced.pop())

    def _cut_off(self) -> None:
        os.ftruncate(self._fd, self._size)
        self._torn = False


def _whole_lines(fd: int) -> int:
    """Cut off a last line that isn't whole; the length of the others, bytes."""
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.ftruncate(fd, whole)
    return whole


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _wipe(fd: int) -> None:
    """Overwrite a file's bytes, durably."""
    size, done = os.fstat(fd).st_size, 0
    while done < size:
        done += os.pwrite(fd, bytes(min(size - done, _WIPE_BYTES)), done)
    os.fsync(fd)


def _discard(path: Path) -> None:
    """Delete a file that was never put in place, its bytes overwritten, as far as that goes."""
    with suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            with suppress(OSError):
                _wipe(fd)
        finally:
            _close(fd)
    with suppress(OSError):
        path.unlink()


def _close(fd: int) -> None:
    """Close, if it is open. A failure says nothing new: what counts was flushed before."""
    if fd >= 0:
        with suppress(OSError):
            os.close(fd)
