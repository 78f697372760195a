"""A copy of the log, made while it is written, and brought back.

A backup is a folder with the log's two files, the data without its free pages, and nothing else. It
appears under its name whole, flushed and proved, or not at all. It holds the keys of its day: what
is forgotten later can still be read in it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import lmdb
import msgspec

from store.disk.creation import KEYS_FILE, sync_folder
from store.disk.data_file import check_data_file
from store.disk.folder import FolderLock, prepare_folder
from store.disk.layout import DATA_FILE, MAP_SIZE, open_environment, readers_full
from store.errors import LogDamaged, LogUnusable
from store.keys.key_records import KeysMismatch
from store.log.event_log import Head
from store.log.lmdb_log import LmdbLog

_ATTEMPTS = 3
_PAUSE_S = 0.2

LMDB_LOCK_FILE = "lock.mdb"
"""LMDB's table of readers. It is of one machine and no part of a copy."""


class Copied(msgspec.Struct, frozen=True):
    """A copy that was proved: its log, its end (`head.seq` events), and the bytes of its data."""

    log_id: str
    head: Head
    size: int


def back_up(folder: Path, dest: Path) -> Copied:
    """Copy the log in `folder` to the new folder `dest`, beside its daemon or without one.

    Raises `LogUnusable` when `dest` exists or can't be written, and `LogDamaged` for a log that
    can't be proved: such a copy would be no backup.
    """
    before = _head(folder)
    with fresh_folder(dest) as aside:
        for attempt in range(_ATTEMPTS):
            _copy_data(folder, aside / DATA_FILE)
            # After the data: whatever the copied events were encrypted with was made before them.
            copy_keys(folder, aside)
            try:
                copied = prove(aside)
                break
            except KeysMismatch:  # perhaps one was destroyed in between
                if attempt == _ATTEMPTS - 1:
                    raise
                (aside / DATA_FILE).unlink()
                (aside / KEYS_FILE).unlink()
                time.sleep(_PAUSE_S)
        if copied.head.seq < before.seq:
            raise LogDamaged(
                "the copy ends before the log does",
                where=str(aside),
                found=f"{copied.head.seq} of {before.seq} events",
            )
    return copied


def restore(backup: Path, folder: Path) -> Copied:
    """Bring the log in `backup` to `folder`, where there may be none, once the copy is proved.

    Raises `LogUnusable` (`LogLocked` when a daemon runs there), and `LogDamaged`.
    """
    for name in (DATA_FILE, KEYS_FILE):
        if not (backup / name).is_file():
            raise LogUnusable("this is no backup", where=str(backup), found=f"it has no {name!r}")
    prepare_folder(folder)
    with ExitStack() as undo:
        undo.callback(FolderLock(folder, now=time.time_ns()).release)
        _refuse_existing(folder)
        aside = Path(tempfile.mkdtemp(prefix="restoring-", dir=folder))
        undo.callback(shutil.rmtree, aside)
        with _disk_errors(folder):
            for name in (DATA_FILE, KEYS_FILE):
                shutil.copyfile(backup / name, aside / name)
                _seal(aside / name)
        copied = prove(aside)
        for name in (KEYS_FILE, DATA_FILE):
            (aside / name).rename(folder / name)
        sync_folder(folder)
    return copied


def prove(folder: Path) -> Copied:
    """Read a copy that nobody writes: does its end agree, and the whole chain up to it?

    Its keys must be those on record. Raises `LogDamaged`. Leaves nothing in the folder.
    """
    log = LmdbLog.open_reader(folder)
    try:
        log.check_keys()
        seq, proved = -1, 0
        while proved > seq:
            seq, proved = proved, log.prove_after(proved)
        head = log.head()
        if proved != head.seq:
            raise LogDamaged("the copy is not whole", where=str(folder), found=f"{proved} events")
        return Copied(log.log_id, head, (folder / DATA_FILE).stat().st_size)
    finally:
        log.close()
        (folder / LMDB_LOCK_FILE).unlink(missing_ok=True)


@contextmanager
def fresh_folder(dest: Path) -> Iterator[Path]:
    """A private folder that becomes `dest` at the end of the block, or vanishes if that raises.

    Raises `LogUnusable` when `dest` exists, or its place can't be written.
    """
    if dest.exists() or dest.is_symlink():
        raise LogUnusable(
            "the folder exists, and nothing is overwritten", where=str(dest), cure="name a new one"
        )
    parent = dest.absolute().parent
    with _disk_errors(parent):
        aside = Path(tempfile.mkdtemp(prefix=f".{dest.name}-", dir=parent))
        try:
            yield aside
            sync_folder(aside)
            aside.rename(dest)
            sync_folder(parent)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise


def copy_keys(folder: Path, aside: Path) -> None:
    """Copy the file of keys as it is now."""
    _write(aside / KEYS_FILE, _whole_lines(folder / KEYS_FILE))


def _head(folder: Path) -> Head:
    log = LmdbLog.open_reader(folder)
    try:
        return log.head()
    finally:
        log.close()


def _copy_data(folder: Path, copy: Path) -> None:
    check_data_file(folder / DATA_FILE)
    fd = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        env = open_environment(folder, readonly=True, map_size=MAP_SIZE)
        try:
            env.reader_check()
            env.copyfd(fd, compact=True)
        finally:
            env.close()
        os.fsync(fd)
    except lmdb.ReadersFullError as error:
        raise readers_full(str(folder)) from error
    except lmdb.Error as error:
        raise LogUnusable("the log can't be copied", where=str(copy), found=str(error)) from error
    finally:
        os.close(fd)


def _whole_lines(path: Path) -> bytes:
    """The keys' file, which its writer may extend, or replace (and wipe the old one), meanwhile."""
    while True:
        with path.open("rb") as file:
            data = file.read()
            if os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                return data[: data.rfind(b"\n") + 1]


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(data)
    _seal(path)


def _seal(path: Path) -> None:
    """Make the file private, and durable."""
    path.chmod(0o600)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _refuse_existing(folder: Path) -> None:
    data, keys = folder / DATA_FILE, folder / KEYS_FILE
    if data.exists() or (keys.exists() and keys.stat().st_size):
        raise LogUnusable(
            "there is a log already, and it is not overwritten",
            where=str(folder),
            cure="move it away first",
        )


@contextmanager
def _disk_errors(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LogUnusable(
            "the copy can't be written",
            where=str(error.filename or where),
            found=error.strerror or str(error),
        ) from error
