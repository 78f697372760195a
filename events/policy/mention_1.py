"""`mention` as version 1 of the rules has it, to decide its messages again. Never changed."""

from unicodedata import category, normalize

_JOINERS = ".-"
"""Punctuation that names hold inside, and sentences put after them."""

_LETTER = 8
"""Code points around a place that decide which letter stands there (a base and its marks)."""


def mentioned(text: str, username: str) -> bool:
    """Whether `text` holds `@username`, in any case and any Unicode composition.

    The name must not be part of a longer one: neither a name character nor a joiner (`.`, `-`) that
    leads to one may follow, and none may come before the `@` (`x@my-bot` is an address). For an
    ASCII name only ASCII letters, digits and `_` are name characters, so that scripts written
    without blanks may touch it (`@my-bot你好`); for any other name all letters and digits are.

    Time: linear in `text`, for a given name. Only what surrounds an `@` is composed, because
    composing a long run of marks takes quadratic time.
    """
    name = normalize("NFC", username.strip()).casefold()
    reach = 3 * len(name) + _LETTER
    at = text.find("@") if name else -1
    while at >= 0:
        before = normalize("NFC", text[max(0, at - _LETTER) : at])
        after = normalize("NFC", text[at + 1 : at + 1 + reach])
        end = _end_of_name(after, name)
        if end and _begins(before, name) and _ends(after[end : end + 2], name):
            return True
        at = text.find("@", at + 1)
    return False


def _end_of_name(after: str, name: str) -> int:
    """Where `name` (folded) ends if `after` begins with it; 0 if it doesn't.

    Character by character, because folding changes lengths (`ß` is `ss`), and what surrounds the
    name is judged as it was written.
    """
    matched = 0
    for place, char in enumerate(after):
        folded = char.casefold()
        if not name.startswith(folded, matched):
            return 0
        matched += len(folded)
        if matched == len(name):
            return place + 1
    return 0


def _begins(before: str, name: str) -> bool:
    return not before or not _in_names(before[-1], name)


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
