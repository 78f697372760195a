"""Does the log's end agree with itself? What is looked at on opening, whatever the log's length."""

from events.codec import UNREADABLE
from store.disk import batch, queries
from store.disk.batch import Batch, chain_hash, genesis
from store.disk.layout import (
    POSITION,
    Tables,
    Transaction,
    decode_position,
    unpack_u64,
)
from store.disk.position import Position
from store.errors import LogDamaged


def check_tail(txn: Transaction, tables: Tables, log_id: str, where: str) -> Position:
    """The log's position, which its last batch and the streams in it confirm, or `LogDamaged`."""
    try:
        position = decode_position(txn.get(POSITION, db=tables.meta) or b"")
        cursor = txn.cursor(tables.log)
        if not cursor.last():
            _demand(position.seq == 0 and position.hash == genesis(log_id), "events", where)
            return position
        key, value = cursor.item()
        _demand(
            chain_hash(value) == position.hash, "last batch", f"{where}, event {unpack_u64(key)}"
        )
        last = batch.decode(value)
        count = sum(len(run.entries) for run in last.runs)
        _demand(unpack_u64(key) == last.first, "last batch's key", where)
        _demand(last.first + count - 1 == position.seq, "last sequence", where)
        _check_streams(txn, tables, last, where)
    except UNREADABLE as error:
        raise LogDamaged(
            "the log's last batch can't be read",
            where=where,
            found=str(error),
            cure="restore the log from a backup",
        ) from error
    return position


def _check_streams(
    txn: Transaction, tables: Tables, last: Batch[list[batch.Entry]], where: str
) -> None:
    ends = {run.stream: run for run in last.runs}
    for run in ends.values():
        version = queries.stream_version(txn, tables, run.stream)
        name = queries.stream_name(txn, tables, run.stream)
        _demand(version == run.version + len(run.entries) - 1, f"stream {name!r}", where)


def _demand(agrees: bool, what: str, where: str) -> None:
    if not agrees:
        raise LogDamaged(
            f"the log's {what} and its recorded end disagree",
            where=where,
            cure="restore the log from a backup",
        )
