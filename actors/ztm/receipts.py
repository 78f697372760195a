"""Receipts of what the intake delivered, awaited on the edge loop, settled by actors' threads."""

import asyncio


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
        if self._settled or self._loop.is_closed():
            return
        self._settled = True
        self._loop.call_soon_threadsafe(self._set, confirmed)

    def _set(self, confirmed: bool) -> None:
        if not self._decided.done():
            self._decided.set_result(confirmed)


class Credits:
    """How many undecided messages an account may have in its actors at a time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._freed = asyncio.Condition()

    async def take(self, count: int) -> int:
        """Wait for `count` credits (at most all there are); how many to give back."""
        count = min(count, self._total)
        async with self._freed:
            await self._freed.wait_for(lambda: self._free >= count)
            self._free -= count
        return count

    async def give_back(self, count: int) -> None:
        """Return credits."""
        async with self._freed:
            self._free += count
            self._freed.notify_all()
