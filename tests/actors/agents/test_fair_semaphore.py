"""Turns wait for a free slot, and no account keeps the others waiting."""

import asyncio

from actors.agents.fair_semaphore import FairSemaphore


async def hold(
    slots: FairSemaphore, account: str, order: list[str], release: asyncio.Event
) -> None:
    async with slots.taken_by(account):
        order.append(account)
        await release.wait()


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def test_no_more_turns_than_slots_run_at_a_time() -> None:
    async def run() -> None:
        slots, release = FairSemaphore(3), asyncio.Event()
        order: list[str] = []
        turns = [asyncio.create_task(hold(slots, "a", order, release)) for _ in range(10)]
        await settle()
        assert len(order) == 3
        release.set()
        await asyncio.gather(*turns)
        assert len(order) == 10

    asyncio.run(run())


def test_a_busy_account_does_not_hold_up_another() -> None:
    async def run() -> None:
        slots, release = FairSemaphore(1), asyncio.Event()
        order: list[str] = []
        turns = [asyncio.create_task(hold(slots, "busy", order, release)) for _ in range(20)]
        turns += [asyncio.create_task(hold(slots, "quiet", order, release)) for _ in range(2)]
        await settle()
        release.set()
        await asyncio.gather(*turns)
        assert order.index("quiet") <= 3
        assert order.count("quiet") == 2

    asyncio.run(run())


def test_a_turn_that_is_cancelled_gives_its_slot_back() -> None:
    async def run() -> None:
        slots, release = FairSemaphore(1), asyncio.Event()
        order: list[str] = []
        first = asyncio.create_task(hold(slots, "a", order, release))
        waiting = asyncio.create_task(hold(slots, "a", order, release))
        last = asyncio.create_task(hold(slots, "a", order, release))
        await settle()
        waiting.cancel()
        first.cancel()
        await settle()
        assert order == ["a", "a"]
        release.set()
        await last
        async with slots.taken_by("b"):
            pass

    asyncio.run(run())
