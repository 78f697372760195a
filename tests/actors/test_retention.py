"""A daemon told for how long words are kept gives up what is older, and nothing else."""

import threading
import time
from pathlib import Path

from actors.process.daemon import Daemon
from events.event import Body, Draft, Event
from events.gateway.events import BodiesExpired, GatewayStarted
from events.gateway.retention import WEEK_NS
from store.log.lmdb_log import LmdbLog
from tests.actors.daemon_runs import Start
from tests.store.builders import add_all, seen

STREAM = "account/bot/peer/alice"


def say(folder: Path, text: str, weeks_ago: int) -> int:
    """As an earlier run of a daemon recorded it; the sequence."""
    log = LmdbLog.open(folder, clock_ns=lambda: time.time_ns() - weeks_ago * WEEK_NS)
    words = Body("bot/alice", text, b"salt" * 4)
    (record,) = add_all(log, Draft(STREAM, seen(text), bodies=(words,)))
    log.close()
    return record.seq


def test_what_is_older_is_given_up_at_the_start(start: Start, tmp_path: Path) -> None:
    old, new = say(tmp_path / "log", "old", 5), say(tmp_path / "log", "new", 2)
    store = {"path": str(tmp_path / "log"), "retention": "28d"}
    with start({"store": store}) as daemon:
        await_event(daemon, BodiesExpired)
    with start() as daemon:  # which makes good what the first had no time for
        await_event(daemon, GatewayStarted, 2)
        assert (daemon.log.body(old), daemon.log.body(new)) == (None, "new")


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
