"""Keeps the daemon running: one run after another, until a signal says stop.

A run whose log failed, or that lost a thread, is over: the whole daemon is stopped and started anew
from what the log then holds, after a pause, and the reopening is itself on record.
"""

import logging
import os
import sys
import time

from actors.configuration import Configuration
from actors.process.daemon import Daemon
from actors.process.shutdown_events import DumpState, RunFailed, ShutdownEvents, Stop
from actors.process.state_dump import write_state
from actors.runtime.back_off import BackOff
from actors.ztm.timing import Timing
from store.errors import LogError

log = logging.getLogger(__name__)

SWITCH_INTERVAL_S = 0.000_5
"""How long a thread may compute before others get their turn: the log's writer waits for one
otherwise, 5 ms at a time, in each commit."""

LASTED_S = 60.0
"""A run that lasted this long went well: after it, the pauses begin anew."""


def supervise(config: Configuration, *, release: str, timing: Timing) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal ends the process at once.

    Raises what the first start raises (`LogError`, `AccountMoved`, `OSError`, …).
    """
    os.umask(0o077)  # whatever we make is ours alone, folders on the way included
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    back_off = BackOff(timing.back_off_scale)
    failure = ""
    with ShutdownEvents() as told:
        while True:
            daemon = Daemon(
                config,
                release=release,
                timing=timing,
                on_failure=lambda error: told.tell(RunFailed(error)),
                reopened=failure,
            )
            began = time.monotonic()
            match _run(daemon, told, again=bool(failure)):
                case Stop(name):
                    log.info("stopped by %s", name)
                    return
                case RunFailed(error):
                    failure = error
                    log.error("the daemon failed, restarting: %s", error)
            if time.monotonic() - began > LASTED_S:
                back_off.succeeded()
            if isinstance(stop := told.wait(back_off.failed()), Stop):
                log.info("stopped by %s", stop.signal)
                return


def _run(daemon: Daemon, told: ShutdownEvents, *, again: bool) -> Stop | RunFailed | None:
    """One run, and what ended it; `None` when `again` did not succeed in starting it."""
    try:
        daemon.start()
    except (LogError, OSError) as error:
        if not again:
            raise
        log.error("could not restart the daemon: %s", error)  # noqa: TRY400 - the message says it all
        return None
    accounts = len(daemon.enabled)
    log.info("running: %d %s", accounts, "account" if accounts == 1 else "accounts")
    while not isinstance(end := told.wait(), Stop | RunFailed):
        if isinstance(end, DumpState):
            write_state(daemon.reports(), daemon.edge.tasks.names())
    daemon.stop(end.signal if isinstance(end, Stop) else "failed")
    return end
