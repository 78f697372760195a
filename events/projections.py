"""What the log's derived indexes hold of an event: dedup entries, open work, the ends of keys.

The store writes them in the events' own transaction, so they never disagree with the log; they can
be thrown away and built again from it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from events.account.events import ErasureEnded
from events.conversation.events import (
    AgentFailed,
    AgentReplied,
    BaselineTaken,
    Dispatched,
    MessageDeadLettered,
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
from events.conversation.policy_context import person_key
from events.event import Event
from events.gateway.events import BodiesExpired, KeysLost
from events.streams import GATEWAY, account_stream


class Projected(NamedTuple):
    """What an event changes in the derived indexes.

    `identities`: of messages that are known from it on. `opens`: it begins work that some later
    event must end, under its own version. `closes`: versions, in the same stream, of events whose
    work it ends.
    """

    identities: tuple[bytes, ...] = ()
    opens: bool = False
    closes: tuple[int, ...] = ()


NOTHING = Projected()


def projected(event: Event) -> Projected:
    """What `event` changes in the derived indexes; `NOTHING` for most kinds."""
    project = _PROJECT.get(type(event))
    return project(event) if project else NOTHING


class EndedKeys(NamedTuple):
    """Keys that must not be in the file of keys from an event on: of these persons and weeks, and
    of all weeks before the week `before`.
    """

    owners: tuple[str | int, ...] = ()
    before: int = 0


ENDING_KEYS = frozenset({ErasureEnded, BodiesExpired, KeysLost})
"""The kinds that put an end to keys."""


def ended_keys(stream: str, event: Event) -> EndedKeys | None:
    """The keys that an event in `stream` puts an end to; `None` for most kinds."""
    match event:
        case ErasureEnded(person) if stream == account_stream(stream.removeprefix("account/")):
            return EndedKeys((person_key(stream.removeprefix("account/"), person),))
        case BodiesExpired(before) if stream == GATEWAY:
            return EndedKeys(before=before)
        case KeysLost(persons, weeks) if stream == GATEWAY:
            return EndedKeys((*persons, *weeks))
        case _:
            return None


def identities(event: Event) -> tuple[bytes, ...]:
    """The identities of messages that are known from this event on."""
    return projected(event).identities


def opens(event: Event) -> bool:
    """Whether this event begins work that some later event must end: its own version is the key."""
    return projected(event).opens


def closes(event: Event) -> tuple[int, ...]:
    """Versions, in the same stream, of events whose work this one ends."""
    return projected(event).closes


def _decided(event: PolicyDecided) -> Projected:
    goes_on = event.action == "process"
    if event.action == "pairing":
        goes_on = event.inputs.pairing == "none"
    return NOTHING if goes_on else Projected(closes=(event.message,))


def _queued(event: MessageQueued) -> Projected:
    return Projected(opens=True, closes=(event.answers,) if event.purpose == "pairing" else ())


_PROJECT: dict[type[Event], Callable[[Any], Projected]] = {
    BaselineTaken: lambda event: Projected(event.identities),
    MessageSeen: lambda event: Projected((event.identity,), opens=True),
    MessageIgnored: lambda event: Projected((event.identity,)),
    PolicyDecided: _decided,
    PairingWithheld: lambda event: Projected(closes=(event.message,)),
    Dispatched: lambda event: Projected(opens=True, closes=event.messages),
    TurnCancelled: lambda event: Projected(closes=(event.turn,)),
    AgentReplied: lambda event: Projected(closes=(event.turn,)),
    AgentFailed: lambda event: NOTHING if event.retry_ms else Projected(closes=(event.turn,)),
    MessageQueued: _queued,
    MessageDeadLettered: lambda event: Projected(closes=(event.message,)),
    MessageRetried: lambda _: Projected(opens=True),
    ReplySent: lambda event: Projected(closes=(event.queued,)),
    ReplyFailed: lambda event: Projected(closes=(event.queued,)),
}
