"""Decisions in the order made.

A scan of the events, about a million a second, finds any. What is wanted may make it shorter: a
conversation is read by itself, a time is found by bisection, the newest are looked for from the end
on. What is rare, and not among the last events, is asked of an index, if there is one.
"""

import threading
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import takewhile
from typing import Protocol

from events.conversation.events import MessageIgnored, PolicyDecided
from events.event import Recorded
from events.streams import conversation_stream
from store.audit.outcomes import Outcomes
from store.audit.rows import INTAKE, Decision, JudgedMessage, Rows
from store.audit.selection import Found, Selection
from store.log.event_log import EventLog

__all__ = ["INTAKE", "Decision", "Decisions", "Index", "JudgedMessage"]

WINDOW = 20_000
"""How many events are looked through at a time when the newest decisions are wanted first."""

NEAR = 50_000
"""How many events are scanned before an index is asked, which takes about as long."""

PLACE_COST = 200
"""To look at one decision by its place takes as long as to scan so many events."""

PLACES = 10_000
"""How many places an index is asked for at a time."""

_MS = 1_000_000


class Index(Protocol):
    """Knows where decisions are, by the sender, action, reason and account that are wanted."""

    def find(self, wanted: Selection, *, first: int, last: int, limit: int) -> Found | None:
        """The newest `limit` places from the event `first` to the event `last`; `None` if it can't
        tell. None that fits is left out; of each, the decision itself has to be looked at."""

    def distrust(self) -> None:
        """It named a place where nothing was decided."""


class Decisions:
    """Decisions of `log` that fit `selection`; an `index` makes rare ones quicker to find."""

    def __init__(
        self, log: EventLog, selection: Selection | None = None, index: Index | None = None
    ) -> None:
        self._log = log
        self._selection = selection or Selection()
        self._rows = Rows(log, self._selection)
        self._index = index
        self._outcomes = Outcomes(log)

    def all(self) -> Iterator[Decision]:
        """All of them, oldest first."""
        first, last = self._span()
        if not self._selection.by_conversation and last - first >= NEAR:
            try:
                for place in reversed(list(self._places(first, last))):
                    yield from self._rows.of([self._at(place)])
                    first = place + 1
                first = last + 1
            except _ToBeScanned:
                self._index = None
        yield from self._rows.of(self._events(first))

    def newest(self, count: int, before: int = 0) -> list[Decision]:
        """The last `count` of them before the event `before` (0: the end), oldest first."""
        first, last = self._span(before)
        if self._selection.by_conversation:
            each = (self._newest_in(name, count, first, last) for name in self._streams())
            return list(merge(*each, key=lambda row: row.seq))[-count:]
        found: list[Decision] = []
        window, end = WINDOW, last
        while end >= first and len(found) < count:
            if last - end >= NEAR and self._index is not None:
                try:
                    return [*self._newest_by_index(count - len(found), first, end), *found]
                except _ToBeScanned:
                    self._index = None
            start = max(first, end - window + 1)
            found = [*self._rows.of(self._between(start, end)), *found]
            end, window = start - 1, window * 2
        return found[-count:]

    def follow(self, after: int, stop: threading.Event) -> Iterator[Decision]:
        """Those past the event `after`, and then what comes, until `stop` is set."""
        return self._rows.of(self._log.follow(after, stop))

    def each(self) -> Iterator[JudgedMessage | Decision]:
        """All of them as `all` gives them, but the policy's decisions whole."""
        return self._rows.whole(self._events(self._span()[0]))

    def text(self, decision: Decision) -> str | None:
        """The text of the message; `None` when it was erased, or never kept."""
        return self._rows.text(decision)

    def unanswered(self, decision: Decision) -> str | None:
        """Why an accepted message became a dead letter; `None` when it is none."""
        if decision.action != "process":
            return None
        stream = conversation_stream(decision.address)
        return self._outcomes.unanswered(stream, decision.version)

    # Which events

    def _events(self, first: int) -> Iterator[Recorded]:
        if self._selection.by_conversation:
            return merge(
                *map(self._log.read_stream, self._streams()), key=lambda record: record.seq
            )
        return self._until_the_end(self._log.read(first - 1))

    def _streams(self) -> list[str]:
        return [name for name in self._log.streams("account/") if self._rows.address(name)]

    def _between(self, start: int, end: int) -> Iterator[Recorded]:
        return takewhile(lambda record: record.seq <= end, self._log.read(start - 1))

    def _until_the_end(self, events: Iterable[Recorded]) -> Iterator[Recorded]:
        until = self._selection.until_ms
        return takewhile(lambda record: not until or record.time // _MS <= until, events)

    def _newest_in(self, stream: str, count: int, first: int, last: int) -> list[Decision]:
        """The last `count` of one conversation, from the event `first` to the event `last`."""
        found: list[Decision] = []
        window, end, seq = WINDOW, self._log.version(stream), last
        while end and seq >= first and len(found) < count:
            start = max(0, end - window)
            seq = next((record.seq for record in self._log.read_stream(stream, start)), 0)
            events = takewhile(
                lambda record: record.seq <= last, self._log.read_stream(stream, start)
            )
            found = [*self._rows.of(_up_to(end, events)), *found]
            end, window = start, window * 2
        return found[-count:]

    def _span(self, before: int = 0) -> tuple[int, int]:
        """The first and the last event that matter, by bisection: times only grow."""
        since, until = self._selection.since_ms, self._selection.until_ms
        last = before - 1 if before else self._log.head().seq
        first = self._not_before(since, last) if since else 1
        return first, self._not_before(until + 1, last) - 1 if until else last

    def _not_before(self, time_ms: int, last: int) -> int:
        low, high = 1, last + 1
        while low < high:
            middle = (low + high) // 2
            at = self._log.event(middle)
            if at is not None and at.time // _MS < time_ms:
                low = middle + 1
            else:
                high = middle
        return low

    # By the index

    def _newest_by_index(self, count: int, first: int, last: int) -> list[Decision]:
        enough = None if self._selection.text else count
        found: list[Decision] = []
        for place in self._places(first, last, enough):
            found += self._rows.of([self._at(place)])
            if len(found) == count:
                break
        return found[::-1]

    def _places(self, first: int, last: int, enough: int | None = None) -> Iterator[int]:
        """Where what is wanted may be, newest first. Raises `_ToBeScanned`, also when that is
        quicker than to look at `enough` places (`None`: all)."""
        found = self._ask(first, last)
        count = found.at_most if enough is None else min(found.at_most, enough)
        if count * PLACE_COST > last - first:
            raise _ToBeScanned
        yield from found.places
        while len(found.places) == PLACES:
            found = self._ask(first, found.places[-1] - 1)
            yield from found.places

    def _ask(self, first: int, last: int) -> Found:
        index = self._index
        found = index.find(self._selection, first=first, last=last, limit=PLACES) if index else None
        if found is None:
            raise _ToBeScanned
        return found

    def _at(self, place: int) -> Recorded:
        record = self._log.event(place)
        if record is None or not isinstance(record.event, PolicyDecided | MessageIgnored):
            if self._index is not None:
                self._index.distrust()
            raise _ToBeScanned
        return record


class _ToBeScanned(Exception):
    """No index can say where the decisions are, or it would take longer."""


def _up_to(version: int, events: Iterable[Recorded]) -> Iterator[Recorded]:
    return takewhile(lambda record: record.version <= version, events)
