"""The edge loop: one asyncio loop on one thread does all that actors call for.

Results go back as messages to the stream that called, through the gateway. A task that is under way
is not begun a second time, whoever calls for it again.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from actors.agents.runner import AgentRunner
from actors.messages import Tick, Woken
from actors.runtime.system import AskTask, SendTask
from actors.ztm.account_edge import AccountEdge
from events.account.state import AccountState
from events.streams import GATEWAY, account_stream

log = logging.getLogger(__name__)

TICK_S = 30.0
"""How often the account actors look at what time has changed."""

ENDING_S = 3.0
"""How long the tasks of a loop that stops may take to end."""


class Edge:
    """Implements `Effects`. `tell(stream, message)` reaches the actor of a stream.

    `open_accounts` and `open_asking` make the edges, on the loop itself; `close` gives them back.
    """

    def __init__(
        self,
        *,
        tell: Callable[[str, Any], None],
        open_accounts: Callable[[], Mapping[str, AccountEdge]],
        open_asking: Callable[[], AgentRunner],
        close: Callable[[], Coroutine[Any, Any, None]],
        now_ms: Callable[[], int],
    ) -> None:
        self._tell = tell
        self._open_accounts = open_accounts
        self._open_asking = open_asking
        self._close = close
        self._now_ms = now_ms
        self.loop = asyncio.new_event_loop()
        self.accounts: Mapping[str, AccountEdge] = {}
        self._asking: AgentRunner | None = None
        self._tasks: dict[Any, asyncio.Task[None]] = {}
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="edge", daemon=True)

    def start(self) -> None:
        """Start the loop; what the edges can't open is raised here."""
        opened: asyncio.Future[None] = self.loop.create_future()
        self.loop.call_soon(self._open, opened)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(_wait(opened), self.loop).result()

    def stop(self) -> None:
        """Cancel everything under way and end the loop. What was cut off resumes from the log."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    # What actors call for: from any thread, never blocking

    def ask(self, task: AskTask) -> None:
        """Ask the agent about a turn."""
        self._begin(task, lambda: self._ask(task))

    def send(self, task: SendTask) -> None:
        """Bring a queued message into our files."""
        self._begin((task.stream, task.queued), lambda: self._send(task))

    def watch(self, account: str, state: AccountState) -> None:
        """Take in what an account's agent shows; a watch under way is replaced."""
        self._soon(self._replace_watch, account, state)

    def wake(self, stream: str, at_ms: int) -> None:
        """Wake the actor of `stream` at `at_ms`."""
        delay_s = max(0.0, (at_ms - self._now_ms()) / 1_000)
        self._soon(self.loop.call_later, delay_s, self._tell, stream, Woken())

    def serve(self, service: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a service of the daemon's own on the loop, until `stop`."""
        self._begin(service, service)

    # On the loop

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def _open(self, opened: "asyncio.Future[None]") -> None:
        try:
            self.accounts = self._open_accounts()
            self._asking = self._open_asking()
        except Exception as error:  # noqa: BLE001 - raised by `start`, on the caller's thread
            opened.set_exception(error)
            return
        self.loop.call_later(TICK_S, self._tick)
        opened.set_result(None)

    def _tick(self) -> None:
        self._tell(GATEWAY, Tick())
        self.loop.call_later(TICK_S, self._tick)

    def _soon(self, call: Callable[..., Any], *arguments: Any) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(call, *arguments)

    def _begin(self, key: Any, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._soon(self._spawn, key, work)

    def _spawn(self, key: Any, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if not self._ending and key not in self._tasks:
            self._tasks[key] = self.loop.create_task(self._guarded(key, work))

    async def _guarded(self, key: Any, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()  # not called at all by a task that was cancelled before it began
        except Exception:
            # A fault of ours: said with all we know. The log still holds the work as open, so the
            # next start of the conversation, or of the daemon, calls for it again.
            log.exception("a task of the edge failed: %s", key)
        finally:
            if self._tasks.get(key) is asyncio.current_task():
                del self._tasks[key]

    async def _ask(self, task: AskTask) -> None:
        if self._asking is not None:
            self._tell(task.stream, await self._asking.ask(task))

    async def _send(self, task: SendTask) -> None:
        self._tell(task.stream, await self.accounts[task.account].send(task))

    def _replace_watch(self, account: str, state: AccountState) -> None:
        key = account_stream(account)
        if before := self._tasks.pop(key, None):
            before.cancel()
        edge = self.accounts[account]
        self._spawn(key, lambda: edge.watch(state))

    async def _end(self) -> None:
        self._ending = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=ENDING_S)
        await self._close()


async def _wait(future: "asyncio.Future[None]") -> None:
    await future
