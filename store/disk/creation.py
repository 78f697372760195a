"""The first log in a folder: made aside and moved into place, so it is there whole or not at
all.
"""

import os
import shutil
from pathlib import Path

from store.disk.batch import genesis
from store.disk.layout import (
    ABOUT,
    DATA_FILE,
    POSITION,
    create_tables,
    describe,
    encode,
    open_environment,
)
from store.disk.position import Position
from store.errors import LogDamaged

KEYS_FILE = "keys"
"""Beside the data file: the key of every person (see `keyring`)."""

_ASIDE = "creating"


def create_if_absent(folder: Path, *, log_id: str, now: int) -> None:
    """Make an empty log in `folder`, unless there is one. The caller holds the folder's lock.

    Raises `LogDamaged` when only one of its two files is there: to go on without the keys would
    answer every old message again, and to go on without the data would forget all.
    """
    data, keys = folder / DATA_FILE, folder / KEYS_FILE
    if data.exists() and keys.exists():
        return
    if data.exists() or (keys.exists() and keys.stat().st_size):
        missing, present = (keys, data) if data.exists() else (data, keys)
        raise LogDamaged(
            f"the log's file {missing.name!r} is missing",
            where=str(folder),
            found=f"only {present.name!r}",
            cure=f"restore {missing.name!r} from a backup, or move the folder away to begin anew",
        )
    keys.touch(mode=0o600)
    _create_data(folder, log_id=log_id, now=now)
    sync_folder(folder)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _create_data(folder: Path, *, log_id: str, now: int) -> None:
    aside = folder / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    env = open_environment(aside, readonly=False, map_size=1 << 20)
    try:
        tables = create_tables(env)
        with env.begin(write=True, db=tables.meta) as txn:
            txn.put(ABOUT, describe(log_id, now), overwrite=False)
            txn.put(POSITION, encode(Position(0, genesis(log_id), now, 0)), overwrite=False)
    finally:
        env.close()
    (aside / DATA_FILE).rename(folder / DATA_FILE)
    shutil.rmtree(aside)
