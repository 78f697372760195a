"""One message's trail: every event that has to do with it, from being seen to being answered."""

from collections.abc import Iterable, Iterator

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

LOOK_BACK = 5_000
"""How many events before a given one its message is looked for at most."""

LOOK_AHEAD = 5_000
"""How many events after a message its trail is followed at most."""


class Trail(msgspec.Struct, frozen=True):
    """A message, and all that followed from it, in the order recorded."""

    message: Recorded
    events: tuple[Recorded, ...]


def trail_of_identity(log: EventLog, identity: bytes) -> Trail | None:
    """The trail of the message with this identity; `None` when it is only part of a baseline."""
    place = log.seen(identity)
    return _trail(log, place) if place else None


def trail_of_seq(log: EventLog, seq: int) -> Trail | None:
    """The trail that the event with this sequence belongs to; `None` when it belongs to none."""
    event = log.event(seq)
    if event is None:
        return None
    if isinstance(event.event, MessageSeen | MessageIgnored):
        return _trail(log, Place(event.stream, event.version))
    before = list(log.read_stream(event.stream, max(0, event.version - LOOK_BACK)))
    message = _message_behind({record.version: record for record in before}, event)
    return _trail(log, Place(event.stream, message)) if message else None


def last_message(log: EventLog, stream: str) -> Recorded | None:
    """The newest message that a conversation's stream holds."""
    recent = log.read_stream(stream, max(0, log.version(stream) - LOOK_BACK))
    seen = [record for record in recent if isinstance(record.event, MessageSeen | MessageIgnored)]
    return seen[-1] if seen else None


def _trail(log: EventLog, place: Place) -> Trail | None:
    events = iter(log.read_stream(place.stream, place.version - 1))
    message = next(events, None)
    if message is None or not isinstance(message.event, MessageSeen | MessageIgnored):
        return None
    return Trail(message, tuple(_following(message, events)))


def _following(message: Recorded, events: Iterable[Recorded]) -> Iterator[Recorded]:
    """What names the message, or names something that does, and so on."""
    named = {message.version}
    for record in events:
        if record.version > message.version + LOOK_AHEAD:
            return
        if named.intersection(_names(record.event)):
            named.add(record.version)
            yield record


def _message_behind(at: dict[int, Recorded], event: Recorded) -> int:
    """The version of the message that `event` goes back to; 0 for none."""
    while not isinstance(event.event, MessageSeen | MessageIgnored):
        earlier = next((at[name] for name in _names(event.event) if name in at), None)
        if earlier is None or earlier.version >= event.version:
            return 0
        event = earlier
    return event.version


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
