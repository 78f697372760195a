"""The log found again on the pages of its file, without the trees that lead to them.

LMDB reaches a page through the pages above it, and those that the newest commit wrote are often the
first to be lost when a file is cut off. But each batch carries the hash of the one before it: so
batches found anywhere can be put in order, and proved. The layout is that of LMDB 0.9.
"""

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from events.codec import FORMAT, UNREADABLE
from events.gateway.events import GatewayStarted
from store.disk import batch
from store.disk.batch import chain_hash, genesis, previous_hash
from store.disk.layout import (
    ABOUT,
    DATA_FILE,
    MAP_SIZE,
    POSITION,
    About,
    create_tables,
    decode_position,
    describe,
    encode,
    open_environment,
    pack_u64,
    unpack_u64,
)
from store.disk.position import Position
from store.errors import LogDamaged
from store.maintenance.backup import copy_keys

_PAGE = struct.Struct("=QHHH")
_NODE = struct.Struct("=HHHH")
_PAGE_HEADER = 16
_LEAF, _BIG, _SUBTREE_OR_DUPLICATES = 0x02, 0x01, 0x06
_PAGE_SIZE_AT = 40
_BODY_KEY_BYTES = 9
_FIRST = pack_u64(1)
_BATCHES = 1_000
_FAR = 1 << 50


class Entry(NamedTuple):
    """A key, and where in the file its value lies."""

    key: bytes
    offset: int
    size: int


class _FoundBatch(NamedTuple):
    hash: bytes
    entry: Entry


def rebuild(folder: Path, aside: Path) -> None:
    """Make a log in `aside` of what is proved on the pages of the one in `folder`.

    It holds the batches from the first one on, as far as the next one or a recorded end confirms
    each, and their bodies; no index. Raises `LogDamaged` when not even the first batch is there.
    """
    with (folder / DATA_FILE).open("rb") as file:
        pages = Pages(file.fileno())
        about, chain = _proved(pages)
        if about is None or not chain:
            raise LogDamaged(
                "nothing of the log can be proved",
                where=str(folder / DATA_FILE),
                found="no first batch" if about else "no description of a log",
                cure="restore it from a backup",
            )
        _write(pages, about, chain, aside)
    copy_keys(folder, aside)


class Pages:
    """The pages of an LMDB file, each looked at by itself."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        (size,) = struct.unpack("=I", os.pread(fd, 4, _PAGE_SIZE_AT).ljust(4, b"\0"))
        self._size = size if size in {1 << power for power in range(9, 16)} else 4096

    def entries(self) -> Iterator[Entry]:
        """What stands in leaves, also in those that are no longer in use."""
        number = 0
        while len(data := os.pread(self._fd, self._size, number * self._size)) == self._size:
            yield from self._of_leaf(number, data)
            number += 1

    def value(self, entry: Entry) -> bytes:
        """Its value, as far as the file reaches."""
        return os.pread(self._fd, entry.size, entry.offset)

    def _of_leaf(self, number: int, data: bytes) -> Iterator[Entry]:
        page, _, flags, lower = _PAGE.unpack_from(data)
        if page != number or not flags & _LEAF or not _PAGE_HEADER <= lower <= self._size:
            return
        for (place,) in struct.iter_unpack("=H", data[_PAGE_HEADER : lower - lower % 2]):
            if place + _NODE.size > self._size:
                continue
            low, high, flags, key_size = _NODE.unpack_from(data, place)
            start = place + _NODE.size + key_size
            size = low | high << 16
            if flags & _SUBTREE_OR_DUPLICATES or start > self._size:
                continue
            offset = number * self._size + start
            if flags & _BIG:  # then the value lies on pages of its own, and here is their number
                at = int.from_bytes(data[start : start + 8], sys.byteorder)
                offset = min(at * self._size + _PAGE_HEADER, _FAR)
            yield Entry(data[place + _NODE.size : start], offset, size)


def _proved(pages: Pages) -> tuple[About | None, list[_FoundBatch]]:
    about: About | None = None
    ends: set[bytes] = set()
    following: dict[bytes, list[_FoundBatch]] = {}
    for entry in pages.entries():
        value = pages.value(entry)
        try:
            if entry.key == ABOUT:
                about = msgspec.msgpack.decode(value, type=About)
            elif entry.key == POSITION:
                ends.add(decode_position(value).hash)
            elif len(entry.key) == 8 and batch.decode_lazily(value).first == unpack_u64(entry.key):
                found = _FoundBatch(chain_hash(value), entry)
                following.setdefault(previous_hash(value), []).append(found)
                if about is None and entry.key == _FIRST:
                    about = _told_by(value)
        except UNREADABLE:
            continue
    return about, list(_chain(about.log_id, following, ends)) if about else []


def _told_by(first: bytes) -> About | None:
    """What the log is by its first batch, which the daemon begins with. Its hash confirms it."""
    found = batch.decode(first)
    for run in found.runs:
        for _, event in run.entries:
            if isinstance(event, GatewayStarted) and genesis(event.log_id) == found.previous:
                return About("", FORMAT, event.log_id, found.time)
    return None


def _chain(
    log_id: str, following: dict[bytes, list[_FoundBatch]], ends: set[bytes]
) -> Iterator[_FoundBatch]:
    """The batches in order, as far as what follows confirms each."""
    end = genesis(log_id)
    while True:
        confirmed = (
            found
            for found in following.get(end, ())
            if found.hash in following or found.hash in ends
        )
        step = next(confirmed, None)
        if step is None:
            return
        yield step
        end = step.hash


def _write(pages: Pages, about: About, chain: list[_FoundBatch], aside: Path) -> None:
    last = batch.decode(pages.value(chain[-1].entry))
    seq = last.first + sum(len(run.entries) for run in last.runs) - 1
    env = open_environment(aside, readonly=False, map_size=MAP_SIZE)
    try:
        tables = create_tables(env)
        for start in range(0, len(chain), _BATCHES):
            with env.begin(write=True, db=tables.log) as txn:
                for found in chain[start : start + _BATCHES]:
                    txn.put(found.entry.key, pages.value(found.entry), append=True)
        with env.begin(write=True, db=tables.bodies) as txn:
            for entry in pages.entries():
                if len(entry.key) == _BODY_KEY_BYTES and entry.key < pack_u64(seq + 1):
                    txn.put(entry.key, pages.value(entry))
        with env.begin(write=True, db=tables.meta) as txn:
            end = Position(seq, chain[-1].hash, last.time, 0)
            txn.put(ABOUT, describe(about.log_id, about.created))
            txn.put(POSITION, encode(end))
    finally:
        env.close()
