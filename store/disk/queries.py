"""What is asked of the tables within one read transaction.

Batches come back as bytes, to be decoded after it.

Transactions stay short: one that stays open keeps LMDB from using freed pages again, and the file
grows. So whatever may be long is asked for a portion at a time.
"""

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import NamedTuple

import msgspec

from events.conversation.identity import IDENTITY_BYTES
from events.projections import EndedKeys
from store.disk.batch import chain_hash, previous_hash
from store.disk.layout import (
    POSITION,
    WEEKS,
    Cursor,
    ErasedKey,
    LiveKey,
    Tables,
    Transaction,
    decode_erased_key,
    decode_live_key,
    decode_position,
    name_key,
    owner_key,
    pack_slot,
    pack_u64,
    pack_u64_pair,
    unpack_span,
    unpack_u64,
    unpack_u64_pair,
)
from store.disk.position import Head, Position
from store.disk.walk import SoundBatch, require_sound, walk
from store.errors import LogDamaged

PORTION_EVENTS = 10_000
PORTION_BYTES = 8 << 20
PORTION_BATCHES = 256
_LAST = (1 << 64) - 1


class StreamState(msgspec.Struct, frozen=True, gc=False):
    """A stream: its id in the log, and its version (the number of its events)."""

    id: int
    name: str
    version: int


class KeyRecords(NamedTuple):
    """The keys that must be in the file of keys, whose each one is; and those that must not, by
    id.
    """

    live: dict[str | int, bytes]
    erased: dict[bytes, ErasedKey]


def position(txn: Transaction, tables: Tables) -> Position:
    """The end of the log."""
    return decode_position(txn.get(POSITION, db=tables.meta) or b"")


def batches_after(
    txn: Transaction, tables: Tables, after: int, before: bytes = b""
) -> list[SoundBatch]:
    """A portion of the batches that hold the events past `after`; none when there are none.

    `before`: the hash that the first of them must continue (empty: any). Raises `LogDamaged`.
    """
    end = position(txn, tables).head
    if after >= end.seq:
        return []
    cursor = txn.cursor(tables.log)
    there = _seek(cursor, pack_u64(after + 1))
    first = 0 if there and after else after + 1
    found: list[SoundBatch] = []
    size = 0
    for step in walk(_entries(cursor) if there else (), end=end, first=first, before=before):
        sound = require_sound(step)
        if found and (sound.first - after > PORTION_EVENTS or size > PORTION_BYTES):
            break
        found.append(sound)
        size += len(sound.data)
    return found


def batch_of(txn: Transaction, tables: Tables, seq: int) -> SoundBatch | None:
    """The batch that holds the event `seq`. Raises `LogDamaged`."""
    end = position(txn, tables).head
    if not 0 < seq <= end.seq:
        return None
    cursor = txn.cursor(tables.log)
    return _batch_at(cursor, end) if _seek(cursor, pack_u64(seq)) else None


def batches_of_stream(
    txn: Transaction, tables: Tables, stream: int, after: int
) -> list[SoundBatch]:
    """A portion of the batches that hold the stream's events past `after`. Raises `LogDamaged`."""
    end = position(txn, tables).head
    cursor = txn.cursor(tables.index)
    log = txn.cursor(tables.log)
    found: list[SoundBatch] = []
    size = 0
    if after >= stream_version(txn, tables, stream) or not _seek(
        cursor, pack_u64_pair(stream, after + 1)
    ):
        return []
    for key, value in cursor:
        if (
            unpack_u64_pair(key)[0] != stream
            or len(found) == PORTION_BATCHES
            or size > PORTION_BYTES
        ):
            break
        first, _ = unpack_span(value)
        if not log.set_key(pack_u64(first)):
            raise LogDamaged("the index names a batch that isn't there", found=str(first))
        found.append(_batch_at(log, end))
        size += len(found[-1].data)
    return found


def stream_name(txn: Transaction, tables: Tables, stream: int) -> str:
    """The name of the stream with this id."""
    name = txn.get(pack_u64(stream), db=tables.streams)
    if name is None:
        raise LogDamaged("a stream has no name", found=f"stream {stream}")
    return name.decode(errors="replace")


def stream_version(txn: Transaction, tables: Tables, stream: int) -> int:
    """The number of events of the stream with this id."""
    cursor = txn.cursor(tables.index)
    if not _seek(cursor, pack_u64_pair(stream, _LAST)):
        return 0
    found, version = unpack_u64_pair(cursor.key())
    _, count = unpack_span(cursor.value())
    return version + count - 1 if found == stream else 0


def find_stream(txn: Transaction, tables: Tables, name: str) -> StreamState | None:
    """The stream of this name, by the index of names."""
    key = txn.get(name_key(name), db=tables.names)
    if key is None:
        return None
    stream = unpack_u64(key)
    if (found := stream_name(txn, tables, stream)) != name:
        raise LogDamaged("the table of streams' names is damaged", where=name, found=found)
    return StreamState(stream, name, stream_version(txn, tables, stream))


def seen(txn: Transaction, tables: Tables, identity: bytes) -> bytes | None:
    """Id and version of the event that made a message known."""
    return txn.get(identity, db=tables.seen) if len(identity) == IDENTITY_BYTES else None


def body(txn: Transaction, tables: Tables, seq: int, place: int) -> bytes | None:
    """The encrypted body of an event."""
    possible = 0 <= seq < 1 << 64 and 0 <= place < 1 << 8
    return txn.get(pack_slot(seq, place), db=tables.bodies) if possible else None


def live_keys(txn: Transaction, tables: Tables, ended: EndedKeys) -> list[LiveKey]:
    """Which keys that are in use come to their end."""
    values = (txn.get(owner_key(owner), db=tables.keys) for owner in ended.owners)
    found = [decode_live_key(value) for value in values if value]
    cursor = txn.cursor(tables.keys)
    if ended.before and cursor.set_range(WEEKS):
        weeks = takewhile(lambda entry: entry[0] < owner_key(ended.before), cursor)
        found += (decode_live_key(value) for _, value in weeks)
    return found


def key_records(txn: Transaction, tables: Tables) -> KeyRecords:
    """All keys on record."""
    live = [decode_live_key(value) for _, value in txn.cursor(tables.keys)]
    erased = {key: decode_erased_key(value) for key, value in txn.cursor(tables.erased)}
    return KeyRecords({key.owner: key.id for key in live}, erased)


def erased_key(txn: Transaction, tables: Tables, key_id: bytes) -> ErasedKey | None:
    """Whose key with this id was destroyed, and when."""
    value = txn.get(key_id, db=tables.erased) if key_id else None
    return decode_erased_key(value) if value else None


def live_key(txn: Transaction, tables: Tables, owner: str | int) -> bytes | None:
    """The id of the key of this person, or week, that is in use."""
    value = txn.get(owner_key(owner), db=tables.keys)
    return decode_live_key(value).id if value else None


def portion(
    txn: Transaction, tables: Tables, name: str, prefix: bytes, start: bytes
) -> list[tuple[bytes, bytes]]:
    """A portion of a table's entries from `start` on whose keys begin with `prefix`."""
    cursor = txn.cursor(getattr(tables, name))
    if not (cursor.set_range(start) if start else cursor.first()):
        return []
    entries = islice(cursor, PORTION_EVENTS)
    return list(takewhile(lambda entry: entry[0].startswith(prefix), entries))


def _seek(cursor: Cursor, key: bytes) -> bool:
    """Go to the last entry that is not past `key`."""
    if cursor.set_range(key):
        return cursor.key() == key or cursor.prev()
    return cursor.last()


def _entries(cursor: Cursor) -> Iterator[tuple[int, bytes]]:
    """The batches from the cursor on, by key."""
    return ((unpack_u64(key), data) for key, data in cursor)


def _batch_at(cursor: Cursor, end: Head) -> SoundBatch:
    """The batch under the cursor: one step of the walk, without its cost when all is well."""
    key, data = cursor.item()
    recorded = previous_hash(cursor.value()) if cursor.next() else end.hash
    digest = chain_hash(data)
    if digest == recorded:
        return SoundBatch(unpack_u64(key), data, digest)
    cursor.set_key(key)
    return require_sound(next(walk(_entries(cursor), end=end)))
