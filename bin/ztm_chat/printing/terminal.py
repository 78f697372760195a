"""Text for a terminal: what others wrote can't move the cursor or change colours."""

import json
import time
from typing import Any
from unicodedata import category

_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def safe(text: str, limit: int = 2_000) -> str:
    """`text` in one line, with control and invisible characters escaped, cut at `limit`."""
    return visible(text[:limit]) + ("…" if len(text) > limit else "")


def visible(text: str, kept: str = "") -> str:
    """`text` with control and invisible characters escaped, except those that are `kept`."""
    return "".join(
        char
        if char in kept or category(char) not in _UNSAFE
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def as_json_line(value: Any) -> str:
    """`value` as JSON in one line, readable in every script, and with the same characters escaped
    as by `safe` (as JSON escapes them: parsing gives the original text)."""
    # Outside of its strings, JSON in one line holds none of them.
    return "".join(
        char if category(char) not in _UNSAFE else json.dumps(char)[1:-1]
        for char in json.dumps(value, ensure_ascii=False)
    )


def ago(time_ms: int, now_ms: int) -> str:
    """How long ago, in the largest unit that fits; `never` for 0."""
    if not time_ms:
        return "never"
    seconds = max(0, now_ms - time_ms) // 1_000
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago" if seconds else "just now"


def local_time(time_ms: int) -> str:
    """Date and time of day, local, to the millisecond."""
    local = time.localtime(time_ms / 1_000)
    return time.strftime("%Y-%m-%d %H:%M:%S", local) + f".{time_ms % 1_000:03d}"
