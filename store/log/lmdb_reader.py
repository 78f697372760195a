"""The log on disk, to read: in the daemon beside its writer, or in a command of its own."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, groupby

from events.codec import UNREADABLE
from events.event import Draft, Recorded
from store.disk import batch, queries
from store.disk.database import Database
from store.disk.layout import Tables, Transaction, unpack_u64_pair
from store.disk.walk import SoundBatch
from store.errors import LogUnusable
from store.keys import bodies
from store.keys.bodies import KeyName
from store.keys.keyring import Keyring
from store.log.event_log import Head, LogStats, Outcome, Place, SecretKey

_NAMES_KEPT = 65_536
_POLL_S = 0.1


class LmdbReader:
    """An `EventLog` that is only read: appending, and making keys, raise `LogUnusable`."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._names = _Names(self._name)
        self._news = threading.Condition()
        self._closing = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._database.folder)!r}, {self.log_id})"

    @property
    def log_id(self) -> str:
        """See `EventLog`."""
        return self._database.log_id

    def append(
        self,
        drafts: Sequence[Draft],
        *,
        expected: Mapping[str, int],
        then: Callable[[Outcome], None],
    ) -> None:
        """Raises `LogUnusable`: this log is only read."""
        raise LogUnusable("the log was opened for reading", where=str(self._database.folder))

    def commit(
        self, drafts: Sequence[Draft], *, expected: Mapping[str, int]
    ) -> tuple[Recorded, ...]:
        """Raises `LogUnusable`: this log is only read."""
        raise LogUnusable("the log was opened for reading", where=str(self._database.folder))

    def head(self) -> Head:
        """See `EventLog`."""
        return self._database.query(queries.position).head

    def version(self, stream: str) -> int:
        """See `EventLog`."""
        state = self._database.query(queries.find_stream, stream)
        return state.version if state else 0

    def event(self, seq: int) -> Recorded | None:
        """See `EventLog`."""
        found = self._database.query(queries.batch_of, seq)
        events = self._events(found) if found else []
        return next((recorded for recorded in events if recorded.seq == seq), None)

    def read(self, after: int = 0) -> Iterator[Recorded]:
        """See `EventLog`."""
        return chain.from_iterable(self._read(max(after, 0)))

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Recorded]:
        """See `EventLog`."""
        return chain.from_iterable(self._read_stream(stream, max(after, 0)))

    def follow(self, after: int, stop: threading.Event) -> Iterator[Recorded]:
        """See `EventLog`. What another process appends is seen within a tenth of a second."""
        while not stop.is_set():
            for recorded in self.read(after):
                yield recorded
                after = recorded.seq
                if stop.is_set():
                    return
            self._await_past(after)

    def prove_after(self, seq: int) -> int:
        """Hold a portion of the batches past `seq` against the chain, in one short transaction.

        Gives the sequence up to which the log is proved now; `seq` itself at the log's end. Raises
        `LogDamaged` for the first batch that is not what was written, or is missing.
        """
        before = b"" if seq else batch.genesis(self.log_id)
        found = self._database.query(queries.batches_after, seq, before)
        return self._events(found[-1])[-1].seq if found else seq

    def streams(self, prefix: str = "") -> Iterator[str]:
        """See `EventLog`."""
        names = (name.decode(errors="replace") for _, name in self._scan("streams"))
        return (name for name in names if name.startswith(prefix))

    def seen(self, identity: bytes) -> Place | None:
        """See `EventLog`."""
        value = self._database.query(queries.seen, identity)
        return self._place(value) if value else None

    def identities(self, prefix: bytes) -> Iterator[tuple[bytes, Place]]:
        """See `EventLog`."""
        return ((identity, self._place(value)) for identity, value in self._scan("seen", prefix))

    def open_work(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """See `EventLog`."""
        keys = (unpack_u64_pair(key) for key, _ in self._scan("open"))
        for stream, work in groupby(keys, key=lambda key: key[0]):
            yield self._names[stream], tuple(version for _, version in work)

    def body(self, seq: int, slot: int = 0) -> str | None:
        """See `EventLog`."""
        sealed = self._database.query(queries.body, seq, slot)
        if not sealed:
            return None
        name = bodies.key_of(sealed)
        cipher = self._keyring.cipher(name)
        if not cipher:
            if not self._database.query(_is_gone, name):
                raise self._database.damaged("the key of its body is not there", f"event {seq}")
            return None
        return bodies.unseal(sealed, cipher=cipher, log_id=self.log_id, seq=seq, slot=slot)

    def key(self, person: str) -> SecretKey:
        """See `EventLog`. A log that is only read knows the keys that its writer made."""
        self._database.check_usable()
        return self._keyring.key(person)

    def key_id(self, person: str) -> bytes | None:
        """See `EventLog`."""
        self._database.check_usable()
        return self._keyring.key_id(person)

    def destroy(self, person: str) -> bool:
        """See `EventLog`."""
        self._database.check_usable()
        return self._keyring.destroy(person)

    def expire(self, before: int) -> bool:
        """See `EventLog`."""
        self._database.check_usable()
        return self._keyring.expire(before)

    def check_keys(self) -> None:
        """Hold the file of keys against what is on record of keys. Raises `KeysMismatch`."""
        self._keyring.check(self._database.query(queries.key_records), erased=True)

    def stats(self) -> LogStats:
        """See `EventLog`."""
        end = self._database.query(queries.position)
        return LogStats(
            events=end.seq,
            streams=end.streams,
            used=self._database.used,
            file=self._database.data.stat().st_size,
            map_size=self._database.map_size,
            max_map_size=self._database.map_size,
            readers=self._database.readers,
            freed_slots=self._database.freed_slots,
        )

    def close(self) -> None:
        """See `EventLog`."""
        self._database.close()
        self._keyring.close()

    def _await_past(self, seq: int) -> None:
        with self._news:
            self._news.wait_for(lambda: self.head().seq > seq, timeout=_POLL_S)

    def _read(self, after: int) -> Iterator[list[Recorded]]:
        while portion := self._database.query(queries.batches_after, after):
            for found in portion:
                recorded = self._events(found)
                if found.first <= after:
                    recorded = recorded[after + 1 - found.first :]
                if not recorded or recorded[0].seq != after + 1:
                    raise self._database.damaged("it is missing", f"event {after + 1}")
                after = recorded[-1].seq
                yield recorded

    def _read_stream(self, stream: str, after: int) -> Iterator[list[Recorded]]:
        state = self._database.query(queries.find_stream, stream)
        if state is None:
            return
        while portion := self._database.query(queries.batches_of_stream, state.id, after):
            for found in portion:
                events = self._events_of(state, found)
                run = [recorded for recorded in events if recorded.version > after]
                if not run or run[0].version != after + 1:
                    raise self._database.damaged("it is missing", f"{stream!r}, {after + 1}")
                after = run[-1].version
                yield run

    def _events(self, found: SoundBatch) -> list[Recorded]:
        try:
            return batch.recorded_batch(batch.decode(found.data), self._names)
        except UNREADABLE as error:
            raise self._database.damaged(error, f"batch of event {found.first}") from error

    def _events_of(self, state: queries.StreamState, found: SoundBatch) -> list[Recorded]:
        try:
            return batch.recorded_stream(found.data, state.id, state.name)
        except UNREADABLE as error:
            raise self._database.damaged(error, f"batch of event {found.first}") from error

    def _scan(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        start = prefix
        while portion := self._database.query(queries.portion, table, prefix, start):
            yield from portion
            start = portion[-1][0] + b"\0"

    def _name(self, stream: int) -> str:
        return self._database.query(queries.stream_name, stream)

    def _place(self, value: bytes) -> Place:
        stream, version = unpack_u64_pair(value)
        return Place(self._names[stream], version)


def _is_gone(txn: Transaction, tables: Tables, name: KeyName) -> bool:
    """Whether one half of the key was destroyed on record."""
    erased = queries.erased_key(txn, tables, name.id)
    return erased is not None or queries.live_key(txn, tables, name.week) is None


class _Names(dict[int, str]):
    """Streams' names by id, looked up on first use."""

    def __init__(self, look_up: Callable[[int], str]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, stream: int) -> str:
        name = self._look_up(stream)
        if len(self) >= _NAMES_KEPT:
            self.clear()
        self[stream] = name
        return name
