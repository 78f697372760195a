"""A user's name as a label in a prompt: one line, without a colon, different for every name. Pure.

What a reader or a model would not see, or would take for the end of the label, is escaped, not
dropped: if it were dropped, `alice:` and an `alice` with an invisible character would pass for
`alice`.
"""

import hashlib
from unicodedata import normalize

from events.blank import is_blank

LABEL_CHARS = 64
"""How much of a label is shown at most; of a longer one the beginning, and a digest of the name."""

_COLONS = "\u2236\ua789"
"""Characters that look like a colon, beside those that Unicode's compatibility forms lead to it."""
_EMPTY_BRAILLE = "\u2800"


def author_label(name: str) -> str:
    r"""`name` with `\u{…}` for what does not show or looks like a colon, and `\\` for a backslash.

    A single blank between other characters stays. The end of a name that is too long is replaced by
    `\#` and a digest of the whole name.
    """
    composed = normalize("NFC", name) == name
    pieces = [_shown(char, composed=composed) for char in name]
    for index, char in enumerate(name):
        if char == " " and (index in (0, len(name) - 1) or name[index - 1] == " "):
            pieces[index] = _escaped(char)
    label = "".join(pieces) or r"\u{}"
    return label if len(label) <= LABEL_CHARS else _cut(name, pieces)


def _shown(char: str, *, composed: bool) -> str:
    r"""One character. Of a name that is not `composed` all but ASCII is escaped: an `é` of two
    characters looks like the one of one."""
    if char == "\\":
        return r"\\"
    stays = char == " " or (char.isprintable() and not is_blank(char) and char != _EMPTY_BRAILLE)
    is_colon = ":" in normalize("NFKC", char) or char in _COLONS
    return char if stays and not is_colon and (composed or char.isascii()) else _escaped(char)


def _escaped(char: str) -> str:
    return f"\\u{{{ord(char):x}}}"


def _cut(name: str, pieces: list[str]) -> str:
    """Whole pieces only: half an escape could be read with the mark as another one."""
    shown = ""
    for piece in pieces:
        if len(shown) + len(piece) > LABEL_CHARS:
            break
        shown += piece
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{shown}\\#{digest}"
