"""What a message says, whoever shows it, and which message it is.

ZTM messages have no id, and reach us by two ways: the file feed and the Chat API. Both must lead to
the same identity. They agree on the JSON value but not on how it is written: numbers pass through
doubles, keys in any order, and a lone surrogate becomes `?`.
"""

import hashlib
import json
import math
import re
from itertools import islice
from typing import Any
from unicodedata import category

IDENTITY_BYTES = 16
_PURPOSE = b"message identity"

_MAX_DEPTH = 64
_TOO_DEEP = "…"
_EXACT = 1e21
"""Below this JavaScript writes whole doubles without an exponent; here they become integers."""

_SURROGATES = re.compile("([\ud800-\udbff][\udc00-\udfff])|[\ud800-\udfff]")
_MAX_CONTENT = 2**16
_HASH = re.compile("[0-9A-Fa-f]{1,128}")
_MAX_HASHES = 64
_LONGEST_NAME = 120


def canonical(message: object) -> bytes:
    """The content of `message` (any JSON value) as bytes that both ways agree on.

    A string and an object with `text` or `files` are alike: the text, and the files' hashes in
    their order; whatever else the object holds is not read by an agent and doesn't count. Any other
    value: compact JSON, keys sorted. Lists and objects more than 64 deep count as equal. Of more
    than 64 KiB, their digest.
    """
    text = _text(message)
    if text is None:
        content = b"json:" + _compact(_plain_json(message)).encode()
    else:
        hashes = [_clean(file["hash"]) for file in _files(message)]
        content = b"text:" + _compact([text, *hashes]).encode()
    if len(content) <= _MAX_CONTENT:
        return content
    return b"long:" + hashlib.blake2b(content, digest_size=32).digest()


def plain_text(message: object) -> str:
    """What an agent should read of `message`: its text, then a line for each file.

    A file's line is `[file: name, 12 kB, image/png]`, so far as these are known. Other JSON values
    are given compactly.
    """
    text = _text(message)
    if text is None:
        return _compact(_plain_json(message))
    lines = [text] if text else []
    return "\n".join(lines + [_file_line(file) for file in _files(message)])


def file_hashes(message: object) -> tuple[str, ...]:
    """The hashes of the files attached to `message`, by which the Chat API hands them out.

    They are recorded in the clear and outlive an erasure: so only what looks like a hash counts
    (up to 64 bytes in hex), and no more than 64 of them.
    """
    hashes = (file["hash"] for file in _files(message))
    return tuple(islice((found for found in hashes if _HASH.fullmatch(found)), _MAX_HASHES))


def says_nothing(message: object) -> bool:
    """Whether `message` is none: `null` (or a number that JSON can't write), an empty list, or an
    object without a field that says anything. Its `id` alone says nothing.
    """
    if isinstance(message, dict):
        return _text(message) is None and all(
            name == "id" or field is None or field in ([], {}) for name, field in message.items()
        )
    if isinstance(message, int | float):
        return _number(message) is None
    return message is None or message == []


def identity(key: bytes, chat: str, sender: str, time_ms: int, content: bytes, place: int) -> bytes:
    """The name of a message, 16 bytes: BLAKE2b under the person's `key` (1 to 64 bytes).

    `chat` and `sender` are exact names, `time_ms` the sender's clock (ms since 1970), `content` is
    `canonical`, and `place` counts from 0 among the sender's messages of that chat that are equal
    in all the rest. Each field is written with its length, so no two different messages look alike.

    Raises `ValueError` for an empty key, which would not hide anything, and for one over 64 bytes.
    """
    if not key:
        msg = "the identity of a message needs the person's key, found an empty one"
        raise ValueError(msg)
    digest = hashlib.blake2b(key=key, digest_size=IDENTITY_BYTES, person=_PURPOSE)
    for field in (_utf8(chat), _utf8(sender), _integer(time_ms), content, _integer(place)):
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.digest()


def _text(message: object) -> str | None:
    """The text of a message that a chat client would show; `None` for any other JSON value."""
    if isinstance(message, str):
        return _clean(message)
    if isinstance(message, dict):
        if isinstance(text := message.get("text"), str):
            return _clean(text)
        if text is None and _files(message):
            return ""
    return None


def _files(message: object) -> list[dict[str, Any]]:
    """The attached files that can be fetched: the others have no hash to ask for."""
    files = message.get("files") if isinstance(message, dict) else None
    if not isinstance(files, list):
        return []
    return [file for file in files if isinstance(file, dict) and isinstance(file.get("hash"), str)]


def _file_line(file: dict[str, Any]) -> str:
    name, kind, size = file.get("name"), file.get("contentType"), file.get("size")
    known = [
        _one_line(name) if isinstance(name, str) else "unnamed",
        _readable_size(size) if isinstance(size, int | float) else "",
        _one_line(kind) if isinstance(kind, str) else "",
    ]
    return f"[file: {', '.join(part for part in known if part)}]"


def _one_line(label: str) -> str:
    """A name that a stranger chose, kept from looking like more than a name."""
    shown = "".join(c for c in _clean(label).replace("[", "(").replace("]", ")") if _printable(c))
    return " ".join(shown.split())[:_LONGEST_NAME]


def _readable_size(size: float) -> str:
    """`size` in bytes, for people; empty if it can't be one."""
    if not 0 <= size < _EXACT:
        return ""
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _plain_json(value: object, depth: int = 0) -> object:
    """`value` as it is after passing through JavaScript: numbers, and text that UTF-8 can hold."""
    if depth > _MAX_DEPTH and isinstance(value, dict | list):
        return _TOO_DEEP
    match value:
        case str():
            return _clean(value)
        case bool() | None:
            return value
        case int() | float():
            return _number(value)
        case dict():
            return {_clean(key): _plain_json(item, depth + 1) for key, item in value.items()}
        case list():
            return [_plain_json(item, depth + 1) for item in value]
    msg = f"not a JSON value: {type(value).__name__}"
    raise TypeError(msg)


def _number(value: float) -> float | None:
    """`value` as a double, whole ones as integers; `null` for what JSON can't write."""
    try:
        double = float(value)
    except OverflowError:
        return None
    if not math.isfinite(double):
        return None
    return int(double) if double.is_integer() and abs(double) < _EXACT else double


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _clean(text: str) -> str:
    """`text` with pairs of surrogates joined, and `?` for a lone one as ZTM gives it."""
    return _SURROGATES.sub(_joined, text)


def _joined(found: re.Match[str]) -> str:
    if found[1] is None:
        return "?"
    return found[1].encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _printable(char: str) -> bool:
    """Neither a control nor a format character; a line feed counts as a blank."""
    return char.isspace() or category(char) not in {"Cc", "Cf"}


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
