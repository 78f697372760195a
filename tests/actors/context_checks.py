"""What a turn may be told, read from the whole of its stream and in other words than the rules'."""

from collections.abc import Iterable

from actors.agents.protocol import Line
from actors.agents.settings import MAX_HISTORY_LINES
from events.conversation.events import (
    AgentReplied,
    Dispatched,
    MessageDeadLettered,
    MessageRetried,
    MessageSeen,
    PolicyDecided,
)
from events.event import Recorded
from store.log.event_log import EventLog


def said_before(log: EventLog, stream: str, turn: int, own: str) -> tuple[Line, ...]:
    """What was let in and what was answered before the turn, less what it asks; what was given up
    leaves no line."""
    events = {record.version: record for record in log.read_stream(stream)}
    earlier = [record for version, record in events.items() if version < turn]
    dispatched = events[turn].event
    assert isinstance(dispatched, Dispatched)
    let_in = {
        record.event.message
        for record in earlier
        if isinstance(record.event, PolicyDecided) and record.event.action == "process"
    }
    asked = {first_written(events, version) for version in dispatched.messages}
    assert asked <= let_in, "asked about what was not let in"
    replies = {record.version for record in earlier if is_a_reply(record)}
    told = [record for record in earlier if record.version in (let_in - asked) | replies]
    return tuple(lines(log, told, own))[-MAX_HISTORY_LINES:]


def first_written(events: dict[int, Recorded], version: int) -> int:
    """Where the message stands that `version` asks about; a retry refers to an earlier event."""
    while not isinstance(events[version].event, MessageSeen):
        event = events[version].event
        assert isinstance(event, MessageRetried | MessageDeadLettered)
        version = event.message
    return version


def is_a_reply(record: Recorded) -> bool:
    return isinstance(record.event, AgentReplied) and not record.event.silent


def lines(log: EventLog, told: Iterable[Recorded], own: str) -> Iterable[Line]:
    for record in told:
        text = log.body(record.seq)
        if text is None:
            continue
        if isinstance(record.event, MessageSeen):
            yield Line("user", record.event.sender, text, record.event.sent_ms)
        else:
            yield Line("assistant", own, text, record.time // 1_000_000)
