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

__all__ = ["converted", "parse_value", "read_each", "read_elements", "read_list"]

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
_MAX_ELEMENT = 4 * 2**20
# The closing quote is optional: else a text that was cut off would cost a pass for each quote.
# Possessive, so that a text of backslashes costs no memory.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_value(data: bytes) -> object:
    """The JSON value. Raises AnswerUnreadable, without quoting the data."""
    return _shallow(_loads(data))


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


def read_list(
    data: bytes, read: Callable[[object], U], *, most: int | None = None
) -> tuple[list[U], list[str]]:
    """What `read` makes of each element of a JSON list, and why others were left out.

    As `read_each`, after the elements' own JSON was read. Raises AnswerUnreadable: it is no list.
    """
    try:
        elements = _loads(data)
    except AnswerUnreadable:
        if _begins_list(data):
            results, reasons = read_elements(data, read, most=most)
            return results, reasons or ["the list as a whole is not JSON"]
        raise
    if not isinstance(elements, list):
        raise AnswerUnreadable("it is not a JSON list")
    return read_each(elements, lambda element: read(_shallow(element)), most=most)


def read_elements(
    data: bytes, read: Callable[[object], U], *, most: int | None = None
) -> tuple[list[U], list[str]]:
    """As `read_list`, one element after the other, so that what is not kept takes no memory.

    Elements of more than 4 MiB, and what follows the first 500,000 brackets, commas and texts, are
    not read. For a list that can't be read as a whole: something in it, or after it, is not JSON,
    or it is very long.
    """
    if not _begins_list(data):
        raise AnswerUnreadable("it is not a JSON list")
    return read_each(_slices(data), lambda part: read(_shallow(_element(part))), most=most)


def read_each(
    elements: Iterable[T], read: Callable[[T], U], *, most: int | None = None
) -> tuple[list[U], list[str]]:
    """What `read` makes of each element, and why others were left out.

    An element is left out when `read` raises AnswerUnreadable; after 1,000 such, or `most` that
    could be read, the rest is not read. Each reason comes once, with its number, and quotes no
    content, so the list stays short.
    """
    results: list[U] = []
    flaws: dict[str, list[int]] = {}
    bad = 0
    for position, element in enumerate(elements):
        if len(results) == most:
            flaws[f"there may be {most} at most; what follows was not read"] = [position]
            break
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


def _begins_list(data: bytes) -> bool:
    return data[:1_024].lstrip().startswith(b"[")


def _slices(data: bytes) -> Iterator[bytes]:
    """Each element of the outermost list, by counting brackets outside of strings."""
    depth = start = 0
    for token in islice(_TOKEN.finditer(data), _MAX_TOKENS):
        match data[token.start()]:
            case 0x5B | 0x7B:  # [ {
                depth += 1
                if depth == 1:
                    start = token.end()
            case 0x5D | 0x7D:  # ] }
                depth -= 1
                if depth == 0:
                    yield data[start : token.start()]
                    return
            case 0x2C if depth == 1:  # a comma
                yield data[start : token.start()]
                start = token.end()
    yield data[start : start + _MAX_ELEMENT + 1]


def _element(part: bytes) -> object:
    if len(part) > _MAX_ELEMENT:
        raise AnswerUnreadable(f"it has more than {_MAX_ELEMENT} bytes")
    return _loads(part)


def _loads(data: bytes) -> object:
    try:
        return json.loads(
            data.decode("utf-8", "replace"),
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
