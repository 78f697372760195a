"""JSON as the agent really writes it, read so that one bad element does not cost the others.

ZTM behaviour: control characters in a text are written raw, which strict parsers refuse; and what
stands in the mesh's files and chats was chosen by strangers. So: control characters are allowed,
bad UTF-8 becomes U+FFFD, numbers beyond a double become null (as in JavaScript), and NaN and
Infinity, which are not JSON, are refused. Whatever cannot be read alone (nested beyond reason, not
JSON) is left out, with a reason.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec

from actors.ztm.errors import AnswerUnreadable

__all__ = ["converted", "parse_value", "read_each", "read_list"]

T = TypeVar("T")
U = TypeVar("U")

# Deep enough for any message, and far below what makes a recursive reader of it fail.
_MAX_DEPTH = 64
_TOO_DEEP = f"it is nested deeper than {_MAX_DEPTH} levels"
# All integers of so many digits fit a double, and Python converts them in no time.
_MAX_DIGITS = 308
# What a stranger may make us do: more than any honest list needs, and no pause that anyone notices.
_MAX_FLAWS = 1_000
_MAX_TOKENS = 500_000
# The closing quote is optional: else a text that was cut off would cost a pass for each quote.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{},]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_value(data: bytes) -> object:
    """The JSON value. Raises AnswerUnreadable, without quoting the data."""
    return _shallow(_loads(data.decode("utf-8", "replace")))


def converted(value: object, kind: type[T]) -> T:
    """A parsed JSON value as `kind`; keys that it does not know are ignored. Raises
    AnswerUnreadable."""
    try:
        try:
            return msgspec.convert(value, kind)
        except UnicodeError:  # a key holds half a surrogate pair: no field is called so
            return msgspec.convert(_without_half_pairs(value), kind)
    except msgspec.ValidationError as error:
        raise AnswerUnreadable(str(error)) from None


def read_list(data: bytes, read: Callable[[object], U]) -> tuple[list[U], list[str]]:
    """What `read` makes of each element of a JSON list, and why others were left out.

    As `read_each`, after the elements' own JSON was read. Raises AnswerUnreadable: it is no list.
    """
    text = data.decode("utf-8", "replace")
    try:
        elements = _loads(text)
    except AnswerUnreadable:
        if text.lstrip().startswith("["):
            return _read_slices(text, read)
        raise
    if not isinstance(elements, list):
        raise AnswerUnreadable("it is not a JSON list")
    return read_each(elements, lambda element: read(_shallow(element)))


def read_each(elements: Iterable[T], read: Callable[[T], U]) -> tuple[list[U], list[str]]:
    """What `read` makes of each element, and why others were left out.

    An element is left out when `read` raises AnswerUnreadable; after 1,000 such, the rest is not
    read. Each reason comes once, with its number, and quotes no content, so the list stays short.
    """
    results: list[U] = []
    flaws: dict[str, list[int]] = {}
    bad = 0
    for position, element in enumerate(elements):
        try:
            results.append(read(element))
        except AnswerUnreadable as error:
            flaws.setdefault(str(error), []).append(position)
            bad += 1
            if bad == _MAX_FLAWS:
                flaws["what follows was not read, after so many bad elements"] = [position + 1]
                break
    reasons = [
        f"{len(positions)} left out (the first at position {positions[0]}): {reason}"
        for reason, positions in flaws.items()
    ]
    return results, reasons


def _read_slices(text: str, read: Callable[[object], U]) -> tuple[list[U], list[str]]:
    """As `read_list`, for a list that something in it, or after it, makes unreadable as a whole."""
    results, reasons = read_each(_slices(text), lambda part: read(_shallow(_loads(part))))
    return results, reasons or ["the list as a whole is not JSON"]


def _slices(text: str) -> Iterator[str]:
    """The text of each element of the outermost list, by counting brackets outside of strings."""
    depth = start = 0
    for token in islice(_TOKEN.finditer(text), _MAX_TOKENS):
        match token[0]:
            case "[" | "{":
                depth += 1
                if depth == 1:
                    start = token.end()
            case "]" | "}":
                depth -= 1
                if depth == 0:
                    yield text[start : token.start()]
                    return
            case "," if depth == 1:
                yield text[start : token.start()]
                start = token.end()
    yield text[start:]


def _loads(text: str) -> object:
    try:
        return json.loads(
            text,
            strict=False,
            parse_int=_integer,
            parse_float=_double,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise AnswerUnreadable(_TOO_DEEP) from None
    except ValueError:
        raise AnswerUnreadable("it is not JSON") from None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def _double(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _shallow(value: object) -> object:
    if _deeper_than(_MAX_DEPTH, value):
        raise AnswerUnreadable(_TOO_DEEP)
    return value


def _without_half_pairs(value: object) -> object:
    """`value` without the keys that UTF-8 can't write."""
    match value:
        case dict():
            return {
                key: _without_half_pairs(inner)
                for key, inner in value.items()
                if not _SURROGATE.search(key)
            }
        case list():
            return [_without_half_pairs(inner) for inner in value]
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _deeper_than(levels: int, value: object) -> bool:
    inner: Iterable[object]
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    else:
        return False
    return levels == 0 or any(_deeper_than(levels - 1, item) for item in inner)
