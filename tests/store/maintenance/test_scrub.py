"""Damage that lies still is found, and from then on nothing is written."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest

from store.disk.folder import DAMAGED_FILE
from store.disk.layout import pack_u64
from store.errors import LogDamaged, LogFailed, LogUnusable
from store.log.lmdb_log import LmdbLog
from store.maintenance.scrub import Scrub
from tests.store.builders import ALICE, add, seen, tick, ticks

EAGER = 0.999
"""A share of the processor that makes no pauses."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    log = LmdbLog.open(folder)
    for number in range(50):
        add(log, ALICE, seen(number, sender=f"sender-{number}"))
    add(log, ALICE, *(tick(number) for number in range(12_000)))
    ticks(log, 10)
    log.close()
    return folder


def damage(folder: Path) -> None:
    data = (folder / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(data.replace(b"sender-30", b"sender-03"))


def unexpected(error: LogDamaged) -> None:
    raise error


class Portions:
    """A log whose portions take so many seconds by the clock that is read; it counts them."""

    def __init__(self, ends: list[int], takes_s: float = 0.0) -> None:
        self.ends = ends
        self.asked: list[int] = []
        self.takes_s = takes_s
        self.now = 0.0
        self.news = threading.Condition()
        self.faults: list[BaseException] = []
        self.reported: list[str | None] = []

    def clock(self) -> float:
        return self.now

    def prove_after(self, seq: int) -> int:
        self.now += self.takes_s
        with self.news:
            self.asked.append(seq)
            self.news.notify_all()
        if self.faults:
            raise self.faults.pop(0)
        return next((end for end in self.ends if end > seq), seq)

    def report_scrub(self, trouble: str | None) -> None:
        with self.news:
            self.reported.append(trouble)
            self.news.notify_all()

    def wait(self, ready: Callable[[], bool]) -> bool:
        with self.news:
            return self.news.wait_for(ready, timeout=10)


@pytest.fixture
def log(folder: Path) -> Iterator[LmdbLog]:
    log = LmdbLog.open(folder)
    yield log
    log.close()


def test_a_sound_log_is_walked_to_its_end(log: LmdbLog) -> None:
    seq, proved = -1, 0
    steps = []
    while proved > seq:
        seq, proved = proved, log.prove_after(proved)
        steps.append(proved)
    assert proved == log.head().seq
    assert len(steps) > 2  # in portions
    add(log, ALICE, tick())
    assert log.prove_after(proved) == proved + 1


def test_damage_is_told_with_its_place_and_nothing_is_written_any_more(folder: Path) -> None:
    damage(folder)
    failures: list[str] = []
    log = LmdbLog.open(folder, on_failure=failures.append)
    add(log, ALICE, tick())
    told: list[LogDamaged] = []
    found = threading.Event()

    def on_damage(error: LogDamaged) -> None:
        log.fail(error)
        told.append(error)
        found.set()

    scrub = Scrub(log, on_damage=on_damage, share=EAGER)
    scrub.start()
    assert found.wait(10)
    head = log.head()
    with pytest.raises(LogFailed, match="batch of event 31"):
        add(log, ALICE, tick())
    assert log.head() == head
    assert "batch of event 31" in str(log.stats().failed)
    assert failures == []  # to open it again would not mend it
    assert [error.where for error in told] == ["the batch of event 31"]
    scrub.stop()
    log.close()
    with pytest.raises(LogDamaged, match="batch of event 31") as caught:
        LmdbLog.open(folder)
    assert str(folder / DAMAGED_FILE) in str(caught.value)
    LmdbLog.open_reader(folder).close()


def test_a_log_that_was_found_damaged_is_written_again_when_its_mark_is_removed(
    folder: Path,
) -> None:
    log = LmdbLog.open(folder)
    log.fail(LogDamaged("a page was not what was written"))
    log.close()
    with pytest.raises(LogDamaged, match="a page was not what was written"):
        LmdbLog.open(folder)
    (folder / DAMAGED_FILE).unlink()
    log = LmdbLog.open(folder)
    assert add(log, ALICE, tick())
    log.close()


def test_a_log_that_lost_its_first_batch_is_damaged(folder: Path) -> None:
    env = lmdb.open(str(folder), max_dbs=8, map_size=1 << 30)
    with env.begin(write=True, db=env.open_db(b"log")) as txn:
        assert txn.delete(pack_u64(1))
    env.close()
    log = LmdbLog.open(folder)
    with pytest.raises(LogDamaged, match="event 1"):
        log.prove_after(0)
    log.close()


def test_it_begins_again_after_a_rest(log: LmdbLog) -> None:
    portions = Portions([5, 9])
    scrub = Scrub(portions, on_damage=unexpected, every_s=0.001, clock=portions.clock)
    scrub.start()
    assert portions.wait(lambda: portions.asked[:6] == [0, 5, 9, 0, 5, 9])
    scrub.stop()
    assert scrub.walks >= 1
    assert portions.reported == []


def test_it_rests_nineteen_times_as_long_as_it_works() -> None:
    """A portion of a day is followed by nineteen days of rest: no second one comes."""
    portions = Portions([5, 9], takes_s=86_400)
    scrub = Scrub(portions, on_damage=unexpected, clock=portions.clock)
    rests: list[float] = []
    waiting = threading.Event()
    wait = scrub._stop.wait

    def rest(timeout: float | None = None) -> bool:
        rests.append(timeout or 0.0)
        waiting.set()
        return wait(timeout)

    scrub._stop.wait = rest  # type: ignore[method-assign]
    scrub.start()
    assert waiting.wait(10)
    scrub.stop()
    assert rests[0] == pytest.approx(19 * 86_400)
    assert portions.asked == [0]


def test_it_stops_at_once_in_the_middle_of_a_rest() -> None:
    portions = Portions([])
    scrub = Scrub(portions, on_damage=unexpected, clock=portions.clock)
    scrub.start()
    assert portions.wait(lambda: portions.asked == [0])
    scrub.stop()
    assert portions.asked == [0]


class Panic(BaseException):
    """What a library in Rust raises: no `Exception`."""


def test_after_a_failure_that_is_no_damage_the_walk_begins_again() -> None:
    portions = Portions([5, 9])
    portions.faults = [OSError("no"), Panic("no"), LogUnusable("too many processes read the log")]
    scrub = Scrub(portions, on_damage=unexpected, clock=portions.clock, unit_s=0.001)
    scrub.start()
    assert portions.wait(lambda: portions.asked[-3:] == [0, 5, 9] and None in portions.reported)
    scrub.stop()
    *troubles, last = portions.reported
    assert ["OSError" in str(troubles[0]), "Panic" in str(troubles[1])] == [True, True]
    assert "too many processes" in str(troubles[2])
    assert (len(troubles), last, scrub.failures, scrub.walks) == (3, None, 0, 1)


def test_the_pauses_after_failures_grow() -> None:
    portions = Portions([5])
    portions.faults = [OSError("no")] * 7
    scrub = Scrub(portions, on_damage=unexpected, clock=portions.clock)
    pauses: list[float] = []
    all_seen = threading.Event()

    def wait(timeout: float | None = None) -> bool:
        pauses.append(timeout or 0.0)
        if len(pauses) == 7:
            scrub._stop.set()
            all_seen.set()
        return scrub._stop.is_set()

    scrub._stop.wait = wait  # type: ignore[method-assign]
    scrub.start()
    assert all_seen.wait(10)
    scrub.stop()
    assert pauses[:7] == [1, 1, 2, 3, 5, 8, 13]


def test_damage_that_could_not_be_told_is_told_again_and_once(folder: Path) -> None:
    damage(folder)
    log = LmdbLog.open(folder)
    told: list[str] = []
    found = threading.Event()

    def on_damage(error: LogDamaged) -> None:
        told.append(str(error))
        if len(told) == 1:
            raise OSError("no")
        found.set()

    scrub = Scrub(log, on_damage=on_damage, share=EAGER, every_s=0.0, unit_s=0.001)
    scrub.start()
    assert found.wait(10)
    scrub._thread.join(10)
    assert not scrub._thread.is_alive()
    assert len(told) == 2
    assert log.stats().scrub is None
    scrub.stop()
    log.close()
