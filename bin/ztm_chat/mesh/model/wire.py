"""JSON and URLs as the ZTM Agent reads and writes them, where that differs from the standard.

- Numbers are doubles; an integer beyond 64 bits is refused.
- In texts, BS, TAB, LF, FF and CR are escaped. The other 27 control characters are written raw,
  which the agent's own parser then refuses. A lone surrogate is written as `?`.
- Parts of a path are percent-decoded one by one, so that a name may hold `/` or `%41`.
"""

import json
import math
import re
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

JSON: TypeAlias = Any
"""A parsed JSON value: None, bool, int, float, str, list, dict."""

MAX_DEPTH = 200

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t"}
_ESCAPES |= {"\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPED = re.compile(r'["\\\b\t\n\f\r]')
_NUMBER_PREFIX = re.compile(r"\s*([+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))")
_BEYOND_INTEGERS = 2.0**63


def decode(data: bytes) -> JSON:
    """Parse JSON as the agent does.

    Raises ValueError for what it refuses: no JSON, bad UTF-8, raw control characters in a text,
    integers beyond 64 bits, doubles out of range, nesting too deep.
    """
    try:
        value = json.loads(
            data.decode(),
            parse_int=_integer,
            parse_float=_double,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise ValueError("JSON is nested too deep") from None
    _check_depth(value)
    return value


def _check_depth(value: JSON) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        nested = [
            v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)
        ]
        level = [child for children in nested for child in children]
        if not level:
            return
    raise ValueError(f"JSON is nested deeper than {MAX_DEPTH} levels")


def _integer(digits: str) -> int:
    value = int(digits)
    if not -(2**63) <= value < 2**63:
        raise ValueError("integer beyond 64 bits")
    return int(float(value))


def _double(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("number out of range")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def encode(value: JSON) -> bytes:
    """Write JSON as the agent does: compact, and with control characters raw."""
    return _text(value).encode("utf-8", "replace")


def _text(value: JSON) -> str:
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return '"' + _ESCAPED.sub(lambda found: _ESCAPES[found[0]], value) + '"'
        case int() | float():
            return _number(value)
        case dict():
            return "{" + ",".join(f"{_text(k)}:{_text(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_text, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _number(value: float) -> str:
    double = float(value)
    whole = double.is_integer() and abs(double) < _BEYOND_INTEGERS
    return str(int(double)) if whole else repr(double)


def parse_float(text: str) -> float:
    """JavaScript's `parseFloat`: the number that a text starts with, else NaN."""
    found = _NUMBER_PREFIX.match(text)
    return float(found[1]) if found else math.nan


def path_parts(raw_path: bytes) -> list[str]:
    """The parts of a request's path, each percent-decoded by itself."""
    parts = raw_path.split(b"/")[1:]
    return [unquote_to_bytes(part).decode("utf-8", "replace") for part in parts]
