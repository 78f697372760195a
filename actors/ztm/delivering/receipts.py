"""Receipts of what the intake delivered, awaited on the edge loop, settled by actors' threads."""

import asyncio
from contextlib import suppress


class Delivery:
    """One delivery's receipt: `confirm` and `refuse` from any thread, the first one counts."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._decided: asyncio.Future[bool] = self._loop.create_future()
        self._settled = False

    @property
    def settled(self) -> bool:
        """Whether it was confirmed or refused already."""
        return self._settled

    def confirm(self) -> None:
        """All of it is durably decided."""
        self._settle(confirmed=True)

    def refuse(self) -> None:
        """It was not; it has to be delivered again."""
        self._settle(confirmed=False)

    async def confirmed(self) -> bool:
        """Wait for the answer."""
        return await self._decided

    def _settle(self, *, confirmed: bool) -> None:
        if self._settled:
            return
        self._settled = True
        # Actors outlive the edge loop when the daemon stops; then nobody waits for this any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._set, confirmed)

    def _set(self, confirmed: bool) -> None:
        if not self._decided.done():
            self._decided.set_result(confirmed)


class Credits:
    """How many undecided messages an account may have in its actors at a time."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Wait until there is a credit, without taking it."""
        await self._room.wait()

    async def take(self, wanted: int) -> int:
        """Wait for a credit, and take up to `wanted`: how many were taken.

        Who wants many takes what there is, so that nobody has to wait for others to leave enough.
        """
        while self._free == 0:
            await self._room.wait()
        taken = min(wanted, self._free)
        self._free -= taken
        if self._free == 0:
            self._room.clear()
        return taken

    def give_back(self, count: int) -> None:
        """Return credits."""
        self._free += count
        if self._free:
            self._room.set()
