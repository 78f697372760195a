"""One message's trail: every event that has to do with it, from being seen to being answered."""

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from events.conversation.events import (
    AgentFailed,
    AgentReplied,
    Dispatched,
    MessageDeadLettered,
    MessageDropped,
    MessageIgnored,
    MessageQueued,
    MessageRetried,
    MessageSeen,
    PairingWithheld,
    PolicyDecided,
    ReplyFailed,
    ReplySent,
    TurnCancelled,
)
from events.event import Event, Recorded
from store.log.event_log import EventLog, Place

WINDOW = 5_000
"""How many events are read at first when a stream is searched backwards."""


class Trail(msgspec.Struct, frozen=True):
    """A message, and all that followed from it, in the order recorded."""

    message: Recorded
    events: tuple[Recorded, ...]


def trail_of_identity(log: EventLog, identity: bytes) -> Trail | None:
    """The trail of the message with this identity; `None` when it is only part of a baseline."""
    place = log.seen(identity)
    return _trail(log, place) if place else None


def trail_of_seq(log: EventLog, seq: int) -> Trail | None:
    """The trail that the event with this sequence belongs to; `None` when it belongs to none.

    However far back the message is, and however far on its trail goes: the rest of its stream is
    read, about a million events a second.
    """
    message = message_of_seq(log, seq)
    return _trail(log, Place(message.stream, message.version)) if message else None


def message_of_seq(log: EventLog, seq: int) -> Recorded | None:
    """The message that the event with this sequence goes back to; `None` when there is none."""
    event = log.event(seq)
    while event is not None and not isinstance(event.event, MessageSeen | MessageIgnored):
        named = next((name for name in _names(event.event) if name < event.version), 0)
        event = _at(log, event.stream, named) if named else None
    return event


def last_message(log: EventLog, stream: str) -> Recorded | None:
    """The newest message that a conversation's stream holds."""
    end, window = log.version(stream), WINDOW
    while end:
        start = max(0, end - window)
        found = None
        for record in islice(log.read_stream(stream, start), end - start):
            if isinstance(record.event, MessageSeen | MessageIgnored):
                found = record
        if found is not None:
            return found
        end, window = start, window * 2
    return None


def _trail(log: EventLog, place: Place) -> Trail | None:
    events = log.read_stream(place.stream, place.version - 1)
    message = next(events, None)
    if message is None or not isinstance(message.event, MessageSeen | MessageIgnored):
        return None
    return Trail(message, tuple(_following(message, events)))


def _following(message: Recorded, events: Iterable[Recorded]) -> Iterator[Recorded]:
    """What names the message, or names something that does, and so on."""
    named = {message.version}
    for record in events:
        if named.intersection(_names(record.event)):
            named.add(record.version)
            yield record


def _at(log: EventLog, stream: str, version: int) -> Recorded | None:
    return next(log.read_stream(stream, version - 1), None)


def _names(event: Event) -> tuple[int, ...]:
    """The versions of earlier events of the stream that this one is about."""
    match event:
        case PolicyDecided() | PairingWithheld() | MessageDeadLettered():
            return (event.message,)
        case MessageRetried() | MessageDropped():
            return (event.message,)
        case Dispatched():
            return event.messages
        case AgentReplied() | AgentFailed() | TurnCancelled():
            return (event.turn,)
        case MessageQueued():
            return (event.answers,) if event.answers else ()
        case ReplySent() | ReplyFailed():
            return (event.queued,)
    return ()
