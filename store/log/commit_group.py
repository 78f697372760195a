"""Group commit: which of the appends that wait are admitted, and what their one batch holds.

Pure. What a log already knows comes in through `Known`; what is to be written comes out as
attributes of the `CommitGroup`. Each append is admitted on top of those before it, or refused
whole.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from events.event import Body, Recorded
from events.projections import EndedKeys
from store.disk import batch
from store.disk.batch import Batch, KeyRecord, Run
from store.disk.position import Position
from store.disk.queries import StreamState
from store.disk.transaction import Commit, Key
from store.log.append import Append, IndexChanges, StreamAppend
from store.log.event_log import Committed, Conflict, Duplicate, Outcome

PlacedHash = tuple[int, int, bytes]
"""Sequence, slot, and SHA-256 of an encrypted body."""


class Known(Protocol):
    """What is committed already."""

    def stream(self, name: str) -> StreamState | None:
        """The stream of this name."""

    def knows(self, identity: bytes) -> bool:
        """Whether a message is known."""


class CommitGroup:
    """The appends of one commit, admitted one after the other.

    `streams` holds the new state of those touched, `created` the names of the new ones, `starts`
    the first version that each has in this batch, `seen` the new identities, `opened` and
    `closed` work begun here and work of before that ends here, `ended_keys` what is destroyed once
    this is durable, `bodies` texts by (seq, slot).
    """

    def __init__(self, known: Known, position: Position, now: int) -> None:
        self._known = known
        self._before = position
        self.time = max(now, position.time)
        self._runs: list[tuple[int, int, int, str | None, msgspec.Raw]] = []
        self.count = 0
        self.streams: dict[str, StreamState] = {}
        self.created: list[StreamState] = []
        self.starts: dict[int, int] = {}
        self.seen: dict[bytes, Key] = {}
        self.opened: set[Key] = set()
        self.closed: set[Key] = set()
        self.ended_keys: list[tuple[EndedKeys, int]] = []
        self.bodies: list[tuple[int, int, Body]] = []

    @property
    def first(self) -> int:
        """The sequence of the batch's first event."""
        return self._before.seq + 1

    def admit(self, append: Append) -> Outcome:
        """Take an append in, or refuse it. `Committed` is true only once the batch is durable."""
        refusal = self._conflict(append) or self._duplicate(append)
        if refusal:
            return refusal
        start = self.first + self.count
        recorded = [record for part in append.parts for record in self._record(part)]
        self.bodies += ((start + place, slot, body) for place, slot, body in append.bodies)
        return Committed(tuple(recorded))

    def seal(self, bodies: Sequence[PlacedHash] = (), keys: Sequence[KeyRecord] = ()) -> Commit:
        """What is to be written, with the hashes of the encrypted `bodies`, by sequence, and the
        `keys` made since the last commit.
        """
        runs = self._with_bodies(bodies)
        data = batch.encode(Batch(self._before.hash, self.first, self.time, runs, list(keys)))
        after = Position(
            seq=self._before.seq + self.count,
            hash=batch.chain_hash(data),
            time=self.time,
            streams=self._before.streams + len(self.created),
        )
        return Commit(
            first=self.first,
            data=data,
            position=after,
            created=self.created,
            spans=[
                (state.id, self.starts[state.id], state.version - self.starts[state.id] + 1)
                for state in self.streams.values()
            ],
            seen=self.seen,
            opened=self.opened,
            closed=self.closed,
            keys=list(keys),
            ended_keys=self.ended_keys,
        )

    def _with_bodies(self, bodies: Sequence[PlacedHash]) -> list[Run[msgspec.Raw]]:
        ends = [offset for _, _, offset, _, _ in self._runs[1:]] + [self.count]
        runs, done = [], 0
        for run, end in zip(self._runs, ends, strict=True):
            start, own = self.first + run[2], done
            while done < len(bodies) and bodies[done][0] < self.first + end:
                done += 1
            hashes = [(seq - start, slot, digest) for seq, slot, digest in bodies[own:done]]
            runs.append(Run(*run, hashes))
        return runs

    def _conflict(self, append: Append) -> Conflict | None:
        for name, expected in append.expected.items():
            state = self._state(name)
            actual = state.version if state else 0
            if actual != expected:
                return Conflict(name, expected, actual)
        return None

    def _duplicate(self, append: Append) -> Duplicate | None:
        own: set[bytes] = set()
        for identity in append.identities:
            if identity in own or identity in self.seen or self._known.knows(identity):
                return Duplicate(identity)
            own.add(identity)
        return None

    def _state(self, name: str) -> StreamState | None:
        return self.streams.get(name) or self._known.stream(name)

    def _record(self, part: StreamAppend) -> list[Recorded]:
        state = self._state(part.stream) or self._create(part.stream)
        version = state.version + 1
        name = None if state.version else part.stream
        self._runs.append(
            (state.id, version, self.count, name, msgspec.Raw(part.encoded)),
        )
        self.starts.setdefault(state.id, version)
        recorded = batch.recorded_run(
            part.entries,
            seq=self.first + self.count,
            stream=part.stream,
            version=version,
            time=self.time,
        )
        for effects in part.effects:
            self._project(state.id, version + effects.place, effects)
            if effects.ended_keys:
                seq = self.first + self.count + effects.place
                self.ended_keys.append((effects.ended_keys, seq))
        self.count += len(recorded)
        self.streams[part.stream] = StreamState(state.id, part.stream, recorded[-1].version)
        return recorded

    def _create(self, name: str) -> StreamState:
        state = StreamState(self._before.streams + len(self.created) + 1, name, 0)
        self.created.append(state)
        return state

    def _project(self, stream: int, version: int, effects: IndexChanges) -> None:
        for identity in effects.identities:
            self.seen[identity] = stream, version
        if effects.opens:
            self.opened.add((stream, version))
        for ended in effects.closes:
            self._close(stream, ended, version)

    def _close(self, stream: int, ended: int, by: int) -> None:
        """What never was open, or isn't yet, can't be closed: that is no error."""
        if (stream, ended) in self.opened:
            self.opened.discard((stream, ended))
        elif 0 < ended < by:
            self.closed.add((stream, ended))
