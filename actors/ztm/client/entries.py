"""Messages, as the mesh's files and the Chat API hold them: parsed, bounded, not yet interpreted.

ZTM behaviour: a file is a JSON list of `{time, message}` with its sender in the path; the Chat API
answers with a list of `{time, message, sender}`. `time` is the sender's clock, so any number;
`message` is any JSON. Both parsers read the same entry alike, so that both sources of a message
agree on what it is.
"""

import math

from msgspec import Struct

from actors.ztm.client.lenient import read_elements, read_list
from actors.ztm.client.paths import checked
from actors.ztm.errors import AnswerUnreadable, DangerousName

__all__ = ["RawEntry", "RawMessage", "parse_file", "parse_messages", "raw_message"]

_MAX_MS = 2**53

MAX_ENTRIES = 1_000
"""How many entries of a file are read. ZTM behaviour: a file is not continued once it has 1,024
bytes, so an honest one has less than fifty."""

HONEST_BYTES = 2**16
"""A larger file is read entry by entry: one long message is honest, many small ones are not."""


class RawEntry(Struct, frozen=True):
    """One entry of a message file: `time` in ms by the sender's clock, `message` any JSON value."""

    time: int
    message: object


class RawMessage(Struct, frozen=True):
    """One message of a Chat API answer: as RawEntry, with the sender's exact name."""

    time: int
    sender: str
    message: object


def parse_file(data: bytes, *, limit: int) -> tuple[list[RawEntry], list[str]]:
    """The entries of a message file in the file's order, and why others were left out.

    Never raises: a file larger than `limit` bytes, or one that is no list, gives no entries and a
    reason; so does what follows the first `MAX_ENTRIES`.
    """
    if len(data) > limit:
        return [], [f"the file has {len(data)} bytes, more than the {limit} allowed"]
    read = read_list if len(data) <= HONEST_BYTES else read_elements
    try:
        return read(data, _entry, most=MAX_ENTRIES)
    except AnswerUnreadable as error:
        return [], [f"the file is unreadable: {error}"]


def parse_messages(data: bytes) -> tuple[list[RawMessage], list[str]]:
    """The messages of a Chat API answer in its order (of arrival), and why others were left out.

    Raises AnswerUnreadable when the answer is no list.
    """
    return read_list(data, raw_message)


def raw_message(element: object) -> RawMessage:
    """The message that a parsed JSON value is. Raises AnswerUnreadable: why it is none."""
    entry = _entry(element)
    sender = element.get("sender") if isinstance(element, dict) else None
    if not isinstance(sender, str):
        raise AnswerUnreadable("its sender is not a text")
    try:
        return RawMessage(entry.time, checked(sender), entry.message)
    except DangerousName:
        raise AnswerUnreadable("its sender is a name that cannot exist") from None


def _entry(element: object) -> RawEntry:
    if not isinstance(element, dict):
        raise AnswerUnreadable("it is not an object")
    time = element.get("time")
    if isinstance(time, bool) or not isinstance(time, int | float):
        raise AnswerUnreadable("its time is not a number")
    if not 0 <= time <= _MAX_MS:
        raise AnswerUnreadable("its time is out of range")
    return RawEntry(math.floor(time), element.get("message"))
