"""LMDB's environment with the log's tables, shared by the threads of a process."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import lmdb

from events.codec import UNREADABLE
from store.disk.data_file import check_data_file
from store.disk.layout import (
    DATA_FILE,
    Tables,
    Transaction,
    open_environment,
    open_tables,
    readers_full,
)
from store.disk.read_write_lock import ReadWriteLock
from store.errors import LogDamaged, LogUnusable

_ATTEMPTS = 100
_PAUSE_S = 0.01

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Database:
    """An open environment. Raises `LogDamaged`, `LogTooNew`, `LogUnusable` when it can't be one.

    All reading goes through `query`: short transactions, none of which is open when the map is
    replaced or closed. It is never used after a fork: a child that wrote would destroy the
    parent's work.
    """

    def __init__(self, folder: Path, *, readonly: bool, map_size: int) -> None:
        self.folder = folder
        self.data = folder / DATA_FILE
        self._pid = os.getpid()
        self._closed = False
        self._gate = ReadWriteLock()
        check_data_file(self.data)
        try:
            self._env = open_environment(folder, readonly=readonly, map_size=map_size)
        except lmdb.ReadersFullError as error:
            raise readers_full(str(folder)) from error
        except (lmdb.Error, OSError) as error:
            raise LogUnusable(
                "the log can't be opened", where=str(folder), found=str(error)
            ) from error
        self.freed_slots = 0
        try:
            self.clear_stale_readers()
            self.tables, about = open_tables(self._env, str(self.data))
        except BaseException:
            self._env.close()
            raise
        self.log_id = about.log_id

    def query(
        self,
        ask: Callable[Concatenate[Transaction, Tables, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """What `ask` finds in one read transaction."""
        attempt = 0
        while True:
            self._gate.enter()
            try:
                self.check_usable()
                with self._env.begin() as txn:
                    return ask(txn, self.tables, *args, **kwargs)
            except lmdb.MapResizedError:
                pass  # by a writer in another process: take its size over, and ask again
            except lmdb.ReadersFullError as error:
                attempt += 1
                if not self.clear_stale_readers() and attempt > _ATTEMPTS:
                    raise readers_full(str(self.folder)) from error
                time.sleep(_PAUSE_S)  # reads are short: a slot is free soon
                continue
            except (lmdb.Error, *UNREADABLE) as error:
                raise self.damaged(error) from error
            finally:
                self._gate.leave()
            self.remap(0)

    def writing(self) -> AbstractContextManager[Transaction]:
        """A write transaction: commits at the end of the block, or nothing of it if that raises."""
        return self._env.begin(write=True)

    def remap(self, size: int) -> None:
        """Replace the map by one of `size` bytes (0: what the file says); no write may be open."""
        with self._gate.alone():
            self._env.set_mapsize(size)

    def clear_stale_readers(self) -> int:
        """Free the slots of processes that died in a read transaction; gives how many.

        Until then the file grows, for the pages that they read aren't used again.
        """
        freed = self._env.reader_check()
        self.freed_slots += freed
        return freed

    @property
    def readers(self) -> int:
        """How many other processes are in a read transaction now (dead ones until cleared)."""
        lines = self._env.readers().splitlines()
        pids = {line.split()[0] for line in lines if line.split()[0].isdecimal()}
        return len(pids - {str(self._pid)})

    @property
    def map_size(self) -> int:
        """Bytes of the map."""
        return self._env.info()["map_size"]

    @property
    def used(self) -> int:
        """Bytes that the map's pages take."""
        return (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]

    def check_usable(self) -> None:
        """Raise `LogUnusable` when it is closed, or this is a forked child."""
        if self._closed:
            raise LogUnusable("the log is closed", where=str(self.folder), cure="open it again")
        if self._pid != os.getpid():
            raise LogUnusable(
                "the log can't be used after a fork",
                where=str(self.folder),
                found=f"it was opened by process {self._pid}",
                cure="open it in this process",
            )

    def damaged(self, found: object, where: str = "") -> LogDamaged:
        """The error for what can't be read."""
        return LogDamaged(
            "the log can't be read",
            where=f"{self.data}, {where}" if where else str(self.data),
            found=str(found),
            cure="restore it from a backup",
        )

    def close(self) -> None:
        """Let the environment go, once nobody reads."""
        with self._gate.alone():
            self._closed = True
            self._env.close()
