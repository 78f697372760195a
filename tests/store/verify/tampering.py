"""What somebody with a shell and LMDB can do to a log behind its back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb


@contextmanager
def behind_its_back(folder: Path, table: bytes) -> Iterator[Any]:
    """A write transaction on one table of the log."""
    env = lmdb.open(str(folder), max_dbs=12, map_size=1 << 30)
    try:
        with env.begin(write=True, db=env.open_db(table)) as txn:
            yield txn
    finally:
        env.close()


def entries(folder: Path, table: bytes) -> list[tuple[bytes, bytes]]:
    """All of a table, in order."""
    with behind_its_back(folder, table) as txn:
        return list(txn.cursor())


def put(folder: Path, table: bytes, key: bytes, value: bytes | None) -> None:
    """Replace an entry, add one, or (with `None`) take one away."""
    with behind_its_back(folder, table) as txn:
        assert txn.delete(key) if value is None else txn.put(key, value)


def flipped(data: bytes, at: int, by: int = 1) -> bytes:
    """`data` with the byte at `at` changed (`by`: 1 to 255)."""
    return data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]


def restoring(folder: Path, table: bytes, keys: list[bytes]) -> Callable[[], None]:
    """Puts the entries under `keys` back as they are now."""
    now = dict(entries(folder, table))
    kept = {key: now.get(key) for key in keys}

    def restore() -> None:
        with behind_its_back(folder, table) as txn:
            for key, value in kept.items():
                if value is None:
                    txn.delete(key)
                else:
                    txn.put(key, value)

    return restore
