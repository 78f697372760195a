"""Text made fit to send: free of what destroys a message, and cut into parts of readable length."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import regex

from events.blank import is_blank

MIN_LIMIT = 150
"""Smallest `limit` of `chunks`, characters: leaves room for a code block's marks and the notice."""

_ESCAPE_SEQUENCE = (
    r"\x1b\[[0-?]*+[ -/]*+[@-~]"  # colours, cursor
    r"|\x1b\][^\x07\x1b]*+(?:\x07|\x1b\\)"  # titles, hyperlinks
    r"|\x1b[()][AB012]"  # character sets, as `tput sgr0` writes them
)
_UNSAFE = re.compile(
    rf"(?P<escape>{_ESCAPE_SEQUENCE})"
    r"|(?P<pair>[\ud800-\udbff][\udc00-\udfff])"
    r"|(?P<surrogate>[\ud800-\udfff])"
    r"|(?P<control>[\x00-\x07\x0b\x0e-\x1f])"
)


def safe_for_wire(text: str) -> tuple[str, int]:
    """`text` as it survives the wire, and how many of its characters were taken out or replaced.

    ZTM behaviour: U+0000–0007, U+000B and U+000E–001F in a text make the message invisible to all
    and let the next one overwrite it; a lone surrogate arrives as `?`. Terminal escape sequences go
    as a whole; of the other control characters those that separate words become a line feed or a
    blank, the rest goes; a lone surrogate becomes U+FFFD, and a pair the character that it means.
    """
    changed = 0

    def replace(found: re.Match[str]) -> str:
        nonlocal changed
        changed += len(found[0])
        return _harmless(found)

    return _UNSAFE.sub(replace, text), changed


def leaves_text(text: str) -> bool:
    """Whether a reader sees anything of `text` once it is safe for the wire."""
    return not is_blank(safe_for_wire(text)[0])


def _harmless(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "pair":
            return found[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        case "surrogate":
            return "\ufffd"
        case "control" if found[0] == "\v":
            return "\n"
        case "control" if found[0].isspace():
            return " "
        case _:
            return ""


_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*+(?=\s)|[。！？][”’」』）]*+")
_BLANKS = regex.compile(r"(?:(?=\s)\X(?<=\s))*+")  # not one that carries a mark
_LINE_ENDS = re.compile(r"(?:[^\S\n]*+\n)++")
_FENCE_LINE = re.compile(r"^ {0,3}(?P<ticks>`{3,16})(?P<info>[^`\n]*+)$", re.MULTILINE)
_LONGEST_INFO = 40
_CLOSING_ROOM = len("\n") + 16
_NOTICE = "\n\n[… {} more characters were left out]"
_NOTICE_ROOM = len(_NOTICE) + 10


class _CodeBlock(NamedTuple):
    """A code block that is open at some place: its ticks and what was written after them."""

    ticks: str
    info: str

    @property
    def opening(self) -> str:
        return f"{self.ticks}{self.info}\n"

    @property
    def closing(self) -> str:
        return f"\n{self.ticks}"

    def ends_with(self, line: re.Match[str]) -> bool:
        return not line["info"].strip() and len(line["ticks"]) >= len(self.ticks)


def chunks(text: str, limit: int = 4000, max_parts: int = 20) -> list[str]:
    """`text` in parts of at most `limit` characters, each to be sent as a message of its own.

    Cut between paragraphs if the second half of a part has such a place, else between lines,
    sentences, words, else anywhere. Never inside a letter: an extended grapheme cluster of Unicode
    (UAX 29) of up to `_LONGEST_LETTER` characters. Blanks at a cut are dropped. A code block
    between lines of three or more backticks that a cut falls into is closed there and opened again
    in the next part. At most `max_parts`; the last then says how many characters were left out.
    A blank text has no parts.

    Raises `ValueError` for a `limit` under `MIN_LIMIT` or `max_parts` under 1.
    """
    if limit < MIN_LIMIT or max_parts < 1:
        msg = f"parts of {limit} characters, {max_parts} of them: need at least {MIN_LIMIT}, and 1"
        raise ValueError(msg)
    parts: list[str] = []
    start, block = 0, None
    while start < len(text):
        part, following, still_open = _part(text, start, block, limit)
        if part and len(parts) == max_parts - 1 and text[following:].strip():
            part, following, _ = _part(text, start, block, limit - _NOTICE_ROOM)
            return [*parts, part + _NOTICE.format(len(text) - following)]
        if part:
            parts.append(part)
        start, block = following, still_open
    return parts


def _part(
    text: str, start: int, block: _CodeBlock | None, limit: int
) -> tuple[str, int, _CodeBlock | None]:
    """The part that begins at `start` inside `block`; where the next begins, inside which block.

    The part is empty if there was nothing but blanks.
    """
    opening = block.opening if block else ""
    end = following = len(text)
    if end - start > limit - len(opening):
        end, following = _cut(text, start, start + limit - len(opening) - _CLOSING_ROOM)
    piece = text[start:end]
    block = _open_after(piece, block)
    closing = ""
    if block and following < len(text):
        closing = block.closing
        line = _FENCE_LINE.match(text, following)
        if line and block.ends_with(line):
            following, block = _skip(_LINE_ENDS, text, line.end()), None
    part = opening + piece.rstrip() + closing if piece.strip() else ""
    return part, following, block


def _open_after(piece: str, block: _CodeBlock | None) -> _CodeBlock | None:
    """The code block that is open at the end of `piece`, if `block` was at its beginning."""
    for line in _FENCE_LINE.finditer(piece):
        if block is None:
            info = line["info"].strip()
            block = _CodeBlock(line["ticks"], info if len(info) <= _LONGEST_INFO else "")
        elif block.ends_with(line):
            block = None
    return block


def _cut(text: str, start: int, stop: int) -> tuple[int, int]:
    """Where a part from `start` that may reach to `stop` ends, and where the next one begins."""
    half = (start + stop) // 2
    for line_end in ("\n\n", "\n"):
        place = text.rfind(line_end, half, stop + 1)
        if place >= 0:
            return place, _skip(_LINE_ENDS, text, place)
    ends = list(_letter_ends(text, start, stop))
    places = {place for place in ends if place > half}
    sentences = [found.end() for found in _SENTENCE_END.finditer(text, half, stop + 1)]
    words = (place for place in range(stop, half, -1) if text[place].isspace())
    for candidates in (reversed(sentences), words):
        end = next((place for place in candidates if place in places), 0)
        if end:
            return end, _skip(_BLANKS, text, end)
    end = ends[-1] if ends else stop
    return end, end


def _skip(blanks: re.Pattern[str] | regex.Pattern[str], text: str, place: int) -> int:
    found = blanks.match(text, place)
    return found.end() if found else place


_LETTER = regex.compile(r"[\ud800-\udbff][\udc00-\udfff]|\X")
_LONGEST_LETTER = 256
"""A longer one, such as a mountain of marks, is cut. Characters."""


def _letter_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Where letters end, in order, after `start` and up to `stop`.

    Looks at a piece at a time: for flags `\\X` counts back to the first of them, each time.
    """
    while start < stop:
        piece = text[start : start + _LONGEST_LETTER]
        ends = [start + found.end() for found in _LETTER.finditer(piece)]
        if len(ends) > 1 and start + len(piece) < len(text):
            ends.pop()  # it may go on after the piece
        yield from (end for end in ends if end <= stop)
        start = ends[-1]
