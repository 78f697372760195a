"""Writing a batch and all that is derived from it, in one LMDB transaction.

LMDB answers a key out of order, or one that exists, with False and no error: every answer counts.
Keys are put in their order, which is what makes wide commits fast.
"""

from typing import NamedTuple

from events.projections import EndedKeys
from store.disk import queries
from store.disk.batch import KeyRecord
from store.disk.layout import (
    POSITION,
    ErasedKey,
    LiveKey,
    Table,
    Tables,
    Transaction,
    encode,
    name_key,
    owner_key,
    pack_slot,
    pack_span,
    pack_u64,
    pack_u64_pair,
)
from store.disk.position import Position
from store.disk.queries import StreamState
from store.errors import LogDamaged

Items = list[tuple[bytes, bytes]]
SealedBody = tuple[int, int, bytes]
"""Sequence, slot and encrypted bytes."""


Key = tuple[int, int]
"""A stream's id and a version in it."""


class Commit(NamedTuple):
    """What one commit writes: a batch that begins with the event `first`, and what it changes.

    `spans`: of each stream in the batch the id, the first version there, and how many events.
    `seen`: the new identities; `opened` and `closed`: work begun here, and work of before that ends
    here; `keys`: in use from here on; `ended_keys`: out of use, each with the event that says so.
    """

    first: int
    data: bytes
    position: Position
    created: list[StreamState]
    spans: list[tuple[int, int, int]]
    seen: dict[bytes, Key]
    opened: set[Key]
    closed: set[Key]
    keys: list[KeyRecord]
    ended_keys: list[tuple[EndedKeys, int]]


class TransactionView:
    """What the log knows, as a write transaction sees it (`store.log.commit_group.Known`).

    `states` are streams that the writer remembers from earlier commits.
    """

    def __init__(self, txn: Transaction, tables: Tables, states: dict[str, StreamState]) -> None:
        self._txn = txn
        self._tables = tables
        self._states = states

    def stream(self, name: str) -> StreamState | None:
        """The stream of this name."""
        return self._states.get(name) or queries.find_stream(self._txn, self._tables, name)

    def knows(self, identity: bytes) -> bool:
        """Whether a message is known."""
        return self._txn.get(identity, db=self._tables.seen) is not None


def write_commit(
    txn: Transaction, tables: Tables, commit: Commit, bodies: list[SealedBody]
) -> Position:
    """Put all of `commit`. Gives the position after it."""
    created = commit.created
    _put(txn, tables.log, [(pack_u64(commit.first), commit.data)], append=True)
    _put(txn, tables.index, _index(commit))
    _put(txn, tables.streams, [(pack_u64(s.id), s.name.encode()) for s in created], append=True)
    _put(txn, tables.names, sorted((name_key(s.name), pack_u64(s.id)) for s in created))
    _put(txn, tables.seen, sorted((i, pack_u64_pair(*at)) for i, at in commit.seen.items()))
    _put(
        txn, tables.bodies, [(pack_slot(seq, at), value) for seq, at, value in bodies], append=True
    )
    for key in sorted(commit.closed):
        txn.delete(pack_u64_pair(*key), db=tables.open)
    _put(txn, tables.open, [(pack_u64_pair(*key), b"") for key in sorted(commit.opened)])
    _put(txn, tables.keys, sorted((owner_key(o), encode(LiveKey(i, o))) for o, i in commit.keys))
    for ended, seq in commit.ended_keys:
        for live in queries.live_keys(txn, tables, ended):
            txn.delete(owner_key(live.owner), db=tables.keys)
            _put(txn, tables.erased, [(live.id, encode(ErasedKey(live.owner, seq)))])
    _put(txn, tables.meta, [(POSITION, encode(commit.position))], overwrite=True)
    return commit.position


def _index(commit: Commit) -> Items:
    return sorted(
        (pack_u64_pair(stream, version), pack_span(commit.first, count))
        for stream, version, count in commit.spans
    )


def _put(
    txn: Transaction,
    table: Table,
    items: Items,
    *,
    overwrite: bool = False,
    append: bool = False,
) -> None:
    if not items:
        return
    consumed, added = txn.cursor(table).putmulti(items, overwrite=overwrite, append=append)
    if (consumed, added) != (len(items), len(items)):
        raise LogDamaged(
            "the log holds entries where new ones belong",
            found=f"{added} of {len(items)} written",
            cure="restore the log from a backup",
        )
