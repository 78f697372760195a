"""Decisions in the order made, each with the message that it is about.

To look for them takes a scan of the events, about a million a second, but the streams' index
narrows it to the conversations meant, and a time to the events since then.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import NamedTuple

import msgspec

from events.conversation_events import MessageIgnored, MessageSeen, PolicyDecided
from events.event import Recorded
from events.policy import Action, ToolGrant
from events.streams import Group, Peer, parse_stream
from store.audit.selection import Selection
from store.event_log import EventLog

WINDOW = 20_000
"""How many events are looked through at a time when the newest decisions are wanted first."""

INTAKE = "intake"
"""The rule of a message that was ignored before any policy was asked."""

_MS = 1_000_000
_WAITING_KEPT = 10_000


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What was decided of a message. `seq` is the deciding event, `message` that of the message;
    times in ms. `mentioned`, `policy` and `tools` are for decisions of the policy only."""

    seq: int
    time_ms: int
    address: Peer | Group
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


class Judged(NamedTuple):
    """A decision of the policy as it was recorded."""

    at: Recorded
    address: Peer | Group
    seen: Recorded
    message: MessageSeen
    decided: PolicyDecided


class Decisions:
    """Decisions of `log` that fit `selection`."""

    def __init__(self, log: EventLog, selection: Selection | None = None) -> None:
        self._log = log
        self._selection = selection or Selection()
        self._waiting: dict[tuple[str, int], Recorded] = {}
        self._addresses: dict[str, Peer | Group | None] = {}

    def all(self) -> Iterator[Decision]:
        """All of them, oldest first."""
        return self._rows(self._events())

    def newest(self, count: int, before: int = 0) -> list[Decision]:
        """The last `count` of them before the event `before` (0: the end), oldest first."""
        end = before - 1 if before else self._log.head().seq
        if self._selection.by_conversation:
            rows = (row for row in self._rows(self._events()) if row.seq <= end)
            return list(deque(rows, maxlen=count))
        found: list[Decision] = []
        window, first = WINDOW, self._first_seq()
        while end >= first and len(found) < count:
            start = max(first, end - window + 1)
            found = [*self._rows(self._between(start, end)), *found]
            end, window = start - 1, window * 2
        return found[-count:]

    def follow(self, after: int, stop: threading.Event) -> Iterator[Decision]:
        """Those past the event `after`, and then what comes, until `stop` is set."""
        return self._rows(self._log.follow(after, stop))

    def each(self) -> Iterator[Judged | Decision]:
        """All of them as `all` gives them, but the policy's decisions whole."""
        for one in self._events():
            if isinstance(one.event, MessageIgnored):
                ignored = self._ignored(one, one.event)
                if ignored and self._fits(ignored):
                    yield ignored
            elif (judged := self._judged(one)) and self._fits(_of_policy(judged)):
                yield judged

    # Which events

    def _events(self) -> Iterator[Recorded]:
        if self._selection.by_conversation:
            streams = [name for name in self._log.streams("account/") if self._address(name)]
            read = (self._log.read_stream(name) for name in streams)
            return merge(*read, key=lambda one: one.seq)
        return self._until_the_end(self._log.read(self._first_seq() - 1))

    def _between(self, start: int, end: int) -> Iterator[Recorded]:
        for one in self._log.read(start - 1):
            if one.seq > end:
                return
            yield one

    def _until_the_end(self, events: Iterable[Recorded]) -> Iterator[Recorded]:
        until = self._selection.until_ms
        for one in events:
            if until and one.time // _MS > until:
                return
            yield one

    def _first_seq(self) -> int:
        """The first event not before the time wanted, by bisection: times only grow."""
        since = self._selection.since_ms
        low, high = 1, self._log.head().seq + 1 if since else 1
        while low < high:
            middle = (low + high) // 2
            at = self._log.event(middle)
            if at is not None and at.time // _MS < since:
                low = middle + 1
            else:
                high = middle
        return low

    # From events to decisions

    def _rows(self, events: Iterable[Recorded]) -> Iterator[Decision]:
        for one in events:
            row = self._row(one)
            if row is not None and self._fits(row):
                yield row

    def _row(self, one: Recorded) -> Decision | None:
        if isinstance(one.event, MessageIgnored):
            return self._ignored(one, one.event)
        judged = self._judged(one)
        return _of_policy(judged) if judged else None

    def _fits(self, row: Decision) -> bool:
        wanted = self._selection
        return wanted.fits(row.sender, row.action, row.reason) and (
            not wanted.text or wanted.in_text(self.text(row))
        )

    def text(self, decision: Decision) -> str | None:
        """The words of the message; `None` when they were erased, or never kept."""
        return self._log.body(decision.message) if decision.rule != INTAKE else None

    def _judged(self, one: Recorded) -> Judged | None:
        event = one.event
        if isinstance(event, MessageSeen):
            if len(self._waiting) >= _WAITING_KEPT:
                self._waiting.clear()
            self._waiting[one.stream, one.version] = one
            return None
        if not isinstance(event, PolicyDecided) or not self._selection.is_time(one.time // _MS):
            return None
        address = self._address(one.stream)
        seen = self._waiting.pop((one.stream, event.message), None)
        if address is None:
            return None
        seen = seen or next(self._log.read_stream(one.stream, event.message - 1), None)
        if seen is None or not isinstance(seen.event, MessageSeen):
            return None
        return Judged(one, address, seen, seen.event, event)

    def _ignored(self, one: Recorded, event: MessageIgnored) -> Decision | None:
        address = self._address(one.stream)
        time_ms = one.time // _MS
        if address is None or not self._selection.is_time(time_ms):
            return None
        return Decision(
            seq=one.seq,
            time_ms=time_ms,
            address=address,
            sender=event.sender,
            sent_ms=event.sent_ms,
            message=one.seq,
            identity=event.identity,
            action="ignore",
            reason=event.reason,
            rule=INTAKE,
        )

    def _address(self, stream: str) -> Peer | Group | None:
        """The conversation, if it is one that is wanted."""
        if stream not in self._addresses:
            address = parse_stream(stream)
            wanted = isinstance(address, Peer | Group) and self._selection.wants(address)
            self._addresses[stream] = address if wanted else None  # type: ignore[assignment]
        return self._addresses[stream]


def _of_policy(judged: Judged) -> Decision:
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
        policy=decided.considered.policy,
        tools=decided.tools,
    )
