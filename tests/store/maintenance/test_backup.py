"""A backup is the log as it was at one moment, whole and private, or there is none."""

import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from events.event import Draft
from store.errors import LogDamaged, LogLocked, LogUnusable
from store.log.lmdb_log import LmdbLog
from store.maintenance.backup import back_up, restore
from store.maintenance.check import examine
from tests.store.builders import ALICE, BOB, add, add_all, body, seen, tick
from tests.store.processes import ROOT

BACK_UP = """
import sys
from pathlib import Path
from store.maintenance.backup import back_up
print(back_up(Path(sys.argv[1]), Path(sys.argv[2])).head.seq)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed log of a hundred messages with words."""
    folder = tmp_path / "log"
    log = LmdbLog.open(folder)
    for number in range(100):
        words = body(f"words {number}", person=f"person {number % 7}")
        add_all(log, Draft(ALICE, seen(number, f"sender-{number}"), bodies=(words,)))
    log.close()
    return folder


def everything(folder: Path) -> list[tuple[object, ...]]:
    log = LmdbLog.open_reader(folder)
    try:
        return [(each, log.body(each.seq)) for each in log.read()]
    finally:
        log.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_backup_holds_every_event_and_its_words(folder: Path, tmp_path: Path) -> None:
    copied = back_up(folder, tmp_path / "backup")
    log = LmdbLog.open(folder)
    assert copied.head == log.head()
    assert copied.log_id == log.log_id
    log.close()
    assert everything(tmp_path / "backup") == everything(folder)
    assert examine(tmp_path / "backup") == []


def test_a_backup_is_two_private_files_in_a_private_folder(folder: Path, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "backup")
    found = {path.name: mode(path) for path in (tmp_path / "backup").iterdir()}
    assert found == {"data.mdb": 0o600, "keys": 0o600}
    assert mode(tmp_path / "backup") == 0o700


def test_a_log_that_is_written_is_backed_up_as_it_was_at_one_moment(
    folder: Path, tmp_path: Path
) -> None:
    log = LmdbLog.open(folder)
    before = log.head().seq
    done, busy = threading.Event(), threading.Event()

    def write() -> None:
        number = 1_000
        while not done.is_set():
            number += 1
            words = body(f"words {number}", person=f"person {number}")
            add_all(log, Draft(BOB, seen(number), bodies=(words,)))
            busy.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert busy.wait(10)
    try:
        said = subprocess.run(
            [sys.executable, "-c", BACK_UP, str(folder), str(tmp_path / "backup")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=40,
            check=True,
        )
    finally:
        done.set()
        writer.join()
    all_of_it = [(each, log.body(each.seq)) for each in log.read()]
    log.close()
    seq = int(said.stdout)
    assert before < seq <= len(all_of_it)
    assert everything(tmp_path / "backup") == all_of_it[:seq]
    assert examine(tmp_path / "backup") == []


def test_what_exists_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    with pytest.raises(LogUnusable, match="nothing is overwritten"):
        back_up(folder, tmp_path / "backup")
    assert list((tmp_path / "backup").iterdir()) == []


def test_a_damaged_log_makes_no_backup_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    data = (folder / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(data.replace(b"sender-30", b"sender-03"))
    with pytest.raises(LogDamaged, match="batch of event 31"):
        back_up(folder, tmp_path / "backup")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_backup_has_no_place_to_go(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LogUnusable, match="can't be written"):
        back_up(folder, tmp_path / "nowhere" / "backup")


def test_a_restored_log_is_the_one_that_was_backed_up_and_goes_on(
    folder: Path, tmp_path: Path
) -> None:
    copied = back_up(folder, tmp_path / "backup")
    restored = tmp_path / "deep" / "restored"
    assert restore(tmp_path / "backup", restored) == copied
    assert everything(restored) == everything(folder)
    assert {path.name for path in restored.iterdir()} <= {"data.mdb", "keys", "lock", "lock.mdb"}
    assert mode(restored / "keys") == mode(restored / "data.mdb") == 0o600
    log = LmdbLog.open(restored)
    assert add(log, ALICE, tick())[0].seq == copied.head.seq + 1
    log.close()


def test_a_log_is_not_overwritten_by_a_restore(folder: Path, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "backup")
    before = everything(folder)
    with pytest.raises(LogUnusable, match="there is a log already"):
        restore(tmp_path / "backup", folder)
    assert everything(folder) == before


def test_nothing_is_restored_under_a_running_daemon(folder: Path, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "backup")
    log = LmdbLog.open(tmp_path / "other")
    with pytest.raises(LogLocked):
        restore(tmp_path / "backup", tmp_path / "other")
    log.close()


def test_a_damaged_backup_is_not_restored(folder: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    back_up(folder, backup)
    data = (backup / "data.mdb").read_bytes()
    (backup / "data.mdb").write_bytes(data.replace(b"sender-30", b"sender-03"))
    with pytest.raises(LogDamaged, match="batch of event 31"):
        restore(backup, tmp_path / "restored")
    assert {path.name for path in (tmp_path / "restored").iterdir()} == {"lock"}


def test_a_folder_without_its_keys_is_no_backup(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "backup")
    (tmp_path / "backup" / "keys").unlink()
    with pytest.raises(LogUnusable, match="this is no backup"):
        restore(tmp_path / "backup", tmp_path / "restored")
