"""Whether a group message addresses us: `@` and our user name, as a whole word."""

import re
from collections.abc import Iterator
from unicodedata import category, normalize
from unicodedata import name as unicode_name

from events.policy.names import fold

_JOINERS = ".-"
"""Punctuation that names hold inside, and sentences put after them."""

_LETTER = 8
"""Code points around a place that decide which letter stands there (a base and its marks)."""

_RUN = 64
"""Characters before an `@` that are looked at: emphasis, and the letter before it."""

_AT = re.compile("[@＠][\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]{0,4}")
_OUTSIDE_PATHS = re.compile(r"""[\s<>"()\[\]{}`'\u0080-\U0010ffff]""")
_FILE_LINE = re.compile(r"^\[file: [^\n]*\]$", re.MULTILINE)
_WITHOUT_BLANKS = (
    "CJK ",
    "HIRAGANA ",
    "KATAKANA ",
    "BOPOMOFO ",
    "YI ",
    "THAI ",
    "LAO ",
    "KHMER ",
    "MYANMAR ",
)


def mentioned(text: str, username: str) -> bool:
    """Whether `text` holds `@username`, in any case and any Unicode composition.

    The name must not be part of a longer one: neither a name character nor a joiner (`.`, `-`) that
    leads to one may follow, and none may come before the `@` (`x@my-bot` is an address). For an
    ASCII name only ASCII letters, digits and `_` are name characters, so that scripts written
    without blanks may touch it (`@my-bot你好`); for any other name all letters and digits are.

    Before the `@` a letter of such a script separates (`你好@机器人`). The `@` may be in full
    width, the name in bidi controls, and the whole in underscores for emphasis (`_@my-bot_`).
    Paths, addresses of pages and the lines that name attached files mention nobody.

    Time: linear in `text`, for a given name. Only what surrounds an `@` is composed, because
    composing a long run of marks takes quadratic time.
    """
    name = fold(username).replace("ς", "σ")
    reach = 3 * len(name) + _LETTER
    text = _FILE_LINE.sub("", text)
    for sign in _signs_outside_paths(text) if name else ():
        at = sign.start()
        before = normalize("NFC", text[max(0, at - _RUN) : at])
        after = normalize("NFC", text[sign.end() : sign.end() + reach])
        end = _end_of_name(after, name)
        if not end:
            continue
        plain = before.rstrip("_")
        marks = before[len(plain) :]
        following = after[end:].removeprefix(marks)[:2]
        if _begins(plain, name) and _ends(following, name):
            return True
    return False


def _signs_outside_paths(text: str) -> Iterator[re.Match[str]]:
    """Each `@` that belongs to no path or address; `@alice/@my-bot` is a list."""
    begin, looked_at, address = 0, 0, False
    for sign in _AT.finditer(text):
        at = sign.start()
        for outside in _OUTSIDE_PATHS.finditer(text, looked_at, at):
            begin, address = outside.end(), False
        address = address or "://" in text[max(begin, looked_at) : at]
        looked_at = at
        in_path = address or text.endswith("/", begin, at)
        if not in_path or text.startswith("@", begin):
            yield sign


def _end_of_name(after: str, name: str) -> int:
    """Where `name` (folded) ends if `after` begins with it; 0 if it doesn't.

    Character by character, because lower case changes lengths (`İ` has two), and what surrounds the
    name is judged as it was written.
    """
    matched = 0
    for place, char in enumerate(after):
        folded = char.lower().replace("ς", "σ")
        if not name.startswith(folded, matched):
            return 0
        matched += len(folded)
        if matched == len(name):
            return place + 1
    return 0


def _begins(before: str, name: str) -> bool:
    return not before or not _in_names(before[-1], name) or _needs_no_blank(before[-1])


def _needs_no_blank(char: str) -> bool:
    """Whether `char` is a letter of a script that is written without blanks between words."""
    return unicode_name(char, "").startswith(_WITHOUT_BLANKS)


def _ends(following: str, name: str) -> bool:
    """Whether a name may end before `following`, the next two characters or fewer."""
    if not following:
        return True
    if following[0] in _JOINERS:
        return len(following) == 1 or not _in_names(following[1], name)
    return not (_in_names(following[0], name) or _is_mark(following[0]))


def _in_names(char: str, name: str) -> bool:
    """Whether `char` may stand in a name like `name`."""
    if name.isascii():
        return char.isascii() and (char.isalnum() or char == "_")
    return char.isalnum() or char == "_" or _is_mark(char)


def _is_mark(char: str) -> bool:
    """Whether `char` changes the letter before it: `@bot` plus an accent names somebody else.

    Variation selectors only choose a glyph, as clients do after emoji.
    """
    return category(char)[0] == "M" and not "\ufe00" <= char <= "\ufe0f"
