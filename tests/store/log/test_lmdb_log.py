"""The log on disk: opening, reading beside a writer, privacy, and who may write."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from random import Random

import lmdb
import pytest

from events.codec import FORMAT, UPCASTS
from events.event import Draft
from events.gateway.events import KeysLost
from events.streams import GATEWAY
from store.disk.data_file import check_data_file
from store.disk.layout import encode
from store.log.event_log import (
    Head,
    InvalidAppend,
    LogDamaged,
    LogError,
    LogLocked,
    LogTooNew,
    LogUnusable,
    Outcome,
)
from store.log.lmdb_log import LmdbLog
from store.log.memory_log import MemoryLog
from store.maintenance.check import examine
from tests.store.builders import (
    ALICE,
    BOB,
    add,
    add_all,
    body,
    dispatched,
    drafts,
    end_key,
    seen,
    sent,
    tick,
    ticks,
)
from tests.store.processes import child, heard, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def log(folder: Path) -> Iterator[LmdbLog]:
    made = LmdbLog.open(folder)
    yield made
    made.close()


# Opening


def test_a_log_is_the_same_after_reopening(folder: Path) -> None:
    log = LmdbLog.open(folder)
    add_all(log, Draft(ALICE, seen(1), bodies=(body("hello"),)), Draft(BOB, tick()))
    before = log.log_id, log.head(), list(log.read()), list(log.open_work()), log.key("alice")
    log.close()
    log = LmdbLog.open(folder)
    assert before == (
        log.log_id,
        log.head(),
        list(log.read()),
        list(log.open_work()),
        log.key("alice"),
    )
    assert log.body(1) == "hello"
    add(log, ALICE, dispatched(1))
    assert [each.version for each in log.read_stream(ALICE)] == [1, 2]
    log.close()
    assert examine(folder) == []


def test_the_disk_and_the_memory_have_the_same_head(folder: Path) -> None:
    """Same id, clock and appends: same batches, same chain. But for bodies, which a log in memory
    does not encrypt: a batch has their hashes."""

    def entropy(size: int) -> bytes:
        return bytes(size)

    def head_after(log: LmdbLog | MemoryLog) -> Head:
        add(log, ALICE, seen(1), dispatched(1))
        add_all(log, Draft(BOB, tick()), Draft(ALICE, sent(9), cause=-1))
        return log.head()

    log = LmdbLog.open(folder, clock_ns=lambda: 5, entropy=entropy)
    assert head_after(log) == head_after(MemoryLog(clock_ns=lambda: 5, entropy=entropy))
    log.close()


def test_a_creation_that_was_cut_off_is_begun_again(folder: Path) -> None:
    LmdbLog.open(folder).close()
    (folder / "data.mdb").rename(folder / "lost")
    (folder / "creating").mkdir()
    (folder / "creating" / "data.mdb").write_bytes(b"half")
    log = LmdbLog.open(folder)
    add(log, ALICE, tick())
    log.close()
    assert not (folder / "creating").exists()


@pytest.mark.parametrize("name", ["data.mdb", "keys"])
def test_without_one_of_its_files_a_log_is_not_begun_anew(folder: Path, name: str) -> None:
    log = LmdbLog.open(folder)
    log.key("alice")
    log.close()
    (folder / name).unlink()
    with pytest.raises(LogDamaged, match=rf"{name}.*missing.*[Rr]estore"):
        LmdbLog.open(folder)


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogUnusable, match="file/log"):
        LmdbLog.open(tmp_path / "file" / "log")


def test_to_read_there_must_be_a_log(folder: Path) -> None:
    with pytest.raises(LogUnusable, match="no log here"):
        LmdbLog.open_reader(folder)
    assert not folder.exists()


def test_a_log_of_a_later_version_is_left_alone(folder: Path) -> None:
    LmdbLog.open(folder).close()
    rewrite_about(folder, {"kind": "ztm-chat log", "format": FORMAT + 1, "shape": "new"})
    for attempt in (LmdbLog.open, LmdbLog.open_reader):
        with pytest.raises(LogTooNew, match=f"format {FORMAT + 1}.*up to {FORMAT}"):
            attempt(folder)


def test_another_programs_database_is_no_log(folder: Path) -> None:
    LmdbLog.open(folder).close()
    rewrite_about(folder, {"kind": "phone book"})
    with pytest.raises(LogDamaged, match="not a ztm-chat log"):
        LmdbLog.open(folder)
    (folder / "data.mdb").unlink()
    other = lmdb.open(str(folder))
    with other.begin(write=True) as txn:
        txn.put(b"name", b"number")
    other.close()
    with pytest.raises(LogDamaged, match="not a ztm-chat log"):
        LmdbLog.open(folder)


def rewrite_about(folder: Path, fields: dict[str, object]) -> None:
    env = lmdb.open(str(folder), max_dbs=8)
    with env.begin(write=True, db=env.open_db(b"meta")) as txn:
        txn.put(b"about", encode(fields))
    env.close()


def test_a_file_that_lacks_only_freed_pages_is_sound(tmp_path: Path) -> None:
    """LMDB leaves pages unwritten that were allocated and freed in one commit."""
    env = lmdb.open(str(tmp_path), map_size=1 << 30, sync=False)
    chance = Random(3)
    keys: list[bytes] = []
    while True:
        with env.begin(write=True) as txn:
            for _ in range(chance.randrange(1, 200)):
                keys.append(chance.randbytes(16))
                txn.put(keys[-1], b"x" * chance.randrange(10))
            for _ in range(chance.randrange(len(keys))):
                txn.delete(keys.pop())
        size = (tmp_path / "data.mdb").stat().st_size
        if size < (env.info()["last_pgno"] + 1) * env.stat()["psize"]:
            break
    check_data_file(tmp_path / "data.mdb")
    env.close()


# Who may write


def test_a_second_writer_is_told_who_has_the_log(folder: Path) -> None:
    with child("hold", folder) as holder:
        pid = heard(holder)["pid"]
        with pytest.raises(LogLocked, match=rf"process {pid}, since \d{{4}}-\d\d-\d\d"):
            LmdbLog.open(folder)
    LmdbLog.open(folder).close()


def test_a_second_writer_in_the_same_process_is_refused_too(log: LmdbLog, folder: Path) -> None:
    with pytest.raises(LogLocked, match=str(os.getpid())):
        LmdbLog.open(folder)
    add(log, ALICE, tick())


def test_a_failed_opening_lets_the_folder_go(folder: Path) -> None:
    LmdbLog.open(folder).close()
    data = (folder / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(b"x" * 10_000)
    for _ in range(2):
        with pytest.raises(LogDamaged):
            LmdbLog.open(folder)
    (folder / "data.mdb").write_bytes(data)
    LmdbLog.open(folder).close()


def test_a_forked_child_can_not_use_the_log(folder: Path) -> None:
    *errors, parent = run("fork", folder)
    assert len(errors) == 4
    assert all("after a fork" in each["error"] for each in errors)
    assert parent == {"head": 2}


def test_the_writers_own_thread_does_not_wait_for_itself(log: LmdbLog) -> None:
    heard: SimpleQueue[object] = SimpleQueue()

    def then(outcome: Outcome) -> None:
        try:
            add(log, BOB, tick())
        except LogUnusable as error:
            heard.put(str(error))

    log.append(drafts(ALICE, tick()), expected={ALICE: 0}, then=then)
    assert "can't wait" in str(heard.get(timeout=5))


def test_one_who_hears_badly_does_not_stop_the_others(
    log: LmdbLog, caplog: pytest.LogCaptureFixture
) -> None:
    def then(outcome: Outcome) -> None:
        raise RuntimeError(str(outcome))

    log.append(drafts(ALICE, tick()), expected={ALICE: 0}, then=then)
    add(log, BOB, tick())
    assert log.version(ALICE) == 1
    assert "a listener of the log failed" in caplog.text


def test_closing_commits_what_waits(folder: Path) -> None:
    log = LmdbLog.open(folder)
    heard: list[Outcome] = []
    for number in range(200):
        log.append(drafts(ALICE, tick()), expected={ALICE: number}, then=heard.append)
    log.close()
    assert len(heard) == 200
    log = LmdbLog.open(folder)
    assert log.version(ALICE) == 200
    log.close()
    with pytest.raises(LogUnusable, match="closed"):
        log.head()


# Reading beside a writer


def test_a_reader_sees_what_another_process_appends(folder: Path) -> None:
    with child("hold", folder) as writer:
        heard(writer)
        reader = LmdbLog.open_reader(folder)
        assert reader.head().seq == 0
        stop = threading.Event()
        tail = reader.follow(0, stop)
        assert writer.stdin is not None
        for number in (1, 2):
            writer.stdin.write(f"{number}\n")
            writer.stdin.flush()
            assert heard(writer) == {"head": number}
            assert next(tail).event == tick(number)
        stop.set()
        assert list(tail) == []
        assert reader.version(ALICE) == 2
        reader.close()


def test_a_reader_only_reads(folder: Path) -> None:
    log = LmdbLog.open(folder)
    add_all(log, Draft(ALICE, seen(1), bodies=(body("hello"),)))
    key = log.key("alice")
    log.close()
    reader = LmdbLog.open_reader(folder)
    assert (reader.body(1), reader.key("alice")) == ("hello", key)
    assert reader.stats().events == 1
    for use in (
        lambda: reader.append([], expected={}, then=lambda outcome: None),
        lambda: reader.commit([], expected={}),
        lambda: reader.key("stranger"),
        lambda: reader.destroy("alice"),
    ):
        with pytest.raises(LogUnusable):
            use()
    reader.close()


def test_the_process_that_writes_does_not_open_a_reader(log: LmdbLog, folder: Path) -> None:
    with pytest.raises(LogUnusable, match="can't be opened"):
        LmdbLog.open_reader(folder)
    add(log, ALICE, tick())


def test_a_reader_follows_the_destruction_of_a_key(folder: Path) -> None:
    log = LmdbLog.open(folder)
    add_all(log, Draft(ALICE, seen(1), bodies=(body("hello"),)))
    add(log, GATEWAY, KeysLost(("alice",), ()))
    log.close()
    reader = LmdbLog.open_reader(folder)
    assert reader.body(1) == "hello"
    (folder / "keys").write_text("")
    assert reader.body(1) is None
    reader.close()


def test_an_old_event_is_read_in_its_newest_form(
    log: LmdbLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, ALICE, tick(1), sent(2))
    monkeypatch.setitem(UPCASTS, type(sent(1)), lambda old: tick(old.queued))
    assert [each.event for each in log.read()] == [tick(1), tick(2)]
    assert [each.event for each in log.read_stream(ALICE)] == [tick(1), tick(2)]
    assert [each.event for each in log.commit(drafts(BOB, sent(3)), expected={BOB: 0})] == [tick(3)]


def test_long_histories_are_read_in_portions(log: LmdbLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.disk.queries.PORTION_EVENTS", 7)
    monkeypatch.setattr("store.disk.queries.PORTION_BATCHES", 3)
    for number in range(40):
        add(log, (ALICE, BOB)[number % 2], seen(number), *map(tick, range(number % 5)))
    assert [each.seq for each in log.read()] == list(range(1, log.head().seq + 1))
    assert [each.version for each in log.read_stream(ALICE)] == list(
        range(1, log.version(ALICE) + 1)
    )
    assert len(list(log.identities(b""))) == 40
    assert sum(len(work) for _, work in log.open_work()) == 40


# Privacy


def test_only_the_owner_may_read_the_files(folder: Path) -> None:
    before = os.umask(0)
    try:
        log = LmdbLog.open(folder / "deep")
        add_all(log, Draft(ALICE, tick(), bodies=(body("hello"),)))
        end_key(log, "alice")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder / "deep").iterdir()}
    assert modes == dict.fromkeys(("data.mdb", "keys", "lock", "lock.mdb"), 0o600)
    assert stat.S_IMODE((folder / "deep").stat().st_mode) == 0o700
    log.close()


def test_no_word_of_anybody_lies_open_on_the_disk(folder: Path) -> None:
    log = LmdbLog.open(folder)
    text = "the secret of the three larches"
    add_all(log, Draft(ALICE, seen(1), bodies=(body(text),)))
    log.close()
    for path in folder.iterdir():
        assert b"larches" not in path.read_bytes()


def test_errors_and_representations_tell_no_secret(log: LmdbLog) -> None:
    key = log.key("alice").secret.hex()
    told = repr(log) + repr(log._keyring) + repr(vars(log._keyring))
    assert key not in told
    assert repr(log.key("alice").secret) not in told
    with pytest.raises(InvalidAppend) as caught:
        add_all(log, Draft(ALICE, tick(), cause=-9, bodies=(body("larches"),)))
    assert "larches" not in str(caught.value)


def test_every_error_says_where_and_what_to_do(folder: Path) -> None:
    LmdbLog.open(folder).close()
    (folder / "data.mdb").write_bytes(b"")
    with pytest.raises(LogError) as caught:
        LmdbLog.open(folder)
    assert str(folder / "data.mdb") in caught.value.where
    assert caught.value.cure
    assert str(caught.value).endswith(
        "Restore the log from a backup, or save what can be proved: ztm-chat store salvage."
    )


def test_the_figures_are_those_of_the_file(log: LmdbLog, folder: Path) -> None:
    ticks(log, 5)
    stats = log.stats()
    assert (stats.events, stats.streams, stats.commits, stats.waiting) == (5, 2, 5, 0)
    assert stats.file == (folder / "data.mdb").stat().st_size
    assert 0 < stats.used <= stats.map_size <= stats.max_map_size
    assert (stats.stalled, stats.failed) == (None, None)
