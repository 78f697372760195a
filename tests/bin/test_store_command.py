"""`ztm-chat store` as an operator uses it, beside a daemon's log and on a damaged one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from events.event import Draft
from events.gateway.events import GatewayStopped
from store.disk.layout import POSITION, pack_slot
from store.log.lmdb_log import LmdbLog
from tests.daemon_config import write_config
from tests.store.builders import ALICE, add, add_all, body, seen, tick

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed log of a hundred messages, with its configuration beside it."""
    write_config(tmp_path, "http://localhost:7777")
    log = LmdbLog.open(tmp_path / "log")
    for number in range(100):
        words = body(f"words {number}", person=f"person {number % 7}")
        add_all(log, Draft(ALICE, seen(number, f"sender-{number}"), bodies=(words,)))
    log.close()
    return tmp_path / "log"


def environ(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'bin'}",
        "ZTM_CHAT_CONFIG": str(folder.parent / "openclaw.yaml"),
    }


def store(folder: Path, *words: object, code: int = 0) -> str:
    """What a command prints; it has to end with `code`."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ztm_chat", "store", *map(str, words)],
        cwd=ROOT,
        env=environ(folder),
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def replace(folder: Path, old: bytes, new: bytes) -> None:
    data = (folder / "data.mdb").read_bytes()
    assert old in data
    (folder / "data.mdb").write_bytes(data.replace(old, new))


def rewrite(folder: Path, table: bytes, key: bytes, value: bytes | None) -> None:
    env = lmdb.open(str(folder), max_dbs=8, map_size=1 << 30)
    with env.begin(write=True, db=env.open_db(table)) as txn:
        assert txn.delete(key) if value is None else txn.put(key, value)
    env.close()


def verdicts(said: str) -> dict[str, list[str]]:
    return {part["part"]: part["damage"] for part in json.loads(said)}


def test_every_part_of_a_sound_log_is_intact(folder: Path) -> None:
    said = store(folder, "check").splitlines()
    assert [line.split()[:2] for line in said] == [
        [part, "intact"] for part in ("pages", "chain", "keys", "bodies", "indexes", "snapshots")
    ]
    assert "100 batches up to event 100" in said[1]


def test_a_log_is_checked_beside_its_writer(folder: Path) -> None:
    log = LmdbLog.open(folder)
    add(log, ALICE, tick())
    assert "101" in store(folder, "check")
    add(log, ALICE, tick())
    log.close()


def test_an_altered_event_is_said_with_its_place_and_the_rest_is_intact(folder: Path) -> None:
    replace(folder, b"sender-30", b"sender-03")
    found = verdicts(store(folder, "check", "--json", code=1))
    assert found["chain"] == [
        f"events 31 to 31: the batch is not what was written (in it: {ALICE})"
    ]
    assert found["pages"] == found["bodies"] == found["indexes"] == []
    assert "events 31 to 31" in store(folder, "check", "--quick", code=1)


def test_damage_in_several_places_is_all_said(folder: Path) -> None:
    replace(folder, b"sender-30", b"sender-03")
    replace(folder, b"sender-50", b"sender-05")
    found = verdicts(store(folder, "check", "--json", "--quick", code=1))
    assert [place.split(":")[0] for place in found["chain"]] == [
        "events 31 to 31",
        "events 51 to 51",
    ]


def test_a_log_that_the_daemon_refuses_is_checked_too(folder: Path) -> None:
    replace(folder, b"sender-99", b"sender-00")
    assert "events 100 to 100" in store(folder, "check", code=1)
    rewrite(folder, b"meta", POSITION, None)
    assert "DAMAGED" in store(folder, "check", code=1)


def test_bodies_and_indexes_are_checked(folder: Path) -> None:
    rewrite(folder, b"bodies", pack_slot(7, 0), None)
    env = lmdb.open(str(folder), max_dbs=8)
    with env.begin(db=env.open_db(b"bodies")) as txn:
        other = txn.get(pack_slot(8, 0))
    with env.begin(db=env.open_db(b"seen")) as txn:
        known = next(iter(txn.cursor()))[0]
    env.close()
    rewrite(folder, b"bodies", pack_slot(7, 0), other)
    rewrite(folder, b"seen", known, None)
    found = verdicts(store(folder, "check", "--json", code=1))
    assert found["bodies"] == ["event 7: its body is not what was written"]
    assert "table seen" in found["indexes"][0]
    assert found["chain"] == []


def test_wiped_pages_are_said_and_kill_nothing(folder: Path) -> None:
    with (folder / "data.mdb").open("r+b") as file:
        os.pwrite(file.fileno(), b"\xff" * 4096 * 6, 8 * 4096)
    assert "DAMAGED" in store(folder, "check", code=1)


def test_snapshots_that_are_not_believed_are_no_damage(folder: Path) -> None:
    (folder / "snapshots").mkdir()
    (folder / "snapshots" / "0123").write_bytes(b"torn")
    assert "0 in use, 1 ignored" in store(folder, "check")


def test_where_no_log_is_nothing_is_checked(folder: Path) -> None:
    (folder / "data.mdb").unlink()
    for command in (["check"], ["check", "--quick"], ["salvage", folder.parent / "new"]):
        assert "there is no log here" in store(folder, *command, code=2)


def test_a_backup_is_restored_where_the_log_was(folder: Path, tmp_path: Path) -> None:
    log = LmdbLog.open(folder)
    head = log.head().hash.hex()
    told = store(folder, "backup", tmp_path / "backup")
    log.close()
    assert f"100 events, head {head}" in told
    assert "not overwritten" in store(folder, "restore", tmp_path / "backup", code=2)
    folder.rename(tmp_path / "old")
    assert f"100 events, head {head}" in store(folder, "restore", tmp_path / "backup")
    assert "100 batches up to event 100" in store(folder, "check")


def test_a_backup_refuses_what_exists(folder: Path, tmp_path: Path) -> None:
    assert "nothing is overwritten" in store(folder, "backup", tmp_path, code=2)


def test_what_is_salvaged_passes_the_check_and_opens(folder: Path, tmp_path: Path) -> None:
    replace(folder, b"sender-30", b"sender-03")
    told = store(folder, "salvage", tmp_path / "new")
    assert "events 1 to 30; 70 events are lost" in told
    assert "It ends at event 31: " in told
    folder.rename(tmp_path / "old")
    (tmp_path / "new").rename(folder)
    assert "30 batches up to event 30" in store(folder, "check")
    log = LmdbLog.open(folder)
    assert add(log, ALICE, tick())[0].seq == 31
    log.close()


def status(folder: Path) -> str:
    """What `status` shows of a daemon that has been told of the damage: it halts right after."""
    command = [sys.executable, "-P", "-m", "ztm_chat", "status"]
    while True:
        done = subprocess.run(
            command, cwd=ROOT, env=environ(folder), capture_output=True, text=True, check=True
        )
        if "HALTED" in done.stdout:
            return done.stdout


def test_a_daemon_that_meets_damage_says_so_and_writes_nothing_more(folder: Path) -> None:
    replace(folder, b"sender-30", b"sender-03")
    daemon = subprocess.Popen(
        [sys.executable, "-P", "-m", "ztm_chat", "run"],
        cwd=ROOT,
        env=environ(folder),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert daemon.stderr is not None
        told = next(line for line in daemon.stderr if "the log is damaged" in line)
        assert "the batch of event 31" in told
        halted = "HALTED: no messages are received or answered: the log is not what was written"
        assert halted in status(folder)
        daemon.terminate()
        _, logged = daemon.communicate(timeout=10)
        assert daemon.returncode == 0
        assert "Traceback" not in logged, "who is halted does not fail again and again"
    finally:
        daemon.kill()
        daemon.communicate()
    log = LmdbLog.open_reader(folder)
    kinds = [type(each.event) for each in log.read(100)]
    log.close()
    assert GatewayStopped not in kinds
