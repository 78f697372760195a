"""Events to bytes and back.

An event's type is written as a name. What was written once is never rewritten: when a type has to
change, the new one gets the tag `Name.2`, the old Struct stays as it was, and `UPCASTS` says how
the old one becomes the new one when it is read.

`FORMAT` is the version of everything on disk together; a log of a newer one is not opened.
"""

from collections.abc import Callable
from typing import Any, Union

import msgspec

from events import watermark
from events.account import events as account_events
from events.conversation import events as conversation_events
from events.event import Event
from events.gateway import events as gateway_events

FORMAT = 2
"""Version of the log's format. A log with a higher one is refused."""


class UnreadableEvent(ValueError):
    """Bytes that are no event of this or any earlier version."""


def _vocabulary(module: Any) -> dict[str, type[Event]]:
    kinds = (kind for kind in vars(module).values() if isinstance(kind, type))
    return {
        str(kind.__struct_config__.tag): kind
        for kind in kinds
        if issubclass(kind, Event) and kind is not Event
    }


EVENTS: dict[str, type[Event]] = {
    **_vocabulary(gateway_events),
    **_vocabulary(account_events),
    **_vocabulary(conversation_events),
    **_vocabulary(watermark),
}
"""Every event type by the name it has on disk."""

UPCASTS: dict[type[Event], Callable[[Any], Event]] = {}
"""Old types, and the function that makes the next version of them."""

AnyEvent = Union[tuple(EVENTS.values())]  # type: ignore[valid-type]  # noqa: UP007 - built at run time

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyEvent)


UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)
"""What msgspec raises for bytes that are not what they should be: the second for the name of a
type, which it reads as text first."""


def encode(event: Event) -> bytes:
    """MessagePack of an event: an array, its type's name first."""
    return _encoder.encode(event)


def decode(data: bytes | msgspec.Raw) -> Event:
    """The event in `data`, in its newest version. Raises `UnreadableEvent`."""
    try:
        event: Event = _decoder.decode(data)
    except UNREADABLE as error:
        msg = f"not an event that this version knows: {error}"
        raise UnreadableEvent(msg) from error
    return upcast(event)


def upcast(event: Event) -> Event:
    """The same event in its newest version."""
    while step := UPCASTS.get(type(event)):
        event = step(event)
    return event
