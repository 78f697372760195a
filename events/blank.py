"""What looks empty: text of blanks, control characters, and characters that have no looks."""

from unicodedata import category

_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
"""Unicode's default ignorable code points that are no format characters: fillers, joiners of
combining marks, variation selectors."""


def is_blank(text: str) -> bool:
    """Whether a reader of `text` sees nothing at all."""
    return all(
        char.isspace() or char in _INVISIBLE or category(char) in ("Cc", "Cf") for char in text
    )
