"""What the log's derived indexes hold of an event: dedup entries and open work.

The store writes them in the events' own transaction, so they never disagree with the log; they can
be thrown away and built again from it.
"""

from collections.abc import Callable
from typing import Any

from events.conversation_events import (
    AgentFailed,
    AgentReplied,
    BaselineTaken,
    Dispatched,
    MessageIgnored,
    MessageQueued,
    MessageRetried,
    MessageSeen,
    MessageSetAside,
    PairingWithheld,
    PolicyDecided,
    ReplyFailed,
    ReplySent,
    TurnCancelled,
)
from events.event import Event

_IDENTITIES: dict[type[Event], Callable[[Any], tuple[bytes, ...]]] = {
    MessageSeen: lambda event: (event.identity,),
    MessageIgnored: lambda event: (event.identity,),
    BaselineTaken: lambda event: event.identities,
}

_CLOSES: dict[type[Event], Callable[[Any], tuple[int, ...]]] = {
    PolicyDecided: lambda event: () if _goes_on(event) else (event.message,),
    PairingWithheld: lambda event: (event.message,),
    Dispatched: lambda event: event.messages,
    TurnCancelled: lambda event: (event.turn,),
    AgentReplied: lambda event: (event.turn,),
    AgentFailed: lambda event: () if event.retry_ms else (event.turn,),
    MessageQueued: lambda event: (event.answers,) if event.purpose == "pairing" else (),
    MessageSetAside: lambda event: (event.message,),
    ReplySent: lambda event: (event.queued,),
    ReplyFailed: lambda event: (event.queued,),
}

_OPENS = frozenset({MessageSeen, MessageRetried, Dispatched, MessageQueued})


def _goes_on(decided: PolicyDecided) -> bool:
    if decided.action == "pairing":
        return decided.considered.pairing == "none"
    return decided.action == "process"


def identities(event: Event) -> tuple[bytes, ...]:
    """The identities of messages that are known from this event on."""
    known = _IDENTITIES.get(type(event))
    return known(event) if known else ()


def opens(event: Event) -> bool:
    """Whether this event begins work that some later event must end: its own version is the key."""
    return type(event) in _OPENS


def closes(event: Event) -> tuple[int, ...]:
    """Versions, in the same stream, of events whose work this one ends."""
    ended = _CLOSES.get(type(event))
    return ended(event) if ended else ()
