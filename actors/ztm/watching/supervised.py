"""Whatever runs here and fails is heard, whatever the failure's kind, and tried again.

`BaseException` counts as well: a panic of native code is one, and would otherwise end a task, and
what depends on it, without a word. Only cancellation passes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from actors.ztm.errors import ZtmError
from events.streams import ConversationId

log = logging.getLogger(__name__)

T = TypeVar("T")


async def until_it_succeeds(
    attempt: Callable[[], Awaitable[T]], failed: Callable[[BaseException], Awaitable[None]]
) -> T:
    """What `attempt` returns; each failure goes to `failed`, which says it and waits it out."""
    while True:
        try:
            return await attempt()
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - `failed` says it
            await failed(error)


class ConversationTasks:
    """At most one task for each conversation, whose trouble is its own."""

    def __init__(self) -> None:
        self._tasks: dict[ConversationId, asyncio.Task[bool | None]] = {}

    def __contains__(self, conversation: object) -> bool:
        return conversation in self._tasks

    def start(
        self,
        conversation: ConversationId,
        work: Callable[[], Awaitable[bool]],
        ended: Callable[[bool | None], None],
    ) -> None:
        """Run `work`; then `ended` hears what it returned, or `None` if it failed."""
        task = asyncio.create_task(_run(conversation, work))
        self._tasks[conversation] = task

        # A callback, for it is called also when the task is cancelled before it began.
        def done(task: asyncio.Task[bool | None]) -> None:
            del self._tasks[conversation]
            ended(None if task.cancelled() else task.result())

        task.add_done_callback(done)

    async def stop(self) -> None:
        """End the tasks; what they had delivered is decided, or delivered again next time."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(conversation: ConversationId, work: Callable[[], Awaitable[bool]]) -> bool | None:
    try:
        return await work()
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except ZtmError as error:
        log.warning("could not read %s: %s", conversation, error)
    except BaseException:
        log.exception("internal error: could not take in %s; it will be tried again", conversation)
    return None
