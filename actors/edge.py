"""The edge loop: one asyncio loop on one thread does all that actors call for.

Results go back as messages to the stream that called. A task that fails for a reason of ours makes
what it was for due again: the actor hears `TaskFailed` after a pause.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from actors.messages import TaskFailed, Woken
from actors.runtime.supervised_tasks import SupervisedTasks
from actors.runtime.system import Task, WatchTask, task_name

log = logging.getLogger(__name__)

TICK_S = 30.0
"""How often the actors look at what time has changed, those too that wait for a later time."""

ENDING_S = 3.0
"""How long the tasks of a loop that stops may take to end."""

Do = Callable[[Any], Coroutine[Any, Any, Any]]
"""Does a task; what it returns, if anything, is told to the task's stream."""


class Edge:
    """Implements `Effects`. `tell(stream, message)` reaches the actor of a stream.

    `open` makes the edges, on the loop itself: who does which kind of task; `close` gives them
    back. `tick` is called now and then. `on_death` hears, with the reason, when the loop ends
    without having been stopped. `scale` shortens the pauses after failures.
    """

    def __init__(
        self,
        *,
        tell: Callable[[str, Any], None],
        open: Callable[[], Mapping[type, Do]],  # noqa: A002 - the pair of `close`
        close: Callable[[], Coroutine[Any, Any, None]],
        tick: Callable[[], None],
        now_ms: Callable[[], int],
        on_death: Callable[[str], None] = lambda reason: None,
        scale: float = 1.0,
    ) -> None:
        self._tell = tell
        self._open_edges = open
        self._close = close
        self._tick = tick
        self._now_ms = now_ms
        self._on_death = on_death
        self._do: Mapping[type, Do] = {}
        self.loop = asyncio.new_event_loop()
        self.tasks = SupervisedTasks(self.loop, scale=scale)
        self.services = SupervisedTasks(self.loop, scale=scale)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="edge", daemon=True)

    def start(self) -> None:
        """Start the loop; what the edges can't open is raised here."""
        opened: asyncio.Future[None] = self.loop.create_future()
        self.loop.call_soon(self._open, opened)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(_wait(opened), self.loop).result()

    def stop(self) -> None:
        """Cancel everything under way and end the loop. What was cut off resumes from the log."""
        self._stopping = True
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self.loop).result()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
        self.loop.close()

    def halt(self) -> None:
        """Cancel all tasks, and begin none any more; services go on."""
        self._soon(lambda: self.loop.create_task(self.tasks.end(ENDING_S)))

    # What actors call for: from any thread, never blocking

    def begin(self, task: Task) -> None:
        """Begin a task; a watch that is under way is begun anew."""
        self._soon(self._begin, task)

    def wake(self, stream: str, at_ms: int) -> None:
        """Wake the actor of `stream` at `at_ms`, by a clock that nobody sets; or before, to look
        again."""
        delay_s = min(max(0.0, (at_ms - self._now_ms()) / 1_000), TICK_S)
        self.later(delay_s, lambda: self._tell(stream, Woken()))

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call back on the loop after a pause."""
        self._soon(self.loop.call_later, seconds, call)

    def serve(self, name: str, service: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a service of the daemon's own on the loop, until `stop`; one that fails is started
        again."""

        def serve() -> None:
            self.services.begin(name, service, serve)

        self._soon(serve)

    # On the loop

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        reason = "it was stopped from within"
        try:
            self.loop.run_forever()
        except BaseException as error:
            log.exception("the edge loop failed")
            reason = type(error).__name__
        if not self._stopping:
            self._on_death(f"the edge loop ended: {reason}")

    def _open(self, opened: "asyncio.Future[None]") -> None:
        try:
            self._do = self._open_edges()
        except BaseException as error:  # noqa: BLE001 - raised by `start`, on the caller's thread
            opened.set_exception(error)
            return
        self.loop.call_later(TICK_S, self._tick_again)
        opened.set_result(None)

    def _tick_again(self) -> None:
        self.loop.call_later(TICK_S, self._tick_again)
        self._tick()

    def _soon(self, call: Callable[..., Any], *arguments: Any) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(call, *arguments)

    def _begin(self, task: Task) -> None:
        begin = self.tasks.replace if isinstance(task, WatchTask) else self.tasks.begin
        failed = TaskFailed(task)
        begin(task_name(task), lambda: self._carry_out(task), lambda: self._answer(task, failed))

    async def _carry_out(self, task: Task) -> None:
        answer = await self._do[type(task)](task)
        if answer is not None:
            self._answer(task, answer)

    def _answer(self, task: Task, answer: Any) -> None:
        self._tell(task.stream, answer)

    async def _end(self) -> None:
        await self.tasks.end(ENDING_S)
        await self.services.end(ENDING_S)
        await self._close()


async def _wait(future: "asyncio.Future[None]") -> None:
    await future
