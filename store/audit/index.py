"""An index of decisions: where in the log those of a sender, an action, a reason, an account are.

A small LMDB environment in the log's folder, never part of the log (its tables: `places`). It is
derived, and caught up by whoever asks it, so that the daemon has nothing to do with it. It is
believed only if it was made of this very log; else, or if it is damaged, it is made again. To
delete it costs nothing but time. LMDB may die of a damaged file, so a process apart opens it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from store.audit.places import IndexUnfit, Keys, Places, keys_of
from store.audit.selection import Found, Selection
from store.disk.data_file import check_data_file
from store.disk.folder import FolderLock, prepare_folder
from store.disk.layout import DATA_FILE, MAP_SIZE, open_environment
from store.errors import LogDamaged, LogError, LogLocked, LogUnusable
from store.log.event_log import EventLog
from store.log.lmdb_log import LmdbLog
from store.maintenance.backup import LMDB_LOCK_FILE
from store.maintenance.isolation import ReaderDied, run_isolated

FOLDER = "trail-index"

_SIGNS_OF_DAMAGE = (
    lmdb.BadTxnError,
    lmdb.BadValsizeError,
    lmdb.CorruptedError,
    lmdb.IncompatibleError,
    lmdb.InvalidError,
    lmdb.NotFoundError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)


class TrailIndex:
    """The index of the log in `folder`. `say` hears, in a sentence, what somebody who waits should
    know."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say

    def find(self, wanted: Selection, *, first: int, last: int, limit: int) -> Found | None:
        """See `decisions.Index`. Adds first what the index lacks up to the event `last`."""
        keys = keys_of(wanted)
        if not keys:
            return None
        if not (self._folder / FOLDER).exists():
            self._say("making an index of all decisions, once; later it is only added to")
        for _ in range(2):
            try:
                return run_isolated(self._folder, search, self._folder, keys, first, last, limit)
            except ReaderDied:
                self._drop("it ended the process that read it")
            except IndexUnfit as error:
                self._drop(error.what)
            except LogError as error:
                self._say(f"no index of decisions, so the log is scanned: {error}")
                return None
        self._say("the index of decisions can't be made, so the log is scanned")
        return None

    def distrust(self) -> None:
        """See `decisions.Index`."""
        self._drop("it names events where nothing was decided")

    def _drop(self, why: str) -> None:
        """Delete the files; whoever has them open goes on with what was in them."""
        self._say(f"the index of decisions is made again: {why}")
        place = self._folder / FOLDER
        try:
            with _held(place):
                for name in (DATA_FILE, LMDB_LOCK_FILE):
                    (place / name).unlink(missing_ok=True)
        except LogError as error:
            self._say(f"the index of decisions can't be deleted: {error}")


# What is done in the process apart


def search(folder: Path, keys: Keys, first: int, last: int, limit: int) -> Found:
    """See `TrailIndex.find`. Raises `IndexUnfit`, and other `LogError`s when it can't be used."""
    log = LmdbLog.open_reader(folder)
    try:
        with _errors(folder / FOLDER), _reaching(folder / FOLDER, log, last) as tables:
            return tables.find(keys, first, last, limit)
    finally:
        log.close()


@contextmanager
def _reaching(place: Path, log: EventLog, last: int) -> Iterator[Places]:
    """The index with all decisions up to the event `last`; others wait for none of it."""
    if (place / DATA_FILE).exists():
        with _opened(place, log, readonly=True) as tables:
            if tables.about.seq >= last:
                yield tables
                return
    with _held(place), _opened(place, log, readonly=False) as tables:
        tables.catch_up(log)
    with _opened(place, log, readonly=True) as tables:
        yield tables


@contextmanager
def _opened(place: Path, log: EventLog, *, readonly: bool) -> Iterator[Places]:
    if (place / DATA_FILE).exists():
        try:
            check_data_file(place / DATA_FILE)
        except LogDamaged as error:
            raise IndexUnfit(error.what) from error
    env = open_environment(place, readonly=readonly, map_size=MAP_SIZE)
    try:
        env.reader_check()
        yield Places(env, log, create=not readonly)
    finally:
        env.close()


@contextmanager
def _held(place: Path) -> Iterator[None]:
    """The right to write the index. Raises `LogUnusable`."""
    prepare_folder(place)
    try:
        lock = FolderLock(place, now=time.time_ns())
    except LogLocked as error:
        raise LogUnusable(
            "another process is making it just now", where=str(place), found=error.found
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _errors(place: Path) -> Iterator[None]:
    try:
        yield
    except _SIGNS_OF_DAMAGE as error:
        raise IndexUnfit(f"its file is damaged ({error})") from error
    except (lmdb.Error, OSError) as error:
        raise LogUnusable("its file can't be used", where=str(place), found=str(error)) from error
