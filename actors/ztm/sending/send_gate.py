"""Between sender and restarter: no message is on its way while the Chat app is restarted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class SendGate:
    """Lets a restart wait until every message is read back, and holds back new ones meanwhile."""

    def __init__(self) -> None:
        self._sending = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = asyncio.Event()
        self._open.set()

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """A message is on its way until it is read back, or given up for now."""
        while not self._open.is_set():
            await self._open.wait()
        self._sending += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._sending -= 1
            if self._sending == 0:
                self._idle.set()

    @asynccontextmanager
    async def restarting(self) -> AsyncIterator[None]:
        """Nothing is on its way, and it stays so."""
        with self._closed():
            await self._idle.wait()
            yield

    @contextmanager
    def _closed(self) -> Iterator[None]:
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()
