"""Tasks of an asyncio loop that nobody awaits: what fails is heard, counted, and begun again."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from actors.runtime.back_off import BackOff

log = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]


class Failing(msgspec.Struct):
    """A task that failed and has not gone well since: how often in a row, and the last error."""

    times: int
    error: str


class SupervisedTasks:
    """Tasks by name, on the running loop. One that is under way is not begun a second time.

    When a task fails, whatever it raises, `again()` is called after a pause that grows with each
    failure in a row. `scale` shortens the pauses in tests.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, scale: float = 1.0) -> None:
        self._loop = loop
        self._scale = scale
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._back_offs: dict[str, BackOff] = {}
        self._ending = False
        self.failing: dict[str, Failing] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def names(self) -> list[str]:
        """The tasks under way."""
        return [*self._tasks]

    def begin(self, name: str, work: Work, again: Callable[[], None]) -> None:
        """Begin `work`, unless a task of this name is under way."""
        if not self._ending and name not in self._tasks:
            self._tasks[name] = self._loop.create_task(self._guarded(name, work, again))

    def replace(self, name: str, work: Work, again: Callable[[], None]) -> None:
        """Begin `work`; a task of this name that is under way is cancelled."""
        if before := self._tasks.pop(name, None):
            before.cancel()
        self.begin(name, work, again)

    async def end(self, timeout_s: float) -> None:
        """Cancel everything, and begin nothing any more."""
        self._ending = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    async def _guarded(self, name: str, work: Work, again: Callable[[], None]) -> None:
        try:
            await work()  # not called at all by a task that was cancelled before it began
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - one task's end must not be the loop's
            self._failed(name, error, again)
        else:
            self._back_offs.pop(name, None)
            self.failing.pop(name, None)
        finally:
            if self._tasks.get(name) is asyncio.current_task():
                del self._tasks[name]

    def _failed(self, name: str, error: BaseException, again: Callable[[], None]) -> None:
        back_off = self._back_offs.setdefault(name, BackOff(self._scale))
        pause_s = back_off.failed()
        self.failing[name] = Failing(back_off.errors, type(error).__name__)
        log.error("a task failed, and is due again in %.0f s: %s", pause_s, name, exc_info=error)
        self._loop.call_later(pause_s, again)
