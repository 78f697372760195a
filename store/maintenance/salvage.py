"""What of a damaged log can be proved, as a new log.

From the first batch on, each one whose successor (or the log's recorded end) confirms its hash is
recorded again: its events go through the very code that groups and writes appends, and what comes
out must be the old batch, byte for byte. So the new log has the same chain, and indexes of its own.
The first batch that fails ends it: what comes after can't follow on a gap. If LMDB can't
open the file, since it was cut off, the batches are looked for on its pages first.
"""

import tempfile
from pathlib import Path

import lmdb
import msgspec
from cryptography.exceptions import InvalidTag

from events.codec import UNREADABLE
from events.projections import NOTHING, projected
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
from store.disk.transaction import SealedBody, TransactionView, write_commit
from store.disk.walk import Damage
from store.errors import LogDamaged, LogError, LogUnusable
from store.keys import bodies
from store.log.append import Append, IndexChanges, StreamAppend
from store.log.commit_group import CommitGroup
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
    `why` it stopped, or nothing when all was saved.
    """

    head: Head
    ended: int | None
    bodies_lost: int | None
    why: str

    @property
    def lost(self) -> int | None:
        """How many events were lost; `None` when nobody knows."""
        return None if self.ended is None else self.ended - self.head.seq


class _Saved(msgspec.Struct, frozen=True):
    ended: int | None
    bodies_lost: int | None
    why: str


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
        if problems := examine(aside):
            raise LogDamaged("the salvaged log is not sound", where=str(aside), found=problems[0])
        with opened(aside) as source:
            head = source.position().head
        (aside / LMDB_LOCK_FILE).unlink(missing_ok=True)
    return Salvaged(head, saved.ended, saved.bodies_lost, saved.why)


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
                group = self._again(txn, step.data)
            except (_Unproved, LogError, *UNREADABLE) as reason:
                self._why = f"event {self._position.seq + 1}: {reason}"
                return False
            bodies = self._bodies(group)
            self._position = write_commit(txn, self._new.tables, group.seal(), bodies)
            self._states.update(group.streams)
        return True

    def _again(self, txn: Transaction, data: bytes) -> CommitGroup:
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
        if group.seal().data != data:
            raise _Unproved("the batch, recorded again, comes out differently")
        return group

    def _bodies(self, group: CommitGroup) -> list[SealedBody]:
        try:
            found = self._source.ask(_bodies_of, group.first, group.first + group.count - 1)
        except LogDamaged:
            self._lost += group.count
            return []
        whole = [body for body in found if self._opens(body)]
        self._lost += len(found) - len(whole)
        return whole

    def _opens(self, body: SealedBody) -> bool:
        """Whether it is what was written; of one whose key was destroyed nobody can tell."""
        seq, place, sealed = body
        cipher = self._source.keyring.cipher(bodies.key_of(sealed))
        if cipher is None:
            return True
        try:
            bodies.open_sealed(
                sealed, cipher=cipher, log_id=self._source.log_id, seq=seq, slot=place
            )
        except (InvalidTag, ValueError):
            return False
        return True


def _part(stream: str, entries: msgspec.Raw) -> StreamAppend:
    decoded = batch.decode_entries(entries)
    changes = ((place, projected(event)) for place, (_, event) in enumerate(decoded))
    effects = [IndexChanges(place, *change) for place, change in changes if change is not NOTHING]
    return StreamAppend(stream, decoded, bytes(entries), effects)


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
