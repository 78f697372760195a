"""A daemon told for how long words are kept gives up what is older, and nothing else."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.messages import Tick
from actors.process.daemon import Daemon
from events.event import Body, Draft, Event
from events.gateway.events import BodiesExpired, GatewayStarted
from events.gateway.retention import WEEK_NS
from events.streams import GATEWAY
from store.log.lmdb_log import LmdbLog
from tests.actors.daemon_runs import Start
from tests.store.builders import add_all, seen
from ztm_chat.mesh import MeshAgent

STREAM = "account/bot/peer/alice"
SIXTY_DAYS_NS = 60 * 86_400 * 10**9


def say(folder: Path, text: str, weeks_ago: int) -> int:
    """As an earlier run of a daemon recorded it; the sequence."""
    log = LmdbLog.open(folder, clock_ns=lambda: time.time_ns() - weeks_ago * WEEK_NS)
    words = Body("bot/alice", text, b"salt" * 4)
    (record,) = add_all(log, Draft(STREAM, seen(text), bodies=(words,)))
    log.close()
    return record.seq


def test_what_is_older_is_given_up(start: Start, tmp_path: Path, alice: MeshAgent) -> None:
    old, new = say_over_weeks(tmp_path / "log")
    with start(retaining(tmp_path)) as daemon:
        look_at_the_time(daemon, alice)
        await_event(daemon, BodiesExpired)
    with start() as daemon:  # which makes good what the first had no time for
        await_event(daemon, GatewayStarted, 2)
        assert (daemon.log.body(old), daemon.log.body(new)) == (None, "new")


def test_a_start_with_the_clock_sixty_days_ahead_erases_nothing_that_is_young(
    start: Start, tmp_path: Path, alice: MeshAgent
) -> None:
    old, new = say_over_weeks(tmp_path / "log")
    for _ in range(2):  # at the second start, the record has the wrong time too
        with start(retaining(tmp_path), wall_ns=lambda: time.time_ns() + SIXTY_DAYS_NS) as daemon:
            (waits,) = daemon.status()["run"]["clocks"]
            assert waits.startswith("message texts older than store.retention are kept for now")
            look_at_the_time(daemon, alice)
            assert (daemon.log.body(old), daemon.log.body(new)) == ("old", "new")
    with start(retaining(tmp_path)) as daemon:
        look_at_the_time(daemon, alice)
        await_event(daemon, BodiesExpired)
        assert daemon.log.body(new) == "new"
        assert "days behind the times on record" in daemon.status()["run"]["clocks"][0]


def retaining(folder: Path) -> dict[str, Any]:
    return {"store": {"path": str(folder / "log"), "retention": "28d"}}


def say_over_weeks(folder: Path) -> tuple[int, int]:
    old, new = say(folder, "old", 5), say(folder, "new", 2)
    say(folder, "the last word", 0)
    return old, new


def look_at_the_time(daemon: Daemon, alice: MeshAgent) -> None:
    """When the hub's clock was heard; and until the gateway has looked."""
    alice.send("my-bot", "what time is it?")
    until(lambda: daemon.clocks().mesh() > 0)
    daemon.tell(GATEWAY, Tick())
    until(lambda: _idle(daemon))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _idle(daemon: Daemon) -> bool:
    (gateway,) = (report for report in daemon.reports() if report.stream == GATEWAY)
    return not gateway.waits_for and not gateway.inbox


def await_event(daemon: Daemon, kind: type[Event], count: int = 1) -> None:
    """Until so many events of this kind are on record."""
    found = daemon.log.follow(0, threading.Event())
    pending = (record for record in found if isinstance(record.event, kind))
    for _ in range(count):
        next(pending)


def test_without_being_told_all_words_are_kept(start: Start, tmp_path: Path) -> None:
    old = say(tmp_path / "log", "old", 500)
    with start() as daemon:
        assert daemon.log.body(old) == "old"
