"""The tables of the log in LMDB, their keys and their values.

| table | key | value |
| --- | --- | --- |
| `log` | sequence of a batch's first event | the batch (see `batch`) |
| `streams` | stream's id | its name |
| `names` | SHA-256 of a stream's name | its id |
| `index` | stream's id, first version in a batch | the batch's key, how many events it has there |
| `bodies` | sequence, slot (1 byte) | a body, encrypted (see `store.keys.bodies`) |
| `seen` | a message's identity | stream's id and version of the event that made it known |
| `open` | stream's id and version of an event whose work goes on | nothing |
| `keys` | whose key: `p` and SHA-256 of a person's name, or `w` and the week | `LiveKey` |
| `erased` | id of a key that was destroyed | `ErasedKey` |
| `meta` | `about`, `position` | `About`, `Position` |

Names are hashed since they hold anything, and LMDB's keys end at 511 bytes. Numbers in keys are
big-endian, 8 bytes: LMDB sorts bytes, so batches lie in order and a stream's entries together. Only
`log` and `bodies` say something of their own; the rest can be derived. A value for every commit,
not every event, was chosen by measurement (`tests/bench/store_layout.py`).
"""

import hashlib
import struct
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import msgspec

from events.codec import FORMAT, UNREADABLE
from store.disk.position import Position
from store.errors import LogDamaged, LogTooNew, LogUnusable

if TYPE_CHECKING:
    Transaction = lmdb.Transaction[bytes]
    Cursor = lmdb.Cursor[bytes]
    Table = lmdb._Database
else:  # generic in the stubs only
    Transaction, Cursor, Table = lmdb.Transaction, lmdb.Cursor, object

DATA_FILE = "data.mdb"
"""LMDB's own name for it."""

MAP_SIZE = 64 << 30
"""Bytes of address space to begin with. The file is sparse: this costs nothing on the disk."""

MAX_MAP_SIZE = 1 << 40
"""Bytes up to which the map may grow."""

WEEKS = b"w"
"""How the keys of weeks begin in `keys`."""

MAX_READERS = 512
"""Slots for read transactions, of all processes together; the first one to open the log decides."""

ABOUT = b"about"
POSITION = b"position"
_KIND = "ztm-chat log"

_u64 = struct.Struct(">Q")
_u64_pair = struct.Struct(">QQ")
_span = struct.Struct(">QI")
_slot = struct.Struct(">QB")
pack_u64 = _u64.pack
pack_u64_pair = _u64_pair.pack
pack_span = _span.pack
pack_slot = _slot.pack


class About(msgspec.Struct, frozen=True):
    """What the file is. `created`: ns since 1970."""

    kind: str
    format: int
    log_id: str
    created: int


@dataclass(frozen=True, slots=True)
class Tables:
    """The sub-databases."""

    log: Table
    streams: Table
    names: Table
    index: Table
    bodies: Table
    seen: Table
    open: Table
    keys: Table
    erased: Table
    meta: Table


TABLES = tuple(field.name.encode() for field in fields(Tables))
"""Their names in LMDB."""


class LiveKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A key that must be in the file of keys: its id, and whose it is (a person's, or a week's)."""

    id: bytes
    owner: str | int


class ErasedKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Whose a destroyed key was, and the event that put its end on record."""

    owner: str | int
    seq: int


encode = msgspec.msgpack.Encoder().encode
decode_position = msgspec.msgpack.Decoder(Position).decode
decode_live_key = msgspec.msgpack.Decoder(LiveKey).decode
decode_erased_key = msgspec.msgpack.Decoder(ErasedKey).decode
_decode_about = msgspec.msgpack.Decoder(About).decode
_decode_format = msgspec.msgpack.Decoder(dict[str, object]).decode


def unpack_u64(data: bytes) -> int:
    """The number in 8 bytes."""
    number: int = _u64.unpack(data)[0]
    return number


def unpack_u64_pair(data: bytes) -> tuple[int, int]:
    """The two numbers in 16 bytes."""
    first, second = _u64_pair.unpack(data)
    return first, second


def unpack_span(data: bytes) -> tuple[int, int]:
    """A batch's key, and the number of a stream's events in it."""
    key, count = _span.unpack(data)
    return key, count


def unpack_slot(data: bytes) -> tuple[int, int]:
    """A body's sequence and slot."""
    seq, place = _slot.unpack(data)
    return seq, place


def name_key(stream: str) -> bytes:
    """A stream's key in `names`."""
    return hashlib.sha256(stream.encode("utf-8", "surrogatepass")).digest()


def owner_key(owner: str | int) -> bytes:
    """A person's, or a week's, key in `keys`."""
    if isinstance(owner, int):
        return WEEKS + pack_u64(owner)
    return b"p" + hashlib.sha256(owner.encode("utf-8", "surrogatepass")).digest()


def open_environment(folder: Path, *, readonly: bool, map_size: int) -> lmdb.Environment:
    """Open LMDB with the settings that the log relies on.

    Both flushes of a commit stay on, for without the second one the last commit may be lost.
    Never a writable map: it turns a full disk into a killed process. `mode` gives the file 0600.
    """
    return lmdb.open(
        str(folder),
        map_size=map_size,
        readonly=readonly,
        create=not readonly,
        mode=0o700,
        sync=True,
        metasync=True,
        writemap=False,
        max_dbs=len(TABLES),
        max_readers=MAX_READERS,
        max_spare_txns=0,
        lock=True,
    )


def create_tables(env: lmdb.Environment) -> Tables:
    """The tables of a new log."""
    return Tables(*(env.open_db(name) for name in TABLES))


def readers_full(where: str) -> LogUnusable:
    """The error when no slot for a read transaction is free."""
    return LogUnusable(
        "too many processes read the log",
        where=where,
        found="every slot for readers is taken",
        cure="end some of them and try again; a running daemon frees the slots of processes that "
        "died every 30 seconds, and a start of the daemon does, too",
    )


def open_tables(env: lmdb.Environment, where: str) -> tuple[Tables, About]:
    """The tables of a log that exists. Raises `LogTooNew`, `LogUnusable` when too many processes
    read it, and `LogDamaged` for another file."""
    try:
        about = _read_about(_about(env), where)
        return Tables(*(env.open_db(name, create=False) for name in TABLES)), about
    except lmdb.ReadersFullError as error:
        raise readers_full(where) from error
    except lmdb.Error as error:
        raise LogDamaged("not a ztm-chat log", where=where, found=str(error)) from error


def describe(log_id: str, created: int) -> bytes:
    """The value of `about` in a new log."""
    return encode(About(_KIND, FORMAT, log_id, created))


def _about(env: lmdb.Environment) -> bytes | None:
    # A function of its own, for a transaction keeps its slot for as long as something names it.
    meta = env.open_db(b"meta", create=False)
    with env.begin(db=meta) as txn:
        return txn.get(ABOUT)


def _read_about(value: bytes | None, where: str) -> About:
    try:
        fields = _decode_format(value or b"")
        if fields.get("kind") != _KIND:
            raise LogDamaged("not a ztm-chat log", where=where)
        found = fields.get("format")
        if isinstance(found, int) and found > FORMAT:
            raise LogTooNew(
                "the log was written by a later version of ztm-chat",
                where=where,
                found=f"format {found}, this version knows up to {FORMAT}",
                cure="use that version, or another folder",
            )
        if isinstance(found, int) and found < FORMAT:
            raise LogUnusable(
                "the log was written by an earlier version of ztm-chat",
                where=where,
                found=f"format {found}, this version reads {FORMAT}",
                cure="use that version, or another folder",
            )
        return _decode_about(value or b"")
    except UNREADABLE as error:
        raise LogDamaged(
            "the log's description can't be read", where=where, found=str(error)
        ) from error
