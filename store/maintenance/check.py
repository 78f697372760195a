"""Which parts of a log are intact, and where the others are damaged; beside its daemon too.

Unlike the opening of a log, which stops at the first thing that is wrong, this goes on: somebody
who has a damaged log wants to know how much of it is left. The pages are walked without LMDB; all
else is read in a process apart, for LMDB may die of damaged pages.
"""

import mmap
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import msgspec

from events.codec import UNREADABLE
from store.disk import batch
from store.disk.data_file import check_data_file, structure
from store.disk.layout import DATA_FILE
from store.disk.walk import Damage, Flaw
from store.errors import LogError, LogUnusable
from store.log.lmdb_log import LmdbLog
from store.log.snapshots import FOLDER
from store.maintenance.body_check import BodyCheck
from store.maintenance.index_check import IndexCheck
from store.maintenance.isolation import run_isolated
from store.maintenance.key_check import key_mismatches
from store.maintenance.raw_log import RawLog, opened
from store.maintenance.snapshot_check import compare_snapshots

MAX_PLACES = 20
"""How many damaged places of a part are listed."""

_ATTEMPTS = 3


class CheckedPart(msgspec.Struct, frozen=True):
    """A part of the log: what was `seen` of it, and the `damage`, each with its place."""

    name: str
    seen: str
    damage: tuple[str, ...] = ()


def check(folder: Path, *, quick: bool, fingerprint: bytes) -> list[CheckedPart]:
    """Look at every part of the log in `folder`; with `quick` at the chain alone.

    `fingerprint`: of the code that folds, for the snapshots. Raises `LogUnusable` when there is no
    log, or not its keys.
    """
    chain = _isolated("chain", folder, _chain)
    if quick:
        return [chain]
    return [
        _pages(folder / DATA_FILE),
        chain,
        _isolated("keys", folder, _keys),
        _isolated("bodies", folder, _bodies),
        _isolated("indexes", folder, _indexes),
        _isolated("snapshots", folder, _snapshots, fingerprint),
    ]


def examine(folder: Path, *, bodies: bool = True) -> list[str]:
    """All damage of a log that nobody writes, in sentences; nothing when it is sound. `bodies`:
    these too.

    Done in this process: what reads the pages with LMDB comes after they were found sound.
    """
    try:
        check_data_file(folder / DATA_FILE)
        if damage := _pages(folder / DATA_FILE).damage:
            return list(damage)
        LmdbLog.open_reader(folder).close()
        looks = (_chain, _keys, *([_bodies] if bodies else []), _indexes)
        return [place for look in looks for place in look(folder).damage]
    except LogError as error:
        return [str(error)]


def _isolated(
    name: str, folder: Path, look: Callable[..., CheckedPart], *args: object
) -> CheckedPart:
    try:
        return run_isolated(folder, look, folder, *args)
    except LogUnusable:
        raise
    except LogError as error:
        return CheckedPart(name, "can't be read", (str(error),))


def _pages(path: Path) -> CheckedPart:
    """Pages that a commit is about to put in use are not reached from the end before it: so the
    walk holds if no commit ended meanwhile."""
    if not path.exists():
        raise LogUnusable("there is no log here", where=str(path.parent), cure="start the daemon")
    seen = f"{path.stat().st_size:,} bytes"
    for _ in range(_ATTEMPTS):
        before = _meta_pages(path)
        problems = structure(path)
        if not problems or _meta_pages(path) == before:
            return CheckedPart("pages", seen, tuple(problems[:MAX_PLACES]))
    return CheckedPart(
        "pages", "not looked at: the daemon writes all the while, and pages move then"
    )


def _meta_pages(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2 * mmap.PAGESIZE)


def _chain(folder: Path) -> CheckedPart:
    batches = seq = 0
    damage: list[str] = []
    with opened(folder) as source:
        try:
            for step in source.walk_decoded(source.position().head):
                batches, seq = batches + 1, step.last
                if isinstance(step, Damage):
                    damage.append(_told(source, step))
                if len(damage) == MAX_PLACES:
                    break
        except LogError as error:
            damage.append(f"from event {seq + 1} on: {error}")
    return CheckedPart("chain", f"{batches:,} batches up to event {seq:,}", tuple(damage))


def _told(source: RawLog, damage: Damage) -> str:
    names = _streams_in(source, damage.data) if damage.flaw is Flaw.ALTERED else ""
    within = f" (in it: {names})" if names else ""
    return f"events {damage.first} to {damage.last}: {damage.flaw.value}{within}"


def _streams_in(source: RawLog, data: bytes) -> str:
    """Whose events they are, as far as that can be read."""
    try:
        names = {run.stream: run.name for run in batch.decode(data).runs}
    except UNREADABLE:
        return ""
    return ", ".join(name or _name(source, stream) for stream, name in names.items())


def _name(source: RawLog, stream: int) -> str:
    try:
        return source.stream_name(stream)
    except LogError:
        return f"stream {stream}"


def _bodies(folder: Path) -> CheckedPart:
    """Damage of the chain itself is told by `_chain`: here it only ends the walk."""
    damage: list[str] = []
    with opened(folder) as source:
        check = BodyCheck(source, 1, lambda seq, what: damage.append(f"event {seq}: {what}"))
        end = source.position().head
        for step in source.walk_decoded(end):
            if isinstance(step, Damage) or len(damage) >= MAX_PLACES:
                break
            for run in step.content.runs:
                check.run(step.content, run)
        else:
            check.finish(end.seq + 1)
    erased = f", {check.erased:,} whose key was destroyed" if check.erased else ""
    return CheckedPart("bodies", f"{check.intact:,} bodies{erased}", tuple(damage[:MAX_PLACES]))


def _keys(folder: Path) -> CheckedPart:
    with opened(folder) as source:
        wrong = key_mismatches(source)
        seen = f"{len(source.keyring.ids()):,} keys"
    return CheckedPart("keys", seen, tuple(wrong[:MAX_PLACES]))


def _indexes(folder: Path) -> CheckedPart:
    with opened(folder) as source:
        indexes = IndexCheck(source)
        differences = islice(indexes.compare(), MAX_PLACES)
        damage = tuple(f"table {found.table}: {found.what}" for found in differences)
        return CheckedPart("indexes", f"{sum(indexes.entries.values()):,} entries", damage)


def _snapshots(folder: Path, fingerprint: bytes) -> CheckedPart:
    """One that would not be used is no damage: it is ignored, and made again."""
    with opened(folder) as source:
        used = list(compare_snapshots(folder, source.log, fingerprint))
    files = sum(1 for path in (folder / FOLDER).glob("*") if not path.suffix)
    damage = tuple(
        f"{snapshot.stream}, version {snapshot.version}: not what its events fold to"
        for snapshot in used
        if not snapshot.agrees
    )
    return CheckedPart("snapshots", f"{len(used):,} in use, {files - len(used):,} ignored", damage)
