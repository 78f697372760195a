"""What of a damaged log can be proved, as a new log.

From the first batch on, each one whose successor (or the log's recorded end) confirms its hash is
recorded again: its events go through the very code that groups and writes appends, and what comes
out must be the old batch, byte for byte. So the new log has the same chain, and indexes of its own.
The first batch that fails ends it: what comes after can't follow on a gap. If LMDB can't
open the file, since it was cut off, the batches are looked for on its pages first.

Keys that the saved events are encrypted with, and that are in no file any more, are put on record
as lost: without that the new log could not be opened.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import lmdb
import msgspec

from events.codec import UNREADABLE
from events.event import Draft
from events.gateway.events import KeysLost
from events.streams import GATEWAY
from store.disk import batch, queries
from store.disk.creation import KEYS_FILE, create_if_absent
from store.disk.database import Database
from store.disk.layout import (
    ABOUT,
    MAP_SIZE,
    About,
    Tables,
    Transaction,
    pack_slot,
    unpack_slot,
)
from store.disk.position import Position
from store.disk.queries import StreamState
from store.disk.transaction import Commit, SealedBody, TransactionView, write_commit
from store.disk.walk import Damage
from store.errors import LogDamaged, LogError, LogUnusable
from store.keys import bodies
from store.keys.keyring import Keyring
from store.log.append import Append, StreamAppend, index_changes, prepare
from store.log.commit_group import CommitGroup, PlacedHash
from store.log.event_log import Head
from store.maintenance.backup import LMDB_LOCK_FILE, copy_keys, fresh_folder
from store.maintenance.check import examine
from store.maintenance.isolation import ReaderDied, run_isolated
from store.maintenance.page_scan import rebuild
from store.maintenance.raw_log import PORTION_BYTES, RawLog, opened

BATCHES = 1_000
"""How many batches are flushed to the disk together."""

_LAST_SLOT = 255
_STATES_KEPT = 65_536


class Salvaged(msgspec.Struct, frozen=True):
    """The outcome. `ended`: the recorded end of the old log (`None` if that can't be read);
    `bodies_lost`: bodies of saved events that are not what was written (`None`: nobody counted);
    `why` it stopped, or nothing when all was saved. `head`: of what was saved; `keys_lost`: whose
    keys are on record as lost after it.
    """

    head: Head
    ended: int | None
    bodies_lost: int | None
    why: str
    keys_lost: tuple[str | int, ...] = ()

    @property
    def lost(self) -> int | None:
        """How many events were lost; `None` when nobody knows."""
        return None if self.ended is None else self.ended - self.head.seq


class _Saved(msgspec.Struct, frozen=True):
    ended: int | None
    bodies_lost: int | None
    why: str


class _Again(NamedTuple):
    """A batch recorded again: its events admitted, what is written, the hashes of its bodies."""

    group: CommitGroup
    commit: Commit
    hashes: list[PlacedHash]


class _Unproved(Exception):
    """The batch can't be saved. The text says why."""


def salvage(folder: Path, dest: Path) -> Salvaged:
    """Save what can be proved of the log in `folder` to the new folder `dest`.

    Raises `LogUnusable` when `dest` exists, and `LogDamaged` when nothing can be read at all.
    """
    with fresh_folder(dest) as aside:
        try:
            run_isolated(folder, _begin, folder, aside)
        except LogDamaged as damage:
            saved = _from_pages(folder, aside, damage)
        else:
            saved = _from_tables(folder, aside)
        with opened(aside) as source:
            head = source.position().head
        keys_lost = _record_lost_keys(aside)
        if problems := examine(aside, bodies=False):  # they are counted
            raise LogDamaged("the salvaged log is not sound", where=str(aside), found=problems[0])
        (aside / LMDB_LOCK_FILE).unlink(missing_ok=True)
    return Salvaged(head, saved.ended, saved.bodies_lost, saved.why, keys_lost)


def _from_tables(folder: Path, aside: Path) -> _Saved:
    try:
        return run_isolated(folder, _copy, folder, aside, BATCHES)
    except ReaderDied:
        # One at a time, so that all is kept that comes before the page that kills.
        return _up_to_death(folder, aside)


def _from_pages(folder: Path, aside: Path, damage: LogDamaged) -> _Saved:
    """If LMDB can't open the file: what is on its pages. Nobody knows how much was lost."""
    with tempfile.TemporaryDirectory(prefix=".salvage-", dir=aside.parent) as name:
        rebuilt = Path(name)
        run_isolated(folder, rebuild, folder, rebuilt)
        run_isolated(rebuilt, _begin, rebuilt, aside)
        saved = run_isolated(rebuilt, _copy, rebuilt, aside, BATCHES)
    return _Saved(None, None, saved.why or str(damage))


def _up_to_death(folder: Path, aside: Path) -> _Saved:
    try:
        return run_isolated(folder, _copy, folder, aside, 1)
    except ReaderDied as death:
        return _Saved(run_isolated(folder, _ended, folder), None, str(death))


def _begin(folder: Path, aside: Path) -> None:
    with opened(folder) as source:
        about = source.ask(_about)
    create_if_absent(aside, log_id=about.log_id, now=about.created)
    (aside / KEYS_FILE).unlink()
    copy_keys(folder, aside)


def _ended(folder: Path) -> int | None:
    with opened(folder) as source:
        position = _position(source)
        return position.seq if position else None


def _copy(folder: Path, aside: Path, batches: int) -> _Saved:
    """Go on from where the new log ends; `batches` in one commit."""
    with opened(folder) as source:
        new = Database(aside, readonly=False, map_size=MAP_SIZE)
        try:
            return _Copying(source, new, batches).run()
        except lmdb.Error as error:
            raise LogUnusable(
                "the salvaged log can't be written", where=str(aside), found=str(error)
            ) from error
        finally:
            new.close()


def _record_lost_keys(aside: Path) -> tuple[str | int, ...]:
    """Whose keys, of those in use at the new log's end, its file of keys lacks."""
    new = Database(aside, readonly=False, map_size=MAP_SIZE)
    try:
        keyring = Keyring(aside / KEYS_FILE, entropy=os.urandom, writable=False)
        ids = keyring.ids()
        live = new.query(queries.key_records).live
        lost = tuple(owner for owner, key_id in live.items() if ids.get(owner) != key_id)
        if lost:
            persons = tuple(owner for owner in lost if isinstance(owner, str))
            weeks = tuple(owner for owner in lost if isinstance(owner, int))
            draft = Draft(GATEWAY, KeysLost(persons, weeks))
            with new.writing() as txn:
                position = queries.position(txn, new.tables)
                group = CommitGroup(TransactionView(txn, new.tables, {}), position, time.time_ns())
                known = queries.find_stream(txn, new.tables, GATEWAY)
                version = known.version if known else 0
                group.admit(prepare([draft], {GATEWAY: version}))
                write_commit(txn, new.tables, group.seal(), [])
        return lost
    finally:
        new.close()


class _Copying:
    """Batches on their way from the old log to the new one."""

    def __init__(self, source: RawLog, new: Database, batches: int) -> None:
        self._source = source
        self._new = new
        self._batches = batches
        self._end = _position(source)
        self._position = new.query(queries.position)
        self._steps = source.walk(
            self._end.head if self._end else None,
            first=self._position.seq + 1,
            before=self._position.hash,
            portion_bytes=PORTION_BYTES if batches > 1 else 0,
        )
        self._states: dict[str, StreamState] = {}
        self._lost = 0
        self._why = ""

    def run(self) -> _Saved:
        """Copy until the end, or until the first batch that can't be proved."""
        more = True
        while more:
            with self._new.writing() as txn:
                more = self._portion(txn)
        return _Saved(self._end.seq if self._end else None, self._lost, self._why)

    def _portion(self, txn: Transaction) -> bool:
        """Copy some batches in one commit; False when there are no more that can be copied."""
        for _ in range(self._batches):
            try:
                step = next(self._steps, None)
                if step is None:
                    return False
                if isinstance(step, Damage):
                    self._why = f"event {step.batch}: {step.flaw.value}"
                    return False
                group, commit, hashes = self._again(txn, step.data)
            except (_Unproved, LogError, *UNREADABLE) as reason:
                self._why = f"event {self._position.seq + 1}: {reason}"
                return False
            bodies = self._bodies(commit.first, commit.position.seq, hashes)
            self._position = write_commit(txn, self._new.tables, commit, bodies)
            self._states.update(group.streams)
        return True

    def _again(self, txn: Transaction, data: bytes) -> _Again:
        """The batch's events admitted anew; they must make the same batch."""
        found = batch.decode_lazily(data)
        if len(self._states) > _STATES_KEPT:
            self._states.clear()
        group = CommitGroup(
            TransactionView(txn, self._new.tables, self._states), self._position, found.time
        )
        names: dict[int, str] = {}
        for run in found.runs:
            if run.name is not None:
                names[run.stream] = run.name
            name = names.get(run.stream) or queries.stream_name(txn, self._new.tables, run.stream)
            part = _part(name, run.entries)
            group.admit(Append((part,), {}, (), (), len(part.entries), len(part.encoded)))
        hashes = [
            (found.first + run.offset + place, slot, digest)
            for run in found.runs
            for place, slot, digest in run.bodies
        ]
        commit = group.seal(hashes, found.keys)
        if commit.data != data:
            raise _Unproved("the batch, recorded again, comes out differently")
        return _Again(group, commit, hashes)

    def _bodies(self, first: int, last: int, hashes: list[PlacedHash]) -> list[SealedBody]:
        """The bodies of a batch that are what was written."""
        try:
            found = self._source.ask(_bodies_of, first, last) if hashes else []
        except LogDamaged:
            found = []
        expected = {(seq, slot): digest for seq, slot, digest in hashes}
        whole = [
            (seq, slot, sealed)
            for seq, slot, sealed in found
            if bodies.body_hash(sealed) == expected.get((seq, slot))
        ]
        self._lost += len(hashes) - len(whole)
        return whole


def _part(stream: str, entries: msgspec.Raw) -> StreamAppend:
    decoded = batch.decode_entries(entries)
    changes = list(index_changes(stream, decoded))
    return StreamAppend(stream, decoded, bytes(entries), changes)


def _position(source: RawLog) -> Position | None:
    try:
        return source.position()
    except LogDamaged:
        return None


def _about(txn: Transaction, tables: Tables) -> About:
    return msgspec.msgpack.decode(txn.get(ABOUT, db=tables.meta) or b"", type=About)


def _bodies_of(txn: Transaction, tables: Tables, first: int, last: int) -> list[SealedBody]:
    found: list[SealedBody] = []
    cursor = txn.cursor(tables.bodies)
    end = pack_slot(last, _LAST_SLOT)
    if cursor.set_range(pack_slot(first, 0)):
        for key, value in cursor:
            if key > end:
                break
            found.append((*unpack_slot(key), value))
    return found
