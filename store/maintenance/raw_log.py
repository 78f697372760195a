"""The log's own tables as raw bytes. Nothing is checked here, and no derived index is used."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import urandom
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from store.disk import queries
from store.disk.batch import chain_hash, genesis
from store.disk.creation import KEYS_FILE
from store.disk.database import Database
from store.disk.layout import DATA_FILE, MAP_SIZE, Tables, Transaction, pack_u64, unpack_u64
from store.disk.position import Head, Position
from store.disk.walk import Damage, DecodedBatch, SoundBatch, walk, walk_decoded
from store.errors import LogUnusable
from store.keys.keyring import Keyring
from store.log.lmdb_reader import LmdbReader

PORTION_BYTES = 4 << 20
"""About how much one read transaction brings at most, beside its last entry."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
Entries = list[tuple[bytes, bytes]]


class RawLog:
    """The log in `folder`, opened without the checks that a log makes of its end."""

    def __init__(self, folder: Path) -> None:
        if not (folder / DATA_FILE).exists():
            raise LogUnusable("there is no log here", where=str(folder), cure="start the daemon")
        self._database = Database(folder, readonly=True, map_size=MAP_SIZE)
        self.keyring = Keyring(folder / KEYS_FILE, entropy=urandom, writable=False)
        self.log = LmdbReader(self._database, self.keyring)

    @property
    def log_id(self) -> str:
        """See `EventLog`."""
        return self._database.log_id

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._database.folder

    def ask(
        self,
        question: Callable[Concatenate[Transaction, Tables, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """What `question` finds in one read transaction."""
        return self._database.query(question, *args, **kwargs)

    def position(self) -> Position:
        """The log's end as it is recorded."""
        return self._database.query(queries.position)

    def batches(
        self, first: int, portion_bytes: int = PORTION_BYTES
    ) -> Iterator[tuple[int, bytes]]:
        """The batches with a key from `first` on, by key, as they lie there."""
        entries = self.entries("log", pack_u64(first), portion_bytes)
        return ((unpack_u64(key), data) for key, data in entries)

    def walk(
        self,
        end: Head | None,
        *,
        first: int = 1,
        before: bytes = b"",
        until: int = 1 << 64,
        portion_bytes: int = PORTION_BYTES,
    ) -> Iterator[SoundBatch | Damage]:
        """The batches from the event `first` on (see `store.disk.walk`), read a portion at a time.

        `before`: the hash of the batch before them; empty: that of the batch that is there.
        """
        before = before or self._hash_before(first)
        batches = self.batches(first, portion_bytes)
        return walk(batches, end=end, first=first, before=before, until=until)

    def walk_decoded(
        self, end: Head, *, first: int = 1, before: bytes = b"", until: int = 1 << 64
    ) -> Iterator[DecodedBatch | Damage]:
        """The same, with their events, which must lead up to the event `until` or to the `end`."""
        steps = self.walk(end, first=first, before=before, until=until)
        return walk_decoded(steps, first=first, last=min(until, end.seq))

    def batch_key(self, seq: int) -> int:
        """The key of the batch that holds the event `seq`, or of the last one before it; or 1."""
        return self._database.query(_key_at, pack_u64(seq))

    def entries(
        self, table: str, start: bytes = b"", portion_bytes: int = PORTION_BYTES
    ) -> Iterator[tuple[bytes, bytes]]:
        """A table's entries from the key `start` on; about `portion_bytes` in one transaction."""
        while portion := self._database.query(_portion, table, start, portion_bytes):
            yield from portion
            start = portion[-1][0] + b"\0"

    def stream_name(self, stream: int) -> str:
        """The stream's name as the table of names has it."""
        return self._database.query(queries.stream_name, stream)

    def close(self) -> None:
        """Let it go."""
        self.log.close()

    def _hash_before(self, first: int) -> bytes:
        """The hash of the batch just before the key `first`."""
        data = self._database.query(_before, pack_u64(first)) if first > 1 else None
        return chain_hash(data) if data else genesis(self.log_id)


@contextmanager
def opened(folder: Path) -> Iterator[RawLog]:
    """A `RawLog` for the length of a block."""
    source = RawLog(folder)
    try:
        yield source
    finally:
        source.close()


def _portion(
    txn: Transaction, tables: Tables, table: str, start: bytes, portion_bytes: int
) -> Entries:
    cursor = txn.cursor(getattr(tables, table))
    found: Entries = []
    size = 0
    if cursor.set_range(start) if start else cursor.first():
        for key, value in cursor:
            found.append((key, value))
            size += len(key) + len(value)
            if size > portion_bytes:
                break
    return found


def _before(txn: Transaction, tables: Tables, key: bytes) -> bytes | None:
    cursor = txn.cursor(tables.log)
    found = cursor.prev() if cursor.set_range(key) else cursor.last()
    return cursor.value() if found else None


def _key_at(txn: Transaction, tables: Tables, key: bytes) -> int:
    cursor = txn.cursor(tables.log)
    past = cursor.set_range(key)
    found = (cursor.key() == key or cursor.prev()) if past else cursor.last()
    return unpack_u64(cursor.key()) if found else 1
