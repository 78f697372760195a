"""What is wrong with a configuration, and where.

ConfigurationError
├── ConfigurationNotFound   there is no file in any of the places searched
└── ConfigurationInvalid    there is one, with at least one problem
"""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

MAX_SHOWN = 50


class Problem(Struct, frozen=True):
    """One thing that is wrong, or that an operator should know.

    `line` and `column` count from 1; both are 0 when it concerns the file as a whole. `option` is
    the whole path, such as `channels.ztm-chat.accounts.my-bot.apiTimeout`; empty for the file.
    """

    file: str
    line: int
    column: int
    option: str
    found: str
    allowed: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        option = f"{self.option}: " if self.option else ""
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {option}found {self.found}{allowed}{hint}"


class ConfigurationError(Exception):
    """Base of this room's errors."""


class ConfigurationNotFound(ConfigurationError):
    """There is no configuration; `looked_at` is every place that was searched."""

    def __init__(self, looked_at: Sequence[Path]) -> None:
        self.looked_at = tuple(looked_at)
        places = ", ".join(str(place) for place in looked_at)
        super().__init__(
            f"no configuration found; looked for {places}. Create one, or name one with --config"
        )


class ConfigurationInvalid(ConfigurationError):
    """The configuration can't be used; `problems` is everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(self._summary())

    def _summary(self) -> str:
        lines = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            lines.append(f"… and {len(self.problems) - MAX_SHOWN} more")
        return "\n".join(lines)
