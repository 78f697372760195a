"""What the log does when there is no room, and when a commit fails."""

import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from queue import SimpleQueue

import pytest

from events.back_off import pause_s
from events.event import Draft
from store.log.event_log import CommitFailed, Committed, LogFailed, Outcome
from store.log.lmdb_log import LmdbLog
from store.maintenance.check import examine
from tests.store.builders import ALICE, BOB, add, add_all, body, drafts, tick, ticks
from tests.store.processes import run

MIB = 1 << 20
WORDS = "x" * 20_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread brings about."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def letter() -> Draft:
    """An event with a long body."""
    return Draft(ALICE, tick(), bodies=(body(WORDS),))


def fill(log: LmdbLog) -> tuple[int, SimpleQueue[Outcome]]:
    """Append letters until the log stalls. Gives how many were asked for, and what is heard."""
    heard: SimpleQueue[Outcome] = SimpleQueue()
    for asked in count(1):
        log.append([letter()], expected={ALICE: asked - 1}, then=heard.put)
        until(partial(has_come_to_rest, log, heard, asked))
        if log.stats().stalled:
            return asked, heard
    raise AssertionError


def has_come_to_rest(log: LmdbLog, heard: SimpleQueue[Outcome], asked: int) -> bool:
    return heard.qsize() == asked or log.stats().stalled is not None


def test_the_map_grows_as_it_fills(folder: Path) -> None:
    log = LmdbLog.open(folder, map_size=MIB, max_map_size=64 * MIB)
    for _ in range(150):
        add_all(log, letter())
    assert log.stats().map_size == 4 * MIB
    assert log.stats().file > 3 * MIB
    assert [each.version for each in log.read_stream(ALICE)] == list(range(1, 151))
    log.close()
    assert examine(folder) == []


def test_readers_do_not_notice_that_the_map_grows(folder: Path) -> None:
    """Threads read all the while; no transaction is open when the map is replaced."""
    log = LmdbLog.open(folder, map_size=MIB // 2, max_map_size=1 << 30)
    ticks(log, 50)
    stop = threading.Event()
    errors: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                seqs = [each.seq for each in log.read()]
                assert seqs == list(range(1, len(seqs) + 1))
                log.version(BOB)
                log.seen(b"x" * 16)
                stop.wait(0.001)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(200):
        add_all(log, letter())
    stop.set()
    for reader in readers:
        reader.join(timeout=10)
    assert errors == []
    assert log.stats().map_size >= 8 * MIB
    log.close()


def test_a_reader_elsewhere_follows_a_map_that_grew(folder: Path) -> None:
    log = LmdbLog.open(folder, map_size=MIB, max_map_size=MIB)
    add(log, ALICE, tick())
    log.close()
    reader = LmdbLog.open_reader(folder, map_size=MIB)
    written = run("grow", folder)
    assert [each.seq for each in reader.read()] == list(range(1, written[0]["head"] + 1))
    reader.close()


def test_a_full_log_keeps_what_waits_says_so_and_goes_on_when_there_is_room(folder: Path) -> None:
    """A long read keeps the pages that commits have freed: once it ends, there is room."""
    log = LmdbLog.open(folder, map_size=MIB, max_map_size=MIB, pause_s=0.001)
    reading = log._database._env.begin()
    asked, heard = fill(log)
    log.append(drafts(BOB, tick()), expected={BOB: 0}, then=heard.put)
    stats = log.stats()
    assert str(folder) in str(stats.stalled)
    assert "raise store.maxMapSize" in str(stats.stalled)
    assert stats.failed is None
    assert stats.waiting == 2
    assert len(list(log.read())) == log.head().seq == asked - 1

    reading.abort()
    outcomes = [heard.get(timeout=10) for _ in range(asked + 1)]
    assert all(isinstance(each, Committed) for each in outcomes)
    until(lambda: log.stats().stalled is None)
    assert [each.stream for each in log.read()] == [ALICE] * asked + [BOB]
    log.close()
    assert examine(folder) == []


def test_a_full_log_can_be_closed(folder: Path) -> None:
    log = LmdbLog.open(folder, map_size=MIB, max_map_size=MIB, pause_s=60)
    asked, heard = fill(log)
    log.close()
    outcomes = [heard.get(timeout=10) for _ in range(asked)]
    assert isinstance(outcomes[-1], CommitFailed)
    assert "closed before there was room" in outcomes[-1].error
    log = LmdbLog.open(folder)
    assert log.version(ALICE) == asked - 1
    add_all(log, letter())
    log.close()


def test_attempts_come_at_longer_and_longer_pauses() -> None:
    assert [pause_s(failures) for failures in range(1, 11)] == [1, 1, 2, 3, 5, 8, 13, 21, 30, 30]


def test_after_a_failed_commit_nothing_more_is_written(folder: Path) -> None:
    """A real refusal of the system: the file may not grow. Reopened, the log goes on."""
    (said,) = run("fill_the_disk", folder)
    assert said["outcomes"] == ["CommitFailed", "CommitFailed"]
    assert said["later"] == "failed"
    assert said["versions"] == [1, 1]
    assert said["failures"] == [said["failed"]]
    assert "unknown" in said["failed"]
    assert "bytes free" in said["failed"]
    assert "opened again" in said["failed"]
    assert examine(folder) == []


def test_keys_that_can_not_be_written_fail_the_commit(folder: Path) -> None:
    failures: list[str] = []
    log = LmdbLog.open(folder, on_failure=failures.append)
    add(log, ALICE, tick())
    log.key("alice")
    (folder / "keys.new").mkdir()
    with pytest.raises(OSError, match=r"keys\.new"):
        log.destroy("alice")
    assert log.key("alice")
    file = log._keyring._file
    assert file is not None
    file._fd, fd = 1_000_000, file._fd
    with pytest.raises(LogFailed, match="Bad file descriptor"):
        add_all(log, Draft(ALICE, tick(), bodies=(body("hello", person="stranger"),)))
    file._fd = fd
    with pytest.raises(LogFailed):
        add(log, BOB, tick())
    assert len(failures) == 1
    assert log.head().seq == 1
    log.close()
