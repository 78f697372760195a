"""What is older than words may become can't be read again, from any byte on the disk."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from events.event import Body, Draft
from events.gateway.events import BodiesExpired
from events.gateway.retention import WEEK_NS, decide_expiry, week_of
from events.gateway.state import GatewayState, fold
from events.streams import GATEWAY
from store.disk.creation import KEYS_FILE
from store.log.lmdb_log import LmdbLog
from store.log.memory_log import MemoryLog
from store.verify.proof import prove
from tests.store.builders import ALICE, add, add_all, seen

WEEK = 2_960


class Clock:
    """ns since 1970, as a test sets it: in the middle of a week."""

    def __init__(self) -> None:
        self.week = WEEK

    def __call__(self) -> int:
        return self.week * WEEK_NS + WEEK_NS // 2


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[LmdbLog]:
    log = LmdbLog.open(tmp_path / "log", clock_ns=clock)
    yield log
    log.close()


def say(log: LmdbLog | MemoryLog, text: str) -> int:
    """Record words of alice; the sequence of their event."""
    salt = b"salt" * 4
    event = msgspec.structs.replace(seen(text), body=sha256(salt + text.encode()).digest())
    (record,) = add_all(log, Draft(ALICE, event, bodies=(Body("main/alice", text, salt),)))
    return record.seq


def say_in_two_weeks(log: LmdbLog | MemoryLog, clock: Clock) -> tuple[int, int]:
    """Record something, and something else a week later; the sequences."""
    old = say(log, "from long ago")
    clock.week += 1
    return old, say(log, "from last week")


def expire(log: LmdbLog | MemoryLog, before: int) -> None:
    """As the gateway does it: first recorded, then done."""
    add(log, GATEWAY, BodiesExpired(before))
    log.expire(before)


def test_words_of_weeks_before_are_gone_and_the_others_are_not(log: LmdbLog, clock: Clock) -> None:
    old, new = say_in_two_weeks(log, clock)
    expire(log, WEEK + 1)
    assert (log.body(old), log.body(new)) == (None, "from last week")
    assert log.seen(seen("from long ago").identity)


def test_the_key_is_in_no_file_afterwards(log: LmdbLog, clock: Clock, tmp_path: Path) -> None:
    say(log, "from long ago")
    keys = tmp_path / "log" / KEYS_FILE
    week = next(line for line in keys.read_text().splitlines() if "week" in line)
    secret = week.split('"')[-2]
    clock.week += 1
    say(log, "from last week")
    expire(log, WEEK + 1)
    for path in (tmp_path / "log").rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_the_log_still_holds_and_says_how_much_was_erased(
    log: LmdbLog, clock: Clock, tmp_path: Path
) -> None:
    say_in_two_weeks(log, clock)
    expire(log, WEEK + 1)
    assert fold(log.read_stream(GATEWAY)).expired == WEEK + 1
    log.close()
    proof = prove(tmp_path / "log")
    assert proof.verified, proof.findings
    assert (proof.bodies, proof.erased) == (1, 1)


def test_a_week_whose_key_was_lost_otherwise_is_found(
    log: LmdbLog, clock: Clock, tmp_path: Path
) -> None:
    say_in_two_weeks(log, clock)
    log.expire(WEEK + 1)
    log.close()
    assert any(
        "no erasure destroyed it" in finding.what for finding in prove(tmp_path / "log").findings
    )


def test_a_log_in_memory_does_the_same(clock: Clock) -> None:
    log = MemoryLog(clock_ns=clock)
    old, new = say_in_two_weeks(log, clock)
    expire(log, WEEK + 1)
    assert (log.body(old), log.body(new)) == (None, "from last week")


@pytest.mark.parametrize("days", [14, 30, 365])
def test_nothing_is_kept_for_longer_nor_given_up_a_week_too_early(days: int) -> None:
    retention_ns = days * 86_400 * 1_000_000_000
    for hour in range(0, 24 * 15, 5):
        now_ns = WEEK * WEEK_NS + hour * 3_600 * 1_000_000_000
        (draft,) = due(GatewayState(), now_ns, retention_ns)
        assert isinstance(draft.event, BodiesExpired)
        before = draft.event.before
        assert now_ns - (before * WEEK_NS) <= retention_ns
        assert now_ns - (before * WEEK_NS) > retention_ns - WEEK_NS
        assert before <= week_of(now_ns)
        assert due(GatewayState(expired=before), now_ns, retention_ns) == []


def due(state: GatewayState, now_ns: int, retention_ns: int) -> list[Draft]:
    """Where all clocks agree."""
    now_ms, retention_ms = now_ns // 10**6, retention_ns // 10**6
    return decide_expiry(state, wall_ms=now_ms, mesh_ms=now_ms, retention_ms=retention_ms)
