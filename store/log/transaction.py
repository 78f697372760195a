"""Writing a group's batch and all that is derived from it, in one LMDB transaction.

LMDB answers a key out of order, or one that exists, with False and no error: every answer counts.
Keys are put in their order, which is what makes wide commits fast.
"""

from store.disk import queries
from store.disk.layout import (
    POSITION,
    Table,
    Tables,
    Transaction,
    encode,
    name_key,
    pack_u64,
    pack_u64_pair,
    slot,
    span,
    unpack_u64,
)
from store.disk.position import Position
from store.errors import LogDamaged
from store.log.commit_group import CommitGroup, StreamState

Items = list[tuple[bytes, bytes]]
SealedBody = tuple[int, int, bytes]
"""Sequence, slot and encrypted bytes."""


class TransactionView:
    """What the log knows, as a write transaction sees it (`group.Known`).

    `states` are streams that the writer remembers from earlier commits.
    """

    def __init__(self, txn: Transaction, tables: Tables, states: dict[str, StreamState]) -> None:
        self._txn = txn
        self._tables = tables
        self._states = states

    def stream(self, name: str) -> StreamState | None:
        """The stream of this name."""
        return self._states.get(name) or find_stream(self._txn, self._tables, name)

    def knows(self, identity: bytes) -> bool:
        """Whether a message is known."""
        return self._txn.get(identity, db=self._tables.seen) is not None


def find_stream(txn: Transaction, tables: Tables, name: str) -> StreamState | None:
    """The stream of this name, by the index of names."""
    key = txn.get(name_key(name), db=tables.names)
    if key is None:
        return None
    stream = unpack_u64(key)
    if (found := queries.stream_name(txn, tables, stream)) != name:
        raise LogDamaged("the table of streams' names is damaged", where=name, found=found)
    return StreamState(stream, name, queries.stream_version(txn, tables, stream))


def write_group(
    txn: Transaction, tables: Tables, group: CommitGroup, bodies: list[SealedBody]
) -> Position:
    """Put everything that `group` says. Gives the position after it."""
    data, position = group.seal()
    first = pack_u64(group.first)
    _put(txn, tables.log, [(first, data)], append=True)
    _put(txn, tables.index, _index(group))
    _put(
        txn, tables.streams, [(pack_u64(s.id), s.name.encode()) for s in group.created], append=True
    )
    _put(txn, tables.names, sorted((name_key(s.name), pack_u64(s.id)) for s in group.created))
    _put(txn, tables.seen, sorted((i, pack_u64_pair(s, v)) for i, (s, v) in group.seen.items()))
    _put(txn, tables.bodies, [(slot(seq, at), value) for seq, at, value in bodies], append=True)
    for key in sorted(group.closed):
        txn.delete(pack_u64_pair(*key), db=tables.open)
    _put(txn, tables.open, [(pack_u64_pair(s, v), b"") for s, v in sorted(group.opened)])
    _put(txn, tables.meta, [(POSITION, encode(position))], overwrite=True)
    return position


def _index(group: CommitGroup) -> Items:
    starts = group.starts
    return sorted(
        (pack_u64_pair(s.id, starts[s.id]), span(group.first, s.version - starts[s.id] + 1))
        for s in group.streams.values()
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
