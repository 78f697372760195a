"""What is checked when a log is opened, whatever its length: does its end agree with itself?"""

from typing import NoReturn

from events.codec import UNREADABLE
from store.disk import batch, queries
from store.disk.batch import Batch, genesis
from store.disk.layout import (
    POSITION,
    Tables,
    Transaction,
    decode_position,
    unpack_u64,
)
from store.disk.position import Position
from store.disk.walk import Damage, walk, walk_decoded
from store.errors import LogDamaged

_CURE = "restore the log from a backup"


def check_tail(txn: Transaction, tables: Tables, log_id: str, where: str) -> Position:
    """The log's position, which its last batch and the streams in it confirm, or `LogDamaged`."""
    try:
        position = decode_position(txn.get(POSITION, db=tables.meta) or b"")
    except UNREADABLE as error:
        raise LogDamaged(
            "the log's recorded end can't be read", where=where, found=str(error), cure=_CURE
        ) from error
    cursor = txn.cursor(tables.log)
    if not cursor.last():
        _demand(position.seq == 0 and position.hash == genesis(log_id), "events", where)
        return position
    key, data = cursor.item()
    first, end = unpack_u64(key), position.head
    for step in walk_decoded(walk([(first, data)], end=end), first=first, last=end.seq):
        if isinstance(step, Damage):
            _disagree("last batch", f"{where}, event {first}", step.reason)
        _check_streams(txn, tables, step.content, where)
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
        _disagree(what, where)


def _disagree(what: str, where: str, found: str = "") -> NoReturn:
    raise LogDamaged(
        f"the log's {what} and its recorded end disagree", where=where, found=found, cure=_CURE
    )
