"""A cap on the turns that are with the agents, fair between accounts.

Within an account, turns are first come, first served, and a conversation has one at a time. A free
slot goes to each waiting account in rotation, so a busy account delays its own people, not those of
another.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSemaphore:
    """`total` slots, shared by all accounts. For one event loop."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def taken_by(self, account: str) -> AsyncIterator[None]:
        """Hold a slot inside the block; wait for one first."""
        await self._take(account)
        try:
            yield
        finally:
            self._free += 1
            self._hand_out()

    async def _take(self, account: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append(turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free += 1
                self._hand_out()
            raise

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            account = next(iter(self._waiting))
            queue = self._waiting.pop(account)
            turn = queue.popleft()
            if queue:
                self._waiting[account] = queue  # at the end: the next account is next
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
