"""Short ways to say what a log is given."""

import hashlib
from collections.abc import Sequence

from events.conversation.events import Dispatched, MessageSeen, ReplySent
from events.event import Body, Draft, Event, Recorded
from events.gateway.events import KeysLost
from events.policy.account_policy import ToolGrant
from events.streams import GATEWAY
from events.watermark import WatermarkAdvanced
from store.log.event_log import EventLog

ALICE = "account/main/peer/alice"
BOB = "account/main/peer/bob"


def identity(name: str | int) -> bytes:
    return hashlib.sha256(str(name).encode()).digest()[:16]


def tick(position: int = 1) -> WatermarkAdvanced:
    """An event that opens, closes and makes known nothing."""
    return WatermarkAdvanced(position)


def seen(name: str | int, sender: str = "alice") -> MessageSeen:
    """A message becomes known, which is open work."""
    return MessageSeen(identity(name), sender, 1_000, b"\0" * 32, 5, "feed")


def dispatched(*messages: int) -> Dispatched:
    """Closes the messages, and is itself open work."""
    return Dispatched(messages, "alice", "echo", ToolGrant())


def sent(queued: int) -> ReplySent:
    return ReplySent(queued, 1_000, reconciled=False, posts=1)


def body(text: str, person: str = "alice") -> Body:
    return Body(person, text, b"salt" * 4)


def drafts(stream: str, *events: Event) -> list[Draft]:
    return [Draft(stream, event) for event in events]


def add(log: EventLog, stream: str, *events: Event) -> tuple[Recorded, ...]:
    """Append to one stream at whatever version it is, and wait."""
    return log.commit(drafts(stream, *events), expected={stream: log.version(stream)})


def add_all(log: EventLog, *items: Draft) -> tuple[Recorded, ...]:
    """Append to several streams at whatever version they are, and wait."""
    return log.commit(items, expected={each.stream: log.version(each.stream) for each in items})


def end_key(log: EventLog, person: str) -> bool:
    """Destroy the key of `person`, as everybody does it: first on record, then done."""
    add(log, GATEWAY, KeysLost((person,), ()))
    return log.destroy(person)


def ticks(log: EventLog, count: int, streams: Sequence[str] = (ALICE, BOB)) -> None:
    """`count` commits of one event each, over the streams in turn."""
    for number in range(count):
        add(log, streams[number % len(streams)], tick(number))
