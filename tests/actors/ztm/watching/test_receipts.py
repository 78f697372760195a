"""Receipts, credits, and the deliveries that they bound."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from actors.messages import IncomingBatch
from actors.ztm.watching.deliveries import ACCOUNT_CREDITS, CONVERSATION_CREDITS, Deliveries
from actors.ztm.watching.receipts import Credits, Delivery
from events.conversation.arrivals import Arrival
from events.streams import PeerId
from tests.actors.ztm.watched_mesh import peer

ALICE, BOB = peer("alice"), peer("bob")


def arrival(number: int, text: str = "hello") -> Arrival:
    return Arrival(
        identity=number.to_bytes(16, "big"),
        sender="alice",
        sent_ms=number,
        text=text,
        source="feed",
        available_ms=number,
        salt=bytes(16),
        key_id=bytes(8),
    )


class AccountState:
    """Keeps what it is offered, and what it has decided."""

    def __init__(self, *, begun: bool = False) -> None:
        self.offers: list[IncomingBatch] = []
        self.decided: set[bytes] = set()
        self.offered = asyncio.Event()
        self.deliveries = Deliveries(
            self.tell,
            decided=lambda one: one.identity in self.decided,
            begun=lambda conversation: begun,
        )

    def tell(self, message: Any) -> None:
        self.offers.append(message)
        self.offered.set()

    async def next(self) -> IncomingBatch:
        while not self.offers:
            self.offered.clear()
            await self.offered.wait()
        return self.offers.pop(0)

    async def confirm_next(self) -> IncomingBatch:
        offer = await self.next()
        self.decided.update(one.identity for one in offer.arrivals)
        offer.receipt.confirm()
        return offer


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 10))


@pytest.mark.parametrize("confirm", [True, False])
def test_a_receipt_is_settled_from_any_thread_and_the_first_word_counts(confirm: bool) -> None:
    async def scene() -> None:
        delivery = Delivery()
        words = [delivery.confirm, delivery.refuse]
        for say in words if confirm else reversed(words):
            thread = threading.Thread(target=say)
            thread.start()
            await asyncio.to_thread(thread.join)
        assert delivery.settled
        assert await delivery.confirmed() is confirm

    run(scene())


def test_a_receipt_may_be_settled_when_the_loop_has_ended() -> None:
    async def scene() -> Delivery:
        return Delivery()

    delivery = asyncio.run(scene())
    delivery.confirm()
    assert delivery.settled


def test_a_conversation_is_offered_at_most_256_at_a_time_in_order() -> None:
    async def scene() -> None:
        account = AccountState()
        arrivals = [arrival(number) for number in range(600)]
        task = asyncio.create_task(account.deliveries.deliver(ALICE, arrivals))
        offers = [await account.confirm_next() for _ in range(3)]
        assert [len(offer.arrivals) for offer in offers] == [256, 256, 88]
        assert [one for offer in offers for one in offer.arrivals] == arrivals
        assert await task

    run(scene())


def test_what_is_refused_is_not_followed_by_the_rest() -> None:
    async def scene() -> None:
        account = AccountState()
        arrivals = [arrival(number) for number in range(600)]
        task = asyncio.create_task(account.deliveries.deliver(ALICE, arrivals))
        (await account.next()).receipt.refuse()
        assert not await task
        assert account.offers == []

    run(scene())


def test_what_the_log_knows_is_not_offered_again() -> None:
    async def scene() -> None:
        account = AccountState()
        account.decided = {arrival(1).identity}
        assert await account.deliveries.deliver(ALICE, [arrival(1)])
        task = asyncio.create_task(account.deliveries.deliver(ALICE, [arrival(1), arrival(2)]))
        assert (await account.confirm_next()).arrivals == (arrival(2),)
        assert await task

    run(scene())


def test_one_that_is_slow_to_decide_holds_up_nobody_else() -> None:
    async def scene() -> None:
        account = AccountState()
        many = [arrival(number) for number in range(5_000)]
        stuck = asyncio.create_task(account.deliveries.deliver(BOB, many))
        await account.next()
        task = asyncio.create_task(account.deliveries.deliver(ALICE, [arrival(9_999)]))
        await account.confirm_next()
        assert await task
        assert not stuck.done()
        stuck.cancel()

    run(scene())


def test_an_account_has_at_most_2000_undecided() -> None:
    async def scene() -> None:
        account = AccountState()
        tasks = [
            asyncio.create_task(
                account.deliveries.deliver(
                    PeerId("bot", f"p{person}"),
                    [arrival(person * 1_000 + number) for number in range(300)],
                )
            )
            for person in range(20)
        ]
        waiting: list[IncomingBatch] = []
        while sum(len(offer.arrivals) for offer in waiting) < ACCOUNT_CREDITS:
            waiting.append(await account.next())
        assert sum(len(offer.arrivals) for offer in waiting) == ACCOUNT_CREDITS
        await asyncio.sleep(0)
        assert account.offers == []
        assert max(len(offer.arrivals) for offer in waiting) == CONVERSATION_CREDITS
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(account.deliveries.room(), 0.01)
        account.offers = waiting
        total = 0
        while total < 20 * 300:
            total += len((await account.confirm_next()).arrivals)
        assert all(await asyncio.gather(*tasks))

    run(scene())


def test_a_baseline_is_offered_at_once_and_without_texts() -> None:
    async def scene() -> None:
        account = AccountState()
        arrivals = [arrival(number) for number in range(600)]
        task = asyncio.create_task(account.deliveries.mark_as_seen(ALICE, arrivals))
        offer = await account.confirm_next()
        assert offer.baseline
        assert [one.identity for one in offer.arrivals] == [one.identity for one in arrivals]
        assert {one.text for one in offer.arrivals} == {""}
        assert await task

    run(scene())


@pytest.mark.parametrize("begun", [True, False])
def test_an_empty_baseline_marks_what_is_not_begun_yet(begun: bool) -> None:
    async def scene() -> None:
        account = AccountState(begun=begun)
        task = asyncio.create_task(account.deliveries.mark_as_seen(ALICE, []))
        if not begun:
            assert (await account.confirm_next()).baseline
        assert await task
        assert account.offers == []

    run(scene())


def test_a_cancelled_delivery_gives_its_credits_back() -> None:
    async def scene() -> None:
        purse = Credits(3)
        assert await purse.take(10) == 3
        waiting = asyncio.create_task(purse.take(1))
        await asyncio.sleep(0)
        waiting.cancel()
        purse.give_back(3)
        assert await purse.take(2) == 2
        assert await purse.take(2) == 1

    run(scene())
