"""Messages that were accepted and got no answer: what an operator may look at, and retry.

Found by reading the log: it is the operator's own command, seldom given, and an index of its own
would have to be kept for ever.
"""

from collections.abc import Iterator

import msgspec

from events.conversation.events import (
    MessageDeadLettered,
    MessageDropped,
    MessageRetried,
    MessageSeen,
    PolicyDecided,
)
from events.event import Recorded
from events.policy.account_policy import ToolGrant
from store.log.event_log import EventLog


class DeadLetter(msgspec.Struct, frozen=True):
    """A message moved to the dead letters. `aside`: its version when it was (of its MessageSeen, or
    of the last MessageRetried); `since_ms`: when that was."""

    stream: str
    aside: int
    seen: Recorded
    sender: str
    reason: str
    since_ms: int


def dead_letters(log: EventLog) -> Iterator[DeadLetter]:
    """All that are neither retried nor dropped, oldest first. Reads the whole log once.

    Those that the agent could not answer, and those over their sender's budget of turns. Who is no
    longer let in, or was forgotten, is not to be answered, and so not among them.
    """
    left: dict[tuple[str, int], Recorded] = {}
    for record in log.read():
        match record.event:
            case MessageDeadLettered(message=message, reason="agent" | "budget"):
                left[record.stream, message] = record
            case MessageRetried(message=message) | MessageDropped(message=message):
                left.pop((record.stream, message), None)
    for (stream, aside), record in left.items():
        seen = message_behind(log, stream, aside)
        if seen is None or not isinstance(seen.event, MessageSeen):
            continue
        if isinstance(record.event, MessageDeadLettered):
            yield DeadLetter(
                stream,
                aside,
                seen,
                seen.event.sender,
                record.event.reason,
                record.time // 1_000_000,
            )


def message_behind(log: EventLog, stream: str, version: int) -> Recorded | None:
    """The MessageSeen at `version`, or the one that a MessageRetried there stands for."""
    found = next(iter(log.read_stream(stream, version - 1)), None)
    if found is not None and isinstance(found.event, MessageRetried):
        return message_behind(log, stream, found.event.message)
    return found if found is not None and isinstance(found.event, MessageSeen) else None


def tools_of(log: EventLog, seen: Recorded) -> ToolGrant | None:
    """The tools that the decision on a message granted; `None` when it was not let in."""
    for record in log.read_stream(seen.stream, seen.version):
        if isinstance(record.event, PolicyDecided) and record.event.message == seen.version:
            return record.event.tools
    return None
