"""Processes that die inside a read hold their slots, and old pages, only until they are cleared."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from store.disk import layout
from store.errors import LogUnusable
from store.log.lmdb_log import LmdbLog
from tests.store.builders import ALICE, add, tick, ticks
from tests.store.processes import child, heard, run

SLOTS = 4


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LmdbLog]:
    """A log of ten events, with few slots for readers, and open for writing."""
    monkeypatch.setattr(layout, "MAX_READERS", SLOTS)
    log = LmdbLog.open(tmp_path / "log")
    ticks(log, 10)
    yield log
    log.close()


@contextmanager
def readers(folder: Path, count: int) -> Iterator[None]:
    """So many processes, each inside a read; all are killed there at the end of the block."""
    with ExitStack() as processes:
        for _ in range(count):
            assert heard(processes.enter_context(child("stay_in_a_read", folder))) == {
                "reading": True
            }
        yield


def test_a_log_whose_slots_are_taken_by_the_dead_is_read_all_the_same(
    log: LmdbLog, tmp_path: Path
) -> None:
    with readers(tmp_path / "log", SLOTS):
        pass
    assert len(list(log.read())) == 10
    add(log, ALICE, tick())
    assert len(list(log.read())) == 11
    assert log.stats().freed_slots == SLOTS


def test_slots_taken_by_the_living_are_said_to_be_that(log: LmdbLog, tmp_path: Path) -> None:
    with readers(tmp_path / "log", SLOTS):
        with pytest.raises(LogUnusable, match="too many processes read the log"):
            log.event(1)
        for reading in ("read_all", "copy_it"):
            (said,) = run(reading, tmp_path / "log")
            assert said["error"].startswith("too many processes read the log")
            assert "try again" in said["error"]
    assert run("read_all", tmp_path / "log")[0]["error"], "nobody has cleared them yet"
    log.clear_stale_readers()
    assert run("read_all", tmp_path / "log") == [{"events": 10}]
    assert run("copy_it", tmp_path / "log") == [{"events": 10}]


def test_each_new_reader_frees_the_slots_of_the_dead(log: LmdbLog, tmp_path: Path) -> None:
    for _ in range(SLOTS + 1):
        with readers(tmp_path / "log", 1):
            pass
    assert run("read_all", tmp_path / "log") == [{"events": 10}]
    assert log.stats().readers == 0
