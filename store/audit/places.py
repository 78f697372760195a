"""The tables of the index of decisions (see `index`).

| table | key | value |
| --- | --- | --- |
| `places` | kind and value, hashed (16 bytes) | sequences of decisions (8 bytes each), in order |
| `meta` | `about` | `About` |

Values are hashed since names hold anything, and LMDB's keys end at 511 bytes. Two that hash alike
do no harm: each decision that is found is looked at.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from heapq import merge
from itertools import islice, pairwise, takewhile

import lmdb
import msgspec

from events import codec
from events.event import Recorded
from store.audit.rows import Decision, Rows
from store.audit.selection import Found, Selection
from store.disk.layout import Cursor, Transaction, pack_u64, unpack_u64
from store.errors import LogDamaged
from store.log.event_log import EventLog

COMMIT = 10_000
"""How many decisions are added in one transaction."""

_SCHEMA = 1
_ABOUT = b"about"
_NAMES_KEPT = 65_536

Keys = tuple[tuple[bytes, ...], ...]
"""A decision that is wanted has, of each kind, one of the keys."""


class About(msgspec.Struct, frozen=True):
    """What the index was made of: the log, up to the event `seq`, whose digest is `event`."""

    schema: int
    log_id: str
    seq: int
    event: bytes


class IndexUnfit(LogDamaged):
    """The index is damaged, or of another log. The text says which."""


def keys_of(wanted: Selection) -> Keys:
    """The keys of what is indexed in a selection; none when it says nothing of that."""
    kinds = (
        ("account", [wanted.account] if wanted.account else []),
        ("sender", [wanted.sender] if wanted.sender else []),
        ("action", sorted(wanted.actions)),
        ("reason", sorted(wanted.reasons)),
    )
    return tuple(tuple(_key(kind, value) for value in values) for kind, values in kinds if values)


@lru_cache(_NAMES_KEPT)
def _key(kind: str, value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16, person=kind.encode()).digest()


def _keys_of_row(row: Decision) -> tuple[bytes, ...]:
    return (
        _key("account", row.address.account),
        _key("sender", row.sender),
        _key("action", row.action),
        _key("reason", row.reason),
    )


class Places:
    """The tables of the index in `env`, which must be of `log`. Raises `IndexUnfit`."""

    def __init__(self, env: lmdb.Environment, log: EventLog, *, create: bool) -> None:
        self._env = env
        self._meta = env.open_db(b"meta", create=create)
        self._places = env.open_db(b"places", dupsort=True, dupfixed=True, create=create)
        with env.begin(db=self._meta) as txn:
            data = txn.get(_ABOUT)
        self.about = _about(data) if data else About(_SCHEMA, log.log_id, 0, b"")
        _check(self.about, log)

    def catch_up(self, log: EventLog) -> None:
        """Add all decisions up to the log's end."""
        end = log.head().seq
        events = takewhile(lambda record: record.seq <= end, log.read(self.about.seq))
        rows = Rows(log, Selection()).of(events)
        while chunk := list(islice(rows, COMMIT)):
            self._add(chunk, log, chunk[-1].seq)
        self._add([], log, end)

    def find(self, keys: Keys, first: int, last: int, limit: int) -> Found:
        """Where decisions are that have all kinds of keys: by the rarest kind, the others looked
        up."""
        with self._env.begin(db=self._places) as txn:
            cursor = txn.cursor()
            counts = {kind: sum(_count(cursor, key) for key in kind) for kind in keys}
            rarest, *others = sorted(keys, key=lambda kind: counts[kind])
            runs = [_backwards(txn.cursor(), key, pack_u64(last)) for key in rarest]
            entries = merge(*runs, reverse=True)
            found: list[bytes] = []
            for entry in entries:
                if entry < pack_u64(first) or len(found) == limit:
                    break
                if all(any(cursor.set_key_dup(key, entry) for key in kind) for kind in others):
                    found.append(entry)
        if any(before <= after for before, after in pairwise(found)):
            raise IndexUnfit("its entries are out of order")
        return Found([unpack_u64(entry) for entry in found], counts[rarest])

    def _add(self, rows: list[Decision], log: EventLog, seq: int) -> None:
        entries: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for row in rows:
            place = pack_u64(row.seq)
            for key in _keys_of_row(row):
                entries.setdefault(key, []).append((key, place))
        with self._env.begin(db=self._places, write=True) as txn:
            cursor = txn.cursor()
            for _, new in sorted(entries.items()):
                if cursor.putmulti(new, append=True) != (len(new), len(new)):
                    raise IndexUnfit("it holds decisions that came later")
            self._note(txn, log, seq)

    def _note(self, txn: Transaction, log: EventLog, seq: int) -> None:
        at = log.event(seq)
        about = About(_SCHEMA, log.log_id, seq, _digest(at) if at else b"")
        txn.put(_ABOUT, msgspec.msgpack.encode(about), db=self._meta)


def _about(data: bytes) -> About:
    try:
        return msgspec.msgpack.decode(data, type=About)
    except codec.UNREADABLE as error:
        raise IndexUnfit(f"what it says of itself can't be read ({error})") from error


def _check(about: About, log: EventLog) -> None:
    """Raise `IndexUnfit` unless it was made of what `log` holds now."""
    if about.schema != _SCHEMA:
        raise IndexUnfit(f"its schema {about.schema} is not that of this version")
    if about.log_id != log.log_id:
        raise IndexUnfit(f"it is of the log {about.log_id[:8]}")
    at = log.event(about.seq)
    if about.seq and (at is None or _digest(at) != about.event):
        raise IndexUnfit("it is of another history, and the log was restored since")


def _digest(at: Recorded) -> bytes:
    place = f"{at.seq} {at.version} {at.time} {at.cause} {at.stream}\n"
    data = place.encode("utf-8", "surrogatepass") + codec.encode(at.event)
    return hashlib.sha256(data).digest()


def _count(cursor: Cursor, key: bytes) -> int:
    return cursor.count() if cursor.set_key(key) else 0


def _backwards(cursor: Cursor, key: bytes, last: bytes) -> Iterator[bytes]:
    """The entries of a key that are not past `last`, the greatest first."""
    past = cursor.set_range_dup(key, last)
    if past and cursor.value() == last:
        yield last
    found = cursor.prev_dup() if past else cursor.set_key(key) and cursor.last_dup()
    while found:
        yield cursor.value()
        found = cursor.prev_dup()
