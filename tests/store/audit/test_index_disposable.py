"""An index that can't be believed, or can't be made, costs time and nothing else."""

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import lmdb
import msgspec
import pytest

from store.audit.decisions import Decisions
from store.audit.index import FOLDER, search
from store.audit.places import About, keys_of
from store.audit.selection import Found, Selection
from store.disk.folder import FolderLock
from store.disk.layout import DATA_FILE
from store.log.lmdb_log import LmdbLog
from store.maintenance.backup import back_up, restore
from tests.store.audit.trail_queries import (
    RARE,
    RecordingIndex,
    ignored,
    rows,
    scanned,
    with_head,
    with_log,
)
from tests.store.builders import add

pytestmark = pytest.mark.usefixtures("asked_at_once")

PAGE = 4_096

# Disposable


def test_without_the_index_it_is_made_again(folder: Path, index: RecordingIndex) -> None:
    shutil.rmtree(folder / FOLDER)
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def no_database(path: Path) -> None:
    path.write_bytes(b"this is not an LMDB file" * 1_000)


def noise(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: 2 * PAGE] + random.Random(1).randbytes(len(data) - 2 * PAGE))


def noise_in_the_leaves(path: Path) -> None:
    """The headers of pages stay: LMDB takes each for what it was."""
    data, chance = bytearray(path.read_bytes()), random.Random(2)
    for start in range(2 * PAGE, len(data), PAGE):
        data[start + 16 : start + 400] = chance.randbytes(384)
    path.write_bytes(data)


def no_tables(path: Path) -> None:
    path.unlink()
    lmdb.open(str(path.parent)).close()


def about(path: Path, *, schema: int = 1, log_id: str | None = None, extra: bytes = b"") -> None:
    env = lmdb.open(str(path.parent), max_dbs=2)
    meta = env.open_db(b"meta")
    with env.begin(db=meta, write=True) as txn:
        old = msgspec.msgpack.decode(txn.get(b"about") or b"", type=About)
        new = msgspec.structs.replace(old, schema=schema, log_id=log_id or old.log_id)
        txn.put(b"about", extra or msgspec.msgpack.encode(new))
    env.close()


def another_schema(path: Path) -> None:
    about(path, schema=99)


def another_log(path: Path) -> None:
    about(path, log_id="01234567")


def unreadable(path: Path) -> None:
    about(path, extra=b"\xc1")


SPOILT = [
    cut,
    empty,
    no_database,
    noise,
    noise_in_the_leaves,
    no_tables,
    another_schema,
    another_log,
    unreadable,
]


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_an_index_that_is_spoilt_is_made_again(
    folder: Path, index: RecordingIndex, spoil: Callable[[Path], None]
) -> None:
    spoil(folder / FOLDER / DATA_FILE)
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1
    assert index.said[0].startswith("the index of decisions is made again: ")
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1
    assert index.answers


def test_an_index_that_is_ahead_of_a_restored_log_is_made_again(
    folder: Path, index: RecordingIndex, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "older")
    log = LmdbLog.open(folder)
    add(log, "account/main/peer/late", *(ignored(f"m{number}", "late") for number in range(9)))
    log.close()
    assert rows(folder, index, Selection(sender="late"))  # takes no index: they are the last
    search(folder, keys_of(RARE), 1, with_head(folder), 1)
    shutil.copy(tmp_path / "older" / DATA_FILE, folder / DATA_FILE)
    assert rows(folder, index) == scanned(folder)
    assert "restored since" in index.said[0]


def test_an_index_of_what_came_after_the_backup_is_made_again(
    folder: Path, index: RecordingIndex, tmp_path: Path
) -> None:
    back_up(folder, tmp_path / "older")
    log = LmdbLog.open(folder)
    add(log, "account/main/peer/one", *(ignored(f"m{number}", "one") for number in range(60)))
    log.close()
    search(folder, keys_of(RARE), 1, with_head(folder), 1)
    (folder / DATA_FILE).unlink()
    (folder / "keys").unlink()
    restore(tmp_path / "older", folder)
    log = LmdbLog.open(folder)
    for number in range(120):
        add(log, "account/main/peer/two", ignored(f"n{number}", "two"))
    log.close()
    two = Selection(sender="two")
    assert rows(folder, index, two) == scanned(folder, two)
    assert "restored since" in index.said[0]
    assert not rows(folder, index, Selection(sender="one"))


# Where there can't be one


def test_while_another_process_makes_it_the_log_is_scanned(folder: Path) -> None:
    (folder / FOLDER).mkdir()
    lock = FolderLock(folder / FOLDER, now=time.time_ns())
    index = RecordingIndex(folder)
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1
    assert "so the log is scanned: another process is making it just now" in index.said[0]
    assert str(os.getpid()) in index.said[0]
    lock.release()


def test_an_index_that_holds_enough_is_read_while_another_process_adds_to_it(
    folder: Path, index: RecordingIndex
) -> None:
    lock = FolderLock(folder / FOLDER, now=time.time_ns())
    assert rows(folder, index) == scanned(folder)
    assert index.answers
    assert not index.said
    lock.release()


def test_where_it_cannot_be_written_the_log_is_scanned(folder: Path) -> None:
    (folder / FOLDER).write_text("in the way")
    index = RecordingIndex(folder)
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1
    assert index.said[0].startswith("no index of decisions, so the log is scanned: ")


class Liar:
    """Says that everything is at the first event."""

    distrusted = False

    def find(self, wanted: Selection, *, first: int, last: int, limit: int) -> Found:
        return Found([1] if last else [], 1)

    def distrust(self) -> None:
        self.distrusted = True


def test_a_place_where_nothing_was_decided_is_not_believed(folder: Path) -> None:
    first, second = Liar(), Liar()
    expected = scanned(folder)
    found = with_log(folder, lambda log: Decisions(log, RARE, first).newest(10_000))
    assert found == expected
    found = with_log(folder, lambda log: list(Decisions(log, RARE, second).all()))
    assert found == expected
    assert first.distrusted
    assert second.distrusted
