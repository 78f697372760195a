"""The thread in which a mesh runs, and how every other thread reaches it."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CALL_TIMEOUT_S = 30.0


class RunningMesh:
    """An asyncio loop in a daemon thread. All state of the mesh is touched only there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._changes = 0

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name=f"mesh {self.name}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Cancel everything and end the thread. A second time does nothing."""
        if self._loop is None or self._thread is None:
            return
        loop, thread = self._loop, self._thread
        self.run(_cancel_others())
        self._loop = self._thread = None
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CALL_TIMEOUT_S)
        loop.close()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = CALL_TIMEOUT_S) -> T:
        """Run a coroutine in the mesh's thread and return its result.

        Raises RuntimeError when the mesh isn't running or when called from its own thread,
        TimeoutError when it takes too long.
        """
        if self._loop is None or self._thread is threading.current_thread():
            work.close()
            state = "not running" if self._loop is None else "asked from its own thread"
            raise RuntimeError(f"the embedded mesh is {state}")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the mesh's thread and return its result. Raises as `run`."""

        async def work() -> T:
            return function()

        return self.run(work())

    def notify(self) -> None:
        """Wake whoever waits: something in the mesh has changed."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def wait_for(self, question: Callable[[], T | None], *, timeout_s: float) -> T | None:
        """Ask again after each change in the mesh; return the first answer that is not None.

        Returns None when `timeout_s` is over.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            with self._changed:
                seen = self._changes
            answer = question()
            if answer is not None:
                return answer
            if not self._await_change(since=seen, until=deadline):
                return None

    def _await_change(self, *, since: int, until: float) -> bool:
        with self._changed:
            remaining = max(0.0, until - time.monotonic())
            return self._changed.wait_for(lambda: self._changes != since, remaining)


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
