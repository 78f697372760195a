"""The word by which an agent says that nothing is to be said, also where a model decorates it."""

import re
from unicodedata import category

SILENT = "ZTM_SILENT"
"""The whole answer of an agent that wants nothing said."""

_MARK = r"[*_~`\"'“”‘’()\[\]]"
_WORD = re.compile(
    rf"[^\S\n]*(?<![^\W_]){_MARK}*ZTM\\?_SILENT{_MARK}*+(?![^\W_])",
    re.IGNORECASE,
)


def without_silent_word(text: str) -> tuple[str, bool]:
    """`text` without the word, and whether it was all that the text says.

    Quotes, Markdown and punctuation around the word say nothing; a line that holds nothing else
    goes with it.
    """
    if not _WORD.search(text):
        return text, False
    lines = [(line, _WORD.sub("", line)) for line in text.split("\n")]
    rest = "\n".join(kept for line, kept in lines if kept == line or _says_something(kept))
    return rest.strip(), not _says_something(rest)


def _says_something(text: str) -> bool:
    """Whether there is a letter, a digit, or a picture in `text`."""
    return any(category(char)[0] in "LN" or category(char) == "So" for char in text)
