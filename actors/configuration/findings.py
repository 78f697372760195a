"""The problems as they are found, and where each option is in the file."""

import re

from actors.configuration.document import Mapping, Node, Scalar, Sequence
from actors.configuration.problems import ConfigurationInvalid, Problem

Path = tuple[str | int, ...]
"""How an option is reached: keys, and places in lists (from 0)."""

PLAIN = re.compile(r"[\w/@+*<>-]{1,64}")
SECRET = re.compile(r"key|token|secret|pass|credential|auth|cookie|headers|argv", re.IGNORECASE)
MAX_CHARS = 60
MAX_ERRORS = 500


class Findings:
    """Collects errors and warnings; knows line, column and looks of every option that was seen."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._seen: dict[Path, tuple[int, int, str]] = {}
        self._wrong: set[Path] = set()
        self._errors: list[Problem] = []
        # A dict for its order: what several accounts inherit is said once.
        self._warnings: dict[Problem, None] = {}

    def saw(self, path: Path, place: Node, value: Node) -> None:
        """`path` has `value`, and is at `place`."""
        self._seen[path] = (place.line, place.column, _describe(value, path))

    def line(self, path: Path) -> int:
        """The line of `path`, or of what holds it."""
        return self._nearest(path)[0]

    def is_wrong(self, path: Path) -> bool:
        """Whether an error is about `path` itself."""
        return path in self._wrong

    def error(
        self, path: Path, allowed: str, *, found: str | None = None, hint: str | None = None
    ) -> None:
        """`path` is wrong. Without `found`, the value in the file is shown.

        Raises `ConfigurationInvalid` when there are so many that it is another kind of file.
        """
        self._wrong.add(path)
        self._errors.append(self._problem(path, allowed, found, hint))
        if len(self._errors) >= MAX_ERRORS:
            self.raise_errors()

    def raise_errors(self) -> None:
        """Raises `ConfigurationInvalid` with the errors, in the file's order, if there are any."""
        if self._errors:
            raise ConfigurationInvalid(sorted(self._errors, key=lambda p: (p.line, p.column)))

    def warn(self, path: Path, found: str, hint: str | None = None) -> None:
        """`path` may be as it is, but an operator should know."""
        self._warnings[self._problem(path, "", found, hint)] = None

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings, each once."""
        return tuple(self._warnings)

    def _problem(self, path: Path, allowed: str, found: str | None, hint: str | None) -> Problem:
        line, column, shown = self._nearest(path)
        return Problem(self._file, line, column, show(path), found or shown, allowed, hint)

    def _nearest(self, path: Path) -> tuple[int, int, str]:
        while path and path not in self._seen:
            path = path[:-1]
        return self._seen.get(path, (1, 1, "nothing"))


def show(path: Path) -> str:
    """`channels.ztm-chat.accounts["my bot"].allowFrom[0]`."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        elif PLAIN.fullmatch(part):
            shown += f".{part}" if shown else part
        else:
            shown += f"[{quoted(part)}]"
    return shown


def quoted(text: str) -> str:
    """`text` in quotes: short, on one line, with nothing invisible in it."""
    clipped = text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
    visible = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in clipped)
    return '"' + "".join(visible) + '"'


def _describe(value: Node, path: Path) -> str:
    match value:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(kind="null"):
            return "nothing (null)"
        case Scalar(text=text, kind=kind):
            return f"{kind} (not shown)" if _hides(text, path) else f"{quoted(text)} ({kind})"
    return "nothing"


def _hides(text: str, path: Path) -> bool:
    """Whether a value may be a secret: by the option's name or its parent's, or by its looks
    (such as `user:password@host`)."""
    names = [part for part in path if isinstance(part, str)][-2:]
    after_colon = text.partition(":")[2]
    return "@" in after_colon or any(SECRET.search(word) for word in (*names, text))
