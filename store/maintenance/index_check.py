"""The derived tables compared with what the events say: the one check of indexes there is.

What each event must have left in a table is looked up there as the log is read, and the number of
entries says whether there are others: so no copy of a table is ever held. A daemon may write on
meanwhile; the end is compared at one instant, with the log read up to it. The events are taken as
they lie there: whether they are what was written, the chain says.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from events.codec import UNREADABLE
from events.event import Event
from events.projections import ENDING_KEYS, EndedKeys, closes, ended_keys, identities, opens
from store.disk import batch, queries
from store.disk.batch import Batch, Entry
from store.disk.layout import (
    ErasedKey,
    Tables,
    Transaction,
    name_key,
    pack_span,
    pack_u64,
    pack_u64_pair,
    unpack_u64_pair,
)
from store.disk.queries import KeyRecords
from store.errors import LogDamaged
from store.maintenance.raw_log import RawLog

TableEntry = tuple[str, bytes, bytes]
"""An entry that must be there: table, key, value."""

CATCHING_UP = 1_000
"""How often the end is looked at again while a daemon writes on."""

_COUNTED = ("streams", "names", "index", "seen")


class Difference(msgspec.Struct, frozen=True):
    """Where a derived table is not what the events say."""

    table: str
    what: str


class IndexCheck:
    """Derives the tables again from the events of the log in `source`, and compares."""

    def __init__(self, source: RawLog) -> None:
        self._source = source
        self._open: set[bytes] = set()
        self._keys = KeyRecords({}, {})
        self.events = 0
        self.entries = dict.fromkeys(_COUNTED, 0)

    @property
    def open(self) -> int:
        """How many events have work that goes on."""
        return len(self._open)

    def compare(
        self, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Iterator[Difference]:
        """All differences. Raises `LogDamaged` when the events themselves can't be believed."""
        for _ in range(CATCHING_UP):
            end = self._source.position().seq
            for key, data in self._source.batches(self.events + 1):
                yield from self._batch(key, data)
                progress(self.events, max(self.events, end))
            at_the_end = self._source.ask(_end)
            if at_the_end.seq == self.events:
                yield from self._compare_end(at_the_end)
                return
        raise LogDamaged("the log grows faster than it can be read")

    def _batch(self, key: int, data: bytes) -> Iterator[Difference]:
        try:
            content = batch.decode(data)
        except UNREADABLE as error:
            raise _not_replayable(key, "the batch can't be read") from error
        if key != self.events + 1:
            raise _not_replayable(self.events + 1, "missing")
        derived = list(self._derived(key, content))
        for table, _, __ in derived:
            self.entries[table] += 1
        for table, wrong, value in self._source.ask(_missing, derived):
            what = f"{wrong.hex()} is not {value.hex()} (events from {key} on)"
            yield Difference(table, what)

    def _derived(self, key: int, content: Batch[list[Entry]]) -> Iterator[TableEntry]:
        """What the batch must have left in the tables."""
        self._keys.live.update(content.keys)
        firsts: dict[int, int] = {}
        counts: dict[int, int] = {}
        for run in content.runs:
            stream = run.stream
            firsts.setdefault(stream, run.version)
            counts[stream] = counts.get(stream, 0) + len(run.entries)
            if run.name is not None:
                yield "streams", pack_u64(stream), run.name.encode()
                yield "names", name_key(run.name), pack_u64(stream)
            for version, (_, event) in enumerate(run.entries, run.version):
                self._follow_work(stream, version, event)
                if type(event) in ENDING_KEYS:
                    seq = content.first + run.offset + version - run.version
                    self._end_keys(run.name or self._source.stream_name(stream), event, seq)
                for identity in identities(event):
                    yield "seen", identity, pack_u64_pair(stream, version)
        self.events += sum(counts.values())
        for stream, first in firsts.items():
            yield "index", pack_u64_pair(stream, first), pack_span(key, counts[stream])

    def _follow_work(self, stream: int, version: int, event: Event) -> None:
        if opens(event):
            self._open.add(pack_u64_pair(stream, version))
        for ended in closes(event):  # in this order: one that names itself is closed at once
            self._open.discard(pack_u64_pair(stream, ended))

    def _end_keys(self, stream: str, event: Event, seq: int) -> None:
        owners, before = ended_keys(stream, event) or EndedKeys()
        live = self._keys.live
        weeks = [owner for owner in live if isinstance(owner, int) and owner < before]
        for owner in (*owners, *weeks):
            if key_id := live.pop(owner, None):
                self._keys.erased[key_id] = ErasedKey(owner, seq)

    def _compare_end(self, end: "_End") -> Iterator[Difference]:
        if end.keys.live != self._keys.live:
            yield Difference("keys", "it does not have the keys in use that the log has on record")
        if end.keys.erased != self._keys.erased:
            yield Difference("erased", "it does not have the keys whose erasure is on record")
        for table, expected in self.entries.items():
            if (found := end.entries[table]) != expected:
                yield Difference(table, f"it has {found} entries; the events make {expected}")
        for key in sorted(self._open - end.open):
            yield Difference("open", "{} of stream {} is open, and not there".format(*_work(key)))
        for key in sorted(end.open - self._open):
            yield Difference("open", "{} of stream {} is there, and not open".format(*_work(key)))


class _End(NamedTuple):
    """The log's end, and what the tables hold at that instant."""

    seq: int
    entries: dict[str, int]
    open: set[bytes]
    keys: KeyRecords


def _end(txn: Transaction, tables: Tables) -> _End:
    return _End(
        queries.position(txn, tables).seq,
        {name: txn.stat(getattr(tables, name))["entries"] for name in _COUNTED},
        set(txn.cursor(tables.open).iternext(values=False)),
        queries.key_records(txn, tables),
    )


def _missing(txn: Transaction, tables: Tables, derived: list[TableEntry]) -> list[TableEntry]:
    return [
        (table, key, value)
        for table, key, value in derived
        if txn.get(key, db=getattr(tables, table)) != value
    ]


def _work(key: bytes) -> tuple[str, int]:
    stream, version = unpack_u64_pair(key)
    return f"version {version}", stream


def _not_replayable(seq: int, found: str) -> LogDamaged:
    return LogDamaged(
        "the log can't be replayed",
        where=f"event {seq}",
        found=found,
        cure="see what is wrong with: ztm-chat audit verify",
    )
