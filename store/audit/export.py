"""What was said in a conversation, in order, each message with what was decided and what became of
it: what a readable export holds.
"""

from collections.abc import Iterator

import msgspec

from events.conversation.events import (
    MessageDeadLettered,
    MessageIgnored,
    MessageQueued,
    MessageSeen,
    PolicyDecided,
    ReplyFailed,
    ReplySent,
)
from events.event import Event, Recorded
from events.streams import GroupId, PeerId, parse_stream
from store.audit.selection import Selection
from store.log.event_log import EventLog

_MS = 1_000_000


class ExportedMessage(msgspec.Struct):
    """A message, theirs or `ours`. `text` is `None` when it was erased, or never kept.

    `outcome`: of theirs, what was decided (`process`, `ignore`, `pairing`; empty: not yet) and
    `why`; of ours, `sent`, `failed`, or empty while it waits, and what it was for.
    """

    seq: int
    time_ms: int
    ours: bool
    sender: str
    text: str | None
    files: int = 0
    outcome: str = ""
    why: str = ""


def conversations(log: EventLog, selection: Selection) -> Iterator[tuple[str, PeerId | GroupId]]:
    """The streams of the conversations that are wanted."""
    for stream in log.streams("account/"):
        address = parse_stream(stream)
        if isinstance(address, PeerId | GroupId) and selection.wants(address):
            yield stream, address


def messages_in(
    log: EventLog, stream: str, selection: Selection, own: str
) -> list[ExportedMessage]:
    """The messages of one conversation that were recorded when `selection` says; `own` is the
    bot's name."""
    messages: dict[int, ExportedMessage] = {}
    for record in log.read_stream(stream):
        if selection.is_time(record.time // _MS) and (begun := _begun(log, record, own)):
            messages[record.version] = begun
        else:
            _settle(messages, record)
    return list(messages.values())


def _begun(log: EventLog, record: Recorded, own: str) -> ExportedMessage | None:
    event, time_ms = record.event, record.time // _MS
    match event:
        case MessageSeen():
            text, files = log.body(record.seq), len(event.files)
            return ExportedMessage(record.seq, time_ms, False, event.sender, text, files)
        case MessageIgnored():
            why = event.reason
            return ExportedMessage(record.seq, time_ms, False, event.sender, None, 0, "ignore", why)
        case MessageQueued():
            text = log.body(record.seq)
            return ExportedMessage(record.seq, time_ms, True, own, text, 0, "", event.purpose)
    return None


def _settle(messages: dict[int, ExportedMessage], record: Recorded) -> None:
    """Note what became of an earlier message."""
    version, outcome, why = _outcome(record.event)
    if version in messages:
        messages[version].outcome = outcome
        messages[version].why = why or messages[version].why


def _outcome(event: Event) -> tuple[int, str, str]:
    match event:
        case PolicyDecided(message=version, action=action, reason=reason, rule=rule):
            return version, action, f"{reason}, {rule}"
        case MessageDeadLettered(message=version, reason=reason):
            return version, "dead letter", reason
        case ReplySent(queued=version):
            return version, "sent", ""
        case ReplyFailed(queued=version, error=error):
            return version, "failed", error
    return 0, "", ""
