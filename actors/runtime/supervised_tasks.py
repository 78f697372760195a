"""Tasks of an asyncio loop that nobody awaits: what fails is heard, counted, and begun again."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
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
    """Tasks by key, on the running loop. One that is under way is not begun a second time.

    When a task fails, whatever it raises, `again()` is called after a pause that grows with each
    failure in a row. `scale` shortens the pauses in tests.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, scale: float = 1.0) -> None:
        self._loop = loop
        self._scale = scale
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._back_offs: dict[Hashable, BackOff] = {}
        self._ending = False
        self.failing: dict[Hashable, Failing] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def names(self) -> list[str]:
        """The tasks under way."""
        return [str(key) for key in tuple(self._tasks)]

    def begin(self, key: Hashable, work: Work, again: Callable[[], None]) -> None:
        """Begin `work`, unless a task of this key is under way."""
        if not self._ending and key not in self._tasks:
            self._tasks[key] = self._loop.create_task(self._guarded(key, work, again))

    def replace(self, key: Hashable, work: Work, again: Callable[[], None]) -> None:
        """Begin `work`; a task of this key that is under way is cancelled."""
        if before := self._tasks.pop(key, None):
            before.cancel()
        self.begin(key, work, again)

    async def end(self, timeout_s: float) -> None:
        """Cancel everything, and begin nothing any more."""
        self._ending = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    async def _guarded(self, key: Hashable, work: Work, again: Callable[[], None]) -> None:
        try:
            await work()  # not called at all by a task that was cancelled before it began
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - one task's end must not be the loop's
            self._failed(key, error, again)
        else:
            self._back_offs.pop(key, None)
            self.failing.pop(key, None)
        finally:
            if self._tasks.get(key) is asyncio.current_task():
                del self._tasks[key]

    def _failed(self, key: Hashable, error: BaseException, again: Callable[[], None]) -> None:
        back_off = self._back_offs.setdefault(key, BackOff(self._scale))
        pause_s = back_off.failed()
        self.failing[key] = Failing(back_off.errors, type(error).__name__)
        log.error("a task failed, and is due again in %.0f s: %s", pause_s, key, exc_info=error)
        self._loop.call_later(pause_s, again)
