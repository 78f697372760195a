"""What the edge loop begins, replaces, begins again and ends."""

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from actors.edge import Edge
from actors.messages import TaskFailed
from actors.runtime.system import AskTask, WatchTask
from events.account.state import AccountState

TASK = AskTask("bot", "account/bot/peer/alice", 3, 1)
Told = SimpleQueue[tuple[str, Any]]


class RustPanic(BaseException):
    """As pyo3 raises it: no Exception."""


async def nothing_to_close() -> None:
    pass


@contextmanager
def edge(do: dict[type, Callable[[Any], Coroutine[Any, Any, Any]]]) -> Iterator[tuple[Edge, Told]]:
    told: Told = SimpleQueue()
    running = Edge(
        tell=lambda stream, message: told.put((stream, message)),
        open=lambda: do,
        close=nothing_to_close,
        tick=lambda: None,
        now_ms=lambda: 0,
        scale=0.01,
    )
    running.start()
    try:
        yield running, told
    finally:
        running.stop()


def test_what_a_task_brings_is_told_to_its_stream() -> None:
    async def ask(task: AskTask) -> str:
        return f"answer to turn {task.turn}"

    with edge({AskTask: ask}) as (running, told):
        running.begin(TASK)
        assert told.get(timeout=10) == (TASK.stream, "answer to turn 3")


@pytest.mark.parametrize("error", [ZeroDivisionError, RustPanic, SystemExit, KeyboardInterrupt])
def test_a_task_that_fails_is_due_again_and_the_loop_lives(error: type[BaseException]) -> None:
    left = 2

    async def ask(_: AskTask) -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error
        return "an answer"

    with edge({AskTask: ask}) as (running, told):
        for _ in range(2):
            running.begin(TASK)
            assert told.get(timeout=10) == (TASK.stream, TaskFailed(TASK))
            assert [failing.error for failing in running.tasks.failing.values()] == [error.__name__]
        running.begin(TASK)
        assert told.get(timeout=10) == (TASK.stream, "an answer")


def test_a_service_that_fails_is_started_again() -> None:
    served: SimpleQueue[None] = SimpleQueue()
    failures = [RustPanic, ZeroDivisionError]

    async def serve() -> None:
        if failures:
            raise failures.pop()
        served.put(None)
        await asyncio.Event().wait()

    with edge({}) as (running, _):
        running.serve("a socket", serve)
        served.get(timeout=10)


def test_a_loop_that_ends_by_itself_is_heard_of() -> None:
    deaths: SimpleQueue[str] = SimpleQueue()
    dying = Edge(
        tell=lambda stream, message: None,
        open=dict,
        close=nothing_to_close,
        tick=lambda: None,
        now_ms=lambda: 0,
        on_death=deaths.put,
    )
    dying.start()

    def die() -> None:
        raise SystemExit

    dying.later(0, die)
    assert deaths.get(timeout=10) == "the edge loop ended: SystemExit"
    dying.stop()


def test_what_is_halted_begins_nothing_any_more() -> None:
    begun: SimpleQueue[None] = SimpleQueue()
    cancelled = threading.Event()

    async def ask(_: AskTask) -> None:
        begun.put(None)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with edge({AskTask: ask}) as (running, _):
        running.begin(TASK)
        begun.get(timeout=10)
        running.halt()
        assert cancelled.wait(10)
        running.begin(TASK)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), running.loop).result(10)
        assert begun.empty()


def test_a_watch_that_is_replaced_before_it_began_leaves_nothing_behind() -> None:
    begun: SimpleQueue[int] = SimpleQueue()

    async def watch(task: WatchTask) -> None:
        begun.put(task.state.cursor)

    with edge({WatchTask: watch}) as (running, _):

        def watch_twice() -> None:
            running.begin(WatchTask("bot", AccountState(cursor=1)))
            running.begin(WatchTask("bot", AccountState(cursor=2)))

        running.loop.call_soon_threadsafe(watch_twice)
        assert begun.get(timeout=10) == 2
    gc.collect()  # a coroutine that was never awaited would be reported here
    assert begun.empty()
