"""How the demo looks: one short line for each message, decision and check.

Plain text; colours only on a terminal (rich decides, and respects `NO_COLOR`). Every line is
flushed at once, so the output can be followed through a pipe.
"""

import re
import textwrap

from rich.console import Console
from rich.text import Text

from ztm_chat.printing.terminal import safe

WIDTH = 88
MARGIN = 3
NAMES = 17
"""Columns for who writes to whom."""

_BEFORE_WORDS = re.compile(r"(?:\d{4}-\d\d-\d\d [\d:.]+)?\s*")
"""A line of `why` may begin with a time; a wrapped line is indented to the words after it."""


class Screen:
    """Prints to stdout."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

    def text(self, text: str = "") -> None:
        """A paragraph to the reader."""
        for paragraph in text.split("\n"):
            self._print(
                Text(
                    textwrap.fill(paragraph, WIDTH, break_on_hyphens=False, break_long_words=False)
                )
            )

    def heading(self, text: str) -> None:
        """The title of what follows."""
        self._print(Text(f"\n{text}", style="bold"))

    def message(self, sender: str, to: str, text: str) -> None:
        """A message from somebody to somebody."""
        colour = "cyan" if sender == "my-bot" else "yellow"
        self._beside(f"{sender} → {to}", text, style=colour)

    def decided(self, text: str) -> None:
        """What the daemon decided, and why."""
        self._beside("decided", text, style="magenta", dim=True)

    def note(self, text: str) -> None:
        """Something that the mesh or the demo does."""
        self._beside("·", text, style="dim")

    def checked(self, text: str) -> None:
        """A check that has passed."""
        self._beside("✓ checked", text, style="green")

    def failed(self, text: str) -> None:
        """An expectation that was not met."""
        self._print(Text(f"\n{text}", style="bold red"))

    def killed(self, text: str) -> None:
        """The kill of the daemon."""
        self._beside("✗ kill -9", text, style="bold red")

    def command(self, command: str, output: str = "") -> None:
        """A command as the reader would type it, and its output."""
        self._print(Text(f"{' ' * MARGIN}$ {command}", style="bold"))
        margin = " " * (MARGIN + 2)
        for line in map(safe, output.splitlines()):
            begins = _BEFORE_WORDS.match(line)
            hanging = margin + " " * (begins.end() if begins else 0)
            wrapped = textwrap.fill(
                line,
                WIDTH,
                initial_indent=margin,
                subsequent_indent=hanging,
                break_on_hyphens=False,
            )
            self._print(Text(wrapped))

    def _beside(self, label: str, text: str, *, style: str, dim: bool = False) -> None:
        """A label, and the text in a column beside it."""
        indent = " " * (MARGIN + NAMES)
        lines = [safe(line) for line in text.split("\n")] or [""]
        wrapped = [
            part
            for line in lines
            for part in textwrap.wrap(line, WIDTH - len(indent), break_on_hyphens=False) or [""]
        ]
        shown = Text(" " * MARGIN)
        shown.append(safe(label).ljust(NAMES - 1) + " ", style=style)
        words = textwrap.indent("\n".join(wrapped), indent).lstrip()
        shown.append(words, style="dim" if dim else "")
        self._print(shown)

    def _print(self, text: Text) -> None:
        self._console.print(text)
