"""The log on disk: LMDB beside a small file of keys, in a folder of its own.

log = LmdbLog.open(path)
log.append(drafts, expected={"account/main": 3}, then=tell_the_actor)
log.close()
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock

import msgspec

from events.event import Draft, Recorded
from store.disk import queries
from store.disk.creation import KEYS_FILE, create_if_absent
from store.disk.database import Database
from store.disk.folder import FolderLock, mark_damaged, prepare_folder, refuse_if_marked
from store.disk.layout import DATA_FILE, MAP_SIZE, MAX_MAP_SIZE
from store.disk.position import Position
from store.disk.tail import check_tail
from store.errors import LogDamaged, LogFailed, LogUnusable
from store.keys.keyring import Keyring
from store.log.append import Append, prepare
from store.log.committer import Committer
from store.log.event_log import Head, LogStats, Outcome, events_of
from store.log.lmdb_reader import LmdbReader
from store.log.writer import Writer

_LOOK_AFTER_WRITER_S = 1.0


class LmdbLog(LmdbReader):
    """An `EventLog` in a folder. There is one writer: this object, until it is closed.

    After a commit with unknown outcome (`CommitFailed`) it can't be used to write any more: close
    it, open another one, and read on from the last event that is known.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        *,
        lock: FolderLock,
        committer: Committer,
        on_failure: Callable[[str], None],
        pause_s: float,
    ) -> None:
        super().__init__(database, keyring)
        self._lock = lock
        self._committer = committer
        self._submitting = Lock()
        self._scrub_trouble: str | None = None
        self._writer = Writer(
            self._commit_group,
            explain=committer.explain,
            on_failure=on_failure,
            pause_s=pause_s,
        )

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        entropy: Callable[[int], bytes] = os.urandom,
        map_size: int = MAP_SIZE,
        max_map_size: int = MAX_MAP_SIZE,
        on_failure: Callable[[str], None] = lambda error: None,
        pause_s: float = 1.0,
    ) -> "LmdbLog":
        """Open the log in the folder `path` for writing; make it if there is none.

        `clock_ns` gives ns since 1970, `entropy` so many random bytes. The map begins with
        `map_size` bytes and is doubled when it is full, up to `max_map_size`; then the log stalls
        and tries again after 1, 1, 2, 3, 5, … times `pause_s` seconds. `on_failure` hears, on the
        writer's thread, when a commit fails. Raises `LogLocked`, `LogUnusable`, `LogTooNew` and
        `LogDamaged`.
        """
        folder = Path(path)
        prepare_folder(folder)
        with ExitStack() as undo:
            lock = FolderLock(folder, now=clock_ns())
            undo.callback(lock.release)
            refuse_if_marked(folder)
            create_if_absent(folder, log_id=entropy(4).hex(), now=clock_ns())
            database, position = _open_database(folder, undo, readonly=False, map_size=map_size)
            keyring = Keyring(folder / KEYS_FILE, entropy=entropy, writable=True)
            undo.callback(keyring.close)
            keyring.match(database.query(queries.key_records))
            committer = Committer(
                database,
                position=position,
                keyring=keyring,
                clock_ns=clock_ns,
                entropy=entropy,
                max_map_size=max_map_size,
            )
            undo.pop_all()
        return cls(
            database,
            keyring,
            lock=lock,
            committer=committer,
            on_failure=on_failure,
            pause_s=pause_s,
        )

    @staticmethod
    def open_reader(path: Path | str, *, map_size: int = MAP_SIZE) -> LmdbReader:
        """Open the log in the folder `path` for reading, beside its writer or without one.

        Not in the process that writes it: that one reads from its own log. Raises `LogUnusable`
        when there is none, `LogTooNew` and `LogDamaged`.
        """
        folder = Path(path)
        if not (folder / DATA_FILE).exists():
            raise LogUnusable("there is no log here", where=str(folder), cure="start the daemon")
        with ExitStack() as undo:
            database, _ = _open_database(folder, undo, readonly=True, map_size=map_size)
            keyring = Keyring(folder / KEYS_FILE, entropy=os.urandom, writable=False)
            undo.pop_all()
        return LmdbReader(database, keyring)

    def append(
        self,
        drafts: Sequence[Draft],
        *,
        expected: Mapping[str, int],
        then: Callable[[Outcome], None],
    ) -> None:
        """See `EventLog`."""
        append = prepare(drafts, expected)
        with self._submitting:
            self._check_open()
            self._writer.submit(append, then)

    def commit(
        self, drafts: Sequence[Draft], *, expected: Mapping[str, int]
    ) -> tuple[Recorded, ...]:
        """See `EventLog`."""
        if self._writer.is_this_thread():
            raise LogUnusable("the writer's own thread can't wait for a commit")
        outcome: SimpleQueue[Outcome] = SimpleQueue()
        self.append(drafts, expected=expected, then=outcome.put)
        while True:
            try:
                return events_of(outcome.get(timeout=_LOOK_AFTER_WRITER_S))
            except Empty:
                if not self._writer.is_alive() and outcome.empty():
                    raise LogFailed("the log's writer has ended without an answer") from None

    def head(self) -> Head:
        """See `EventLog`."""
        self._database.check_usable()
        return self._committer.head

    def fail(self, error: LogDamaged) -> None:
        """Write nothing any more, nor after a restart: the log turned out to be damaged, and
        `stats` says so.

        `on_failure` doesn't hear of it, for to open the log again would not mend it.
        """
        self._writer.fail(str(error))
        mark_damaged(self._database.folder, error)

    def clear_stale_readers(self) -> None:
        """Free what processes hold that died while they read the log; to be called now and then."""
        self._database.clear_stale_readers()

    def report_scrub(self, trouble: str | None) -> None:
        """What keeps the log from being scrubbed now, for `stats`; `None`: nothing."""
        self._scrub_trouble = trouble

    def stats(self) -> LogStats:
        """See `EventLog`."""
        return msgspec.structs.replace(
            super().stats(),
            max_map_size=self._committer.max_map_size,
            commits=self._committer.commits,
            waiting=self._writer.waiting,
            stalled=self._writer.stalled,
            failed=self._writer.failed,
            scrub=self._scrub_trouble,
        )

    def close(self) -> None:
        """See `EventLog`."""
        with self._submitting:
            if self._closing:
                return
            self._closing = True
        self._writer.close()
        super().close()
        self._lock.release()

    def _check_open(self) -> None:
        if self._closing:
            raise LogUnusable("the log is closed", where=str(self._database.folder))
        self._database.check_usable()

    def _commit_group(self, appends: list[Append]) -> list[Outcome]:
        outcomes = self._committer.commit(appends)
        with self._news:
            self._news.notify_all()
        return outcomes


def _open_database(
    folder: Path, undo: ExitStack, *, readonly: bool, map_size: int
) -> tuple[Database, Position]:
    database = Database(folder, readonly=readonly, map_size=map_size)
    undo.callback(database.close)
    return database, database.query(check_tail, database.log_id, str(database.data))
