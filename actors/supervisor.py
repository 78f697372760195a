"""Keeps the daemon running: one run after another, until a signal says stop.

A log that failed is never written again; the whole daemon is stopped and started anew from what the
log then holds, after a pause, and the reopening is itself on record.
"""

import logging
import os
import queue
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from actors.configuration import Configuration
from actors.daemon import Daemon
from actors.ztm.back_off import BackOff
from actors.ztm.timing import Timing
from store.errors import LogError

log = logging.getLogger(__name__)

SWITCH_INTERVAL_S = 0.000_5
"""How long a thread may compute before others get their turn: the log's writer waits for one
otherwise, 5 ms at a time, in each commit."""


def supervise(config: Configuration, *, release: str, timing: Timing) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal ends the process at once.

    Raises what the first start raises (`LogError`, `AccountMoved`, …).
    """
    os.umask(0o077)  # whatever we make is ours alone, folders on the way included
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    news: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    with _signals(news):
        failure = ""
        back_off = BackOff(timing.back_off_scale)
        while True:
            daemon = Daemon(
                config,
                release=release,
                timing=timing,
                on_failure=lambda error: news.put(("failed", error)),
                reopened=failure,
            )
            try:
                daemon.start()
            except LogError as error:
                if not failure:
                    raise
                log.error("the log can't be opened again: %s", error)  # noqa: TRY400 - its own words say it all
                kind, said = _news_within(news, back_off.failed())
            else:
                log.info("running with %d accounts", len(daemon.enabled))
                kind, said = news.get()
                daemon.stop(said if kind == "stop" else "failed")
            if kind == "stop":
                log.info("stopped by %s", said)
                return
            if kind == "failed":
                failure = said
                log.error("the log failed; starting again: %s", said)
                kind, said = _news_within(news, back_off.failed())
                if kind == "stop":
                    return


def _news_within(news: "queue.SimpleQueue[tuple[str, str]]", timeout_s: float) -> tuple[str, str]:
    try:
        return news.get(timeout=timeout_s)
    except queue.Empty:
        return "waited", ""


@contextmanager
def _signals(news: "queue.SimpleQueue[tuple[str, str]]") -> Iterator[None]:
    def stop(number: int, _: FrameType | None) -> None:
        # SimpleQueue.put may be called from a signal handler. Whoever signals twice means it, and
        # the log loses nothing by it.
        signal.signal(signal.SIGTERM, at_once)
        signal.signal(signal.SIGINT, at_once)
        news.put(("stop", signal.Signals(number).name))

    def at_once(number: int, _: FrameType | None) -> None:
        os._exit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
