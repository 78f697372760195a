"""From events to decisions: each with the message that it is about, which was recorded before."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from events.conversation.events import MessageIgnored, MessageSeen, PolicyDecided
from events.event import Recorded
from events.policy.account_policy import Action, ToolGrant
from events.streams import GroupId, PeerId, parse_stream
from store.audit.selection import Selection
from store.log.event_log import EventLog

INTAKE = "intake"
"""The rule of a message that was ignored before any policy was asked."""

_MS = 1_000_000
_WAITING_KEPT = 10_000


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What was decided of a message. `seq` is the deciding event, `message` that of the message;
    times in ms. `mentioned`, `policy` and `tools` are for decisions of the policy only, and so is
    `version`, that of the message in its stream."""

    seq: int
    time_ms: int
    address: PeerId | GroupId
    sender: str
    sent_ms: int
    message: int
    identity: bytes
    action: Action
    reason: str
    rule: str
    mentioned: bool = False
    policy: bytes = b""
    tools: ToolGrant | None = None
    version: int = 0


class JudgedMessage(NamedTuple):
    """A decision of the policy as it was recorded."""

    at: Recorded
    address: PeerId | GroupId
    seen: Recorded
    message: MessageSeen
    decided: PolicyDecided


class Rows:
    """The decisions among events of `log`, as far as they fit `selection`."""

    def __init__(self, log: EventLog, selection: Selection) -> None:
        self._log = log
        self._selection = selection
        self._waiting: dict[tuple[str, int], Recorded] = {}
        self._addresses: dict[str, PeerId | GroupId | None] = {}

    def of(self, events: Iterable[Recorded]) -> Iterator[Decision]:
        """Those among `events`."""
        for record in events:
            row = self._row(record)
            if row is not None and self._fits(row):
                yield row

    def whole(self, events: Iterable[Recorded]) -> Iterator[JudgedMessage | Decision]:
        """The same, but the policy's decisions whole."""
        for record in events:
            if isinstance(record.event, MessageIgnored):
                ignored = self._ignored(record, record.event)
                if ignored and self._fits(ignored):
                    yield ignored
            elif (judged := self._judged(record)) and self._fits(_of_policy(judged)):
                yield judged

    def text(self, decision: Decision) -> str | None:
        """The text of the message; `None` when it was erased, or never kept."""
        return self._log.body(decision.message) if decision.rule != INTAKE else None

    def address(self, stream: str) -> PeerId | GroupId | None:
        """The conversation, if it is one that is wanted."""
        if stream not in self._addresses:
            address = parse_stream(stream)
            wanted = isinstance(address, PeerId | GroupId) and self._selection.wants(address)
            self._addresses[stream] = address if wanted else None  # type: ignore[assignment]
        return self._addresses[stream]

    def _row(self, record: Recorded) -> Decision | None:
        if isinstance(record.event, MessageIgnored):
            return self._ignored(record, record.event)
        judged = self._judged(record)
        return _of_policy(judged) if judged else None

    def _fits(self, row: Decision) -> bool:
        wanted = self._selection
        return wanted.fits(row.sender, row.action, row.reason) and (
            not wanted.text or wanted.in_text(self.text(row))
        )

    def _judged(self, record: Recorded) -> JudgedMessage | None:
        event = record.event
        if isinstance(event, MessageSeen):
            if len(self._waiting) >= _WAITING_KEPT:
                self._waiting.clear()
            self._waiting[record.stream, record.version] = record
            return None
        if not isinstance(event, PolicyDecided) or not self._selection.is_time(record.time // _MS):
            return None
        address = self.address(record.stream)
        seen = self._waiting.pop((record.stream, event.message), None)
        if address is None:
            return None
        seen = seen or self._earlier(record, event.message)
        if seen is None or not isinstance(seen.event, MessageSeen):
            return None
        return JudgedMessage(record, address, seen, seen.event, event)

    def _earlier(self, record: Recorded, version: int) -> Recorded | None:
        """The event of that version in the stream of `one`: most often it was recorded with it."""
        near = self._log.event(record.seq - (record.version - version))
        if near is not None and (near.stream, near.version) == (record.stream, version):
            return near
        return next(self._log.read_stream(record.stream, version - 1), None)

    def _ignored(self, record: Recorded, event: MessageIgnored) -> Decision | None:
        address = self.address(record.stream)
        time_ms = record.time // _MS
        if address is None or not self._selection.is_time(time_ms):
            return None
        return Decision(
            seq=record.seq,
            time_ms=time_ms,
            address=address,
            sender=event.sender,
            sent_ms=event.sent_ms,
            message=record.seq,
            identity=event.identity,
            action="ignore",
            reason=event.reason,
            rule=INTAKE,
        )


def _of_policy(judged: JudgedMessage) -> Decision:
    decided = judged.decided
    return Decision(
        seq=judged.at.seq,
        time_ms=judged.at.time // _MS,
        address=judged.address,
        sender=judged.message.sender,
        sent_ms=judged.message.sent_ms,
        message=judged.seen.seq,
        identity=judged.message.identity,
        action=decided.action,
        reason=decided.reason,
        rule=decided.rule,
        mentioned=decided.mentioned,
        policy=decided.inputs.policy,
        tools=decided.tools,
        version=judged.seen.version,
    )
