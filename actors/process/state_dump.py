"""What every thread, actor and task is doing, written to the log: for a daemon that seems stuck.

A line each, so that the log's own limit on a value's length cuts one stack and not all. No line
holds a variable's value, so none holds a secret.
"""

import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from types import FrameType

from actors.runtime.actor_report import ActorReport

log = logging.getLogger(__name__)


def write_state(actors: Iterable[ActorReport], tasks: Iterable[str]) -> None:
    """Log all threads' stacks, every actor of `actors`, and the `tasks` of the edge loop."""
    for name, stack in _threads():
        log.info("thread %s: %s", name, stack)
    for actor in actors:
        waits_for = f"waits for {actor.waits_for}" if actor.waits_for else "idle"
        log.info("actor %s: inbox %d, %s", actor.stream, actor.inbox, waits_for)
    for task in tasks:
        log.info("task %s", task)


def _threads() -> Iterator[tuple[str, str]]:
    """The name and the stack of each thread, also of those that Python did not start."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()
    for ident, frame in frames.items():
        yield names.get(ident, f"{ident}, not started by Python"), " < ".join(_calls(frame))


def _calls(frame: FrameType | None) -> Iterator[str]:
    """Where a thread is, and who called that: the innermost first."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "?")
        yield f"{module}.{frame.f_code.co_qualname} line {frame.f_lineno}"
        frame = frame.f_back
