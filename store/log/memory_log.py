"""A log without a disk, for simulations and tests. It keeps the same promises until it is dropped.

The same batches are made and hashed as on disk, but for what is random there: encrypted bodies, and
keys. So two logs in memory with the same id, clock and appends have the same head.
"""

import hashlib
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from events.event import Draft, Recorded
from events.gateway.retention import week_of
from store.disk.batch import genesis
from store.disk.position import Position
from store.disk.queries import StreamState
from store.disk.transaction import Key
from store.errors import LogUnusable
from store.log.append import Append, prepare
from store.log.commit_group import CommitGroup
from store.log.event_log import Committed, Head, LogStats, Outcome, Place, SecretKey, events_of


def _at_once(work: Callable[[], None]) -> None:
    work()


class MemoryLog:
    """An `EventLog` whose appends commit in the caller's thread, or when `schedule` runs them.

    `schedule` is handed a function that commits and then tells the author. A simulation that
    loses it has crashed before the commit. `clock_ns` gives ns since 1970, `entropy` so many
    random bytes (for the log's id and the keys).
    """

    def __init__(
        self,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        entropy: Callable[[int], bytes] = os.urandom,
        schedule: Callable[[Callable[[], None]], object] = _at_once,
    ) -> None:
        self._clock_ns = clock_ns
        self._entropy = entropy
        self._schedule = schedule
        self._log_id = entropy(4).hex()
        self._position = Position(0, genesis(self._log_id), 0, 0)
        self._events: list[Recorded] = []
        self._streams: dict[str, StreamState] = {}
        self._by_id: dict[int, list[Recorded]] = {}
        self._seen: dict[bytes, Place] = {}
        self._open: set[Key] = set()
        self._bodies: dict[tuple[int, int], tuple[str, int, str]] = {}
        self._keys: dict[str, SecretKey] = {}
        self._commits = 0
        self._closed = False
        self._changed = threading.Condition(threading.RLock())

    def __repr__(self) -> str:
        return f"MemoryLog({self._log_id}, {self._position.seq} events)"

    @property
    def log_id(self) -> str:
        """See `EventLog`."""
        return self._log_id

    def append(
        self,
        drafts: Sequence[Draft],
        *,
        expected: Mapping[str, int],
        then: Callable[[Outcome], None],
    ) -> None:
        """See `EventLog`. Commits when `schedule` says so."""
        self._check_open()
        append = prepare(drafts, expected)
        self._schedule(lambda: then(self._commit(append)))

    def commit(
        self, drafts: Sequence[Draft], *, expected: Mapping[str, int]
    ) -> tuple[Recorded, ...]:
        """See `EventLog`. Commits now, past `schedule`."""
        self._check_open()
        return events_of(self._commit(prepare(drafts, expected)))

    def head(self) -> Head:
        """See `EventLog`."""
        return self._position.head

    def version(self, stream: str) -> int:
        """See `EventLog`."""
        state = self._streams.get(stream)
        return state.version if state else 0

    def event(self, seq: int) -> Recorded | None:
        """See `EventLog`."""
        return self._events[seq - 1] if 0 < seq <= len(self._events) else None

    def read(self, after: int = 0) -> Iterator[Recorded]:
        """See `EventLog`."""
        return _tail(self._events, after)

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Recorded]:
        """See `EventLog`."""
        state = self._streams.get(stream)
        return _tail(self._by_id[state.id] if state else [], after)

    def follow(self, after: int, stop: threading.Event) -> Iterator[Recorded]:
        """See `EventLog`."""
        while not stop.is_set():
            for recorded in self.read(after):
                yield recorded
                after = recorded.seq
                if stop.is_set():
                    return
            self._await_past(after)

    def streams(self, prefix: str = "") -> Iterator[str]:
        """See `EventLog`."""
        return iter([name for name in tuple(self._streams) if name.startswith(prefix)])

    def seen(self, identity: bytes) -> Place | None:
        """See `EventLog`."""
        return self._seen.get(identity)

    def identities(self, prefix: bytes) -> Iterator[tuple[bytes, Place]]:
        """See `EventLog`."""
        with self._changed:
            known = sorted(self._seen)
        for identity in known[bisect_left(known, prefix) :]:
            if not identity.startswith(prefix):
                return
            yield identity, self._seen[identity]

    def open_work(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """See `EventLog`."""
        with self._changed:
            names = {state.id: name for name, state in self._streams.items()}
            work: dict[str, list[int]] = {}
            for stream, version in sorted(self._open):
                work.setdefault(names[stream], []).append(version)
        return iter([(name, tuple(versions)) for name, versions in work.items()])

    def body(self, seq: int, slot: int = 0) -> str | None:
        """See `EventLog`."""
        body = self._bodies.get((seq, slot))
        return body[-1] if body else None

    def key(self, person: str) -> SecretKey:
        """See `EventLog`."""
        with self._changed:
            if person not in self._keys:
                secret = self._entropy(32)
                name = hashlib.sha256(b"key id" + secret).digest()[:8]
                self._keys[person] = SecretKey(name, secret)
            return self._keys[person]

    def key_id(self, person: str) -> bytes | None:
        """See `EventLog`."""
        key = self._keys.get(person)
        return key.id if key else None

    def destroy(self, person: str) -> bool:
        """See `EventLog`."""
        with self._changed:
            self._bodies = {at: b for at, b in self._bodies.items() if b[0] != person}
            return self._keys.pop(person, None) is not None

    def expire(self, before: int) -> bool:
        """See `EventLog`."""
        with self._changed:
            count = len(self._bodies)
            self._bodies = {at: b for at, b in self._bodies.items() if b[1] >= before}
            return len(self._bodies) < count

    def stats(self) -> LogStats:
        """See `EventLog`."""
        return LogStats(len(self._events), len(self._streams), commits=self._commits)

    def close(self) -> None:
        """See `EventLog`. What is scheduled still commits; nothing new is taken."""
        self._closed = True

    def stream(self, name: str) -> StreamState | None:
        """For the admission of appends (`commit_group.Known`)."""
        return self._streams.get(name)

    def knows(self, identity: bytes) -> bool:
        """For the admission of appends (`commit_group.Known`)."""
        return identity in self._seen

    def _await_past(self, seq: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._position.seq > seq, timeout=0.1)

    def _check_open(self) -> None:
        if self._closed:
            raise LogUnusable("the log is closed", cure="open it again")

    def _commit(self, append: Append) -> Outcome:
        with self._changed:
            group = CommitGroup(self, self._position, self._clock_ns())
            outcome = group.admit(append)
            if isinstance(outcome, Committed) and outcome.events:
                self._store(group, outcome.events)
                self._changed.notify_all()
            return outcome

    def _store(self, group: CommitGroup, recorded: Iterable[Recorded]) -> None:
        hashes = [(seq, slot, body.digest) for seq, slot, body in group.bodies]
        position = group.seal(hashes).position
        self._streams.update(group.streams)
        for record in recorded:
            self._events.append(record)
            self._by_id.setdefault(self._streams[record.stream].id, []).append(record)
        names = {state.id: state.name for state in group.streams.values()}
        self._seen.update((i, Place(names[s], v)) for i, (s, v) in group.seen.items())
        self._open -= group.closed
        self._open |= group.opened
        for seq, slot, body in group.bodies:
            self.key(body.person)
            self._bodies[seq, slot] = body.person, week_of(group.time), body.text
        self._commits += 1
        self._position = position


def _tail(events: list[Recorded], after: int) -> Iterator[Recorded]:
    """Events past the first `after`, and those that arrive meanwhile."""
    place = max(after, 0)
    while place < len(events):
        yield events[place]
        place += 1
