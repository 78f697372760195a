"""Which parts of a log are intact, and where the others are damaged; beside its daemon too.

Unlike the opening of a log, which stops at the first thing that is wrong, this goes on: somebody
who has a damaged log wants to know how much of it is left. The pages are walked without LMDB; all
else is read in a process apart, for LMDB may die of damaged pages.
"""

import mmap
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from store.disk import batch
from store.disk.batch import chain_hash, genesis, previous_hash
from store.disk.data_file import structure
from store.disk.layout import DATA_FILE, unslot
from store.errors import LogDamaged, LogError, LogUnusable
from store.log import bodies
from store.log.snapshots import FOLDER
from store.maintenance.isolation import run_isolated
from store.maintenance.kept_states import compare_snapshots
from store.maintenance.raw_log import RawLog, opened
from store.maintenance.rebuilt import Rebuilt

MOST = 20
"""How many damaged places of a part are told."""

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
    parts = [_apart("chain", folder, _chain)]
    if not quick:
        parts.insert(0, _pages(folder / DATA_FILE))
        parts.append(_apart("words", folder, _words))
        parts.append(_apart("indexes", folder, _indexes))
        parts.append(_apart("snapshots", folder, _snapshots, fingerprint))
    return parts


def _apart(name: str, folder: Path, look: Callable[..., CheckedPart], *args: object) -> CheckedPart:
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
            return CheckedPart("pages", seen, tuple(problems[:MOST]))
    return CheckedPart(
        "pages", "not looked at: the daemon writes all the while, and pages move then"
    )


def _meta_pages(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2 * mmap.PAGESIZE)


def _chain(folder: Path) -> CheckedPart:
    with opened(folder) as source:
        walk = _Walk(source)
        damage = tuple(islice(walk.damage(), MOST))
        return CheckedPart("chain", f"{walk.batches:,} batches up to event {walk.seq:,}", damage)


class _Walk:
    """All batches in their order, each held against the hash that comes after it."""

    def __init__(self, source: RawLog) -> None:
        self._source = source
        self.batches = 0
        self.seq = 0

    def damage(self) -> Iterator[str]:
        """Each batch that is not what was written, or is missing."""
        end = self._source.position()
        before = genesis(self._source.log_id)
        last: tuple[int, bytes] | None = None
        try:
            for key, data in self._source.batches(1):
                if last is not None:
                    yield from self._compare(*last, key - 1, previous_hash(data))
                elif key > 1 or previous_hash(data) != before:
                    yield f"events 1 to {key}: the log doesn't begin as it did"
                last = (key, data)
                if key > end.seq:  # written since
                    return
            if last is not None:
                yield from self._compare(*last, end.seq, end.hash)
            elif end.seq or end.hash != before:
                yield f"events 1 to {end.seq}: there are none"
        except LogError as error:
            yield f"from event {self.seq + 1} on: {error}"

    def _compare(self, key: int, data: bytes, until: int, expected: bytes) -> Iterator[str]:
        self.batches += 1
        self.seq = until
        events, streams = self._inside(data)
        if chain_hash(data) != expected:
            within = f" (in it: {streams})" if streams else ""
            yield f"events {key} to {until}: the batch is not what was written{within}"
        elif key + events - 1 != until:
            yield f"events {key + events} to {until}: they are missing"

    def _inside(self, data: bytes) -> tuple[int, str]:
        """How many events, and of which streams, as far as that can be read."""
        try:
            runs = batch.decode(data).runs
        except (msgspec.MsgspecError, ValueError):
            return 0, ""
        names = {run.stream: run.name for run in runs}
        return sum(len(run.entries) for run in runs), ", ".join(
            name or self._name(stream) for stream, name in names.items()
        )

    def _name(self, stream: int) -> str:
        try:
            return self._source.stream_name(stream)
        except LogError:
            return f"stream {stream}"


def _words(folder: Path) -> CheckedPart:
    """To read is to check: each body is authenticated."""
    intact = without_key = 0
    damage: list[str] = []
    with opened(folder) as source:
        for key, sealed in source.entries("bodies"):
            seq, slot = unslot(key)
            cipher = source.keyring.cipher(bodies.key_of(sealed))
            if cipher is None:
                without_key += 1
                continue
            try:
                bodies.unseal(sealed, cipher=cipher, log_id=source.log_id, seq=seq, slot=slot)
                intact += 1
            except LogDamaged:
                damage.append(f"event {seq}, body {slot}: it is not what was written")
                if len(damage) == MOST:
                    break
    erased = f", {without_key:,} whose key was destroyed" if without_key else ""
    return CheckedPart("words", f"{intact:,} bodies{erased}", tuple(damage))


def _indexes(folder: Path) -> CheckedPart:
    with opened(folder) as source:
        rebuilt = Rebuilt(source)
        found = islice(rebuilt.compare(), MOST)
        damage = tuple(f"table {one.table}: {one.what}" for one in found)
        return CheckedPart("indexes", f"{sum(rebuilt.entries.values()):,} entries", damage)


def _snapshots(folder: Path, fingerprint: bytes) -> CheckedPart:
    """One that isn't believed is no damage: it is ignored, and made again."""
    with opened(folder) as source:
        kept = list(compare_snapshots(folder, source.log, fingerprint))
    files = sum(1 for path in (folder / FOLDER).glob("*") if not path.suffix)
    wrong = (one for one in kept if not one.agrees)
    return CheckedPart(
        "snapshots",
        f"{len(kept):,} in use, {files - len(kept):,} ignored",
        tuple(f"{one.stream}, version {one.version}: not what its events fold to" for one in wrong),
    )
