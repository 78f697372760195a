"""Receipts, credits, and the deliveries that they bound."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from actors.messages import IncomingBatch
from actors.ztm.delivering.deliveries import ACCOUNT_CREDITS, CONVERSATION_CREDITS, Deliveries
from actors.ztm.delivering.receipts import Credits, Delivery
from events.conversation.arrivals import Arrival
from events.streams import ConversationId, PeerId, conversation_stream
from tests.actors.ztm.watched_mesh import link_of, peer

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


class Conversations:
    """Keep what is delivered to them, and what they have decided. Stands for the log as well."""

    def __init__(self, *, begun: bool = False) -> None:
        self.batches: list[IncomingBatch] = []
        self.streams: list[str] = []
        self.known: set[bytes] = set()
        self._delivered = asyncio.Event()
        self._begun = begun
        on_record: Any = self
        self.deliveries = Deliveries(link_of(self.tell), on_record)

    def decided(self, arrival: Arrival) -> bool:
        return arrival.identity in self.known

    def begun(self, conversation: ConversationId) -> bool:
        return self._begun

    def tell(self, stream: str, message: Any) -> None:
        self.streams.append(stream)
        self.batches.append(message)
        self._delivered.set()

    async def next(self) -> IncomingBatch:
        while not self.batches:
            self._delivered.clear()
            await self._delivered.wait()
        return self.batches.pop(0)

    async def confirm_next(self) -> IncomingBatch:
        batch = await self.next()
        self.known.update(arrival.identity for arrival in batch.arrivals)
        batch.receipt.confirm()
        return batch


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


def test_a_conversation_is_handed_at_most_256_at_a_time_in_order() -> None:
    async def scene() -> None:
        conversations = Conversations()
        arrivals = [arrival(number) for number in range(600)]
        task = asyncio.create_task(conversations.deliveries.deliver(ALICE, arrivals))
        batches = [await conversations.confirm_next() for _ in range(3)]
        assert [len(batch.arrivals) for batch in batches] == [256, 256, 88]
        assert [each for batch in batches for each in batch.arrivals] == arrivals
        assert await task
        assert set(conversations.streams) == {conversation_stream(ALICE)}

    run(scene())


def test_what_is_refused_is_not_followed_by_the_rest() -> None:
    async def scene() -> None:
        conversations = Conversations()
        arrivals = [arrival(number) for number in range(600)]
        task = asyncio.create_task(conversations.deliveries.deliver(ALICE, arrivals))
        (await conversations.next()).receipt.refuse()
        assert not await task
        assert conversations.batches == []

    run(scene())


def test_what_the_log_knows_is_not_delivered_again() -> None:
    async def scene() -> None:
        conversations = Conversations()
        conversations.known = {arrival(1).identity}
        assert await conversations.deliveries.deliver(ALICE, [arrival(1)])
        task = asyncio.create_task(
            conversations.deliveries.deliver(ALICE, [arrival(1), arrival(2)])
        )
        assert (await conversations.confirm_next()).arrivals == (arrival(2),)
        assert await task

    run(scene())


def test_a_conversation_that_is_slow_to_decide_holds_up_nobody_else() -> None:
    async def scene() -> None:
        conversations = Conversations()
        many = [arrival(number) for number in range(5_000)]
        stuck = asyncio.create_task(conversations.deliveries.deliver(BOB, many))
        await conversations.next()
        task = asyncio.create_task(conversations.deliveries.deliver(ALICE, [arrival(9_999)]))
        await conversations.confirm_next()
        assert await task
        assert not stuck.done()
        stuck.cancel()

    run(scene())


def test_an_account_has_at_most_2000_undecided() -> None:
    async def scene() -> None:
        conversations = Conversations()
        tasks = [
            asyncio.create_task(
                conversations.deliveries.deliver(
                    PeerId("bot", f"p{person}"),
                    [arrival(person * 1_000 + number) for number in range(300)],
                )
            )
            for person in range(20)
        ]
        waiting: list[IncomingBatch] = []
        while sum(len(batch.arrivals) for batch in waiting) < ACCOUNT_CREDITS:
            waiting.append(await conversations.next())
        assert sum(len(batch.arrivals) for batch in waiting) == ACCOUNT_CREDITS
        await asyncio.sleep(0)
        assert conversations.batches == []
        assert max(len(batch.arrivals) for batch in waiting) == CONVERSATION_CREDITS
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(conversations.deliveries.room(), 0.01)
        conversations.batches = waiting
        total = 0
        while total < 20 * 300:
            total += len((await conversations.confirm_next()).arrivals)
        assert all(await asyncio.gather(*tasks))

    run(scene())


def test_a_baseline_is_delivered_at_once_and_without_texts() -> None:
    async def scene() -> None:
        conversations = Conversations()
        arrivals = [arrival(number) for number in range(600)]
        task = asyncio.create_task(conversations.deliveries.mark_as_seen(ALICE, arrivals))
        batch = await conversations.confirm_next()
        assert batch.baseline
        assert [marked.identity for marked in batch.arrivals] == [old.identity for old in arrivals]
        assert {marked.text for marked in batch.arrivals} == {""}
        assert await task

    run(scene())


@pytest.mark.parametrize("begun", [True, False])
def test_an_empty_baseline_marks_what_is_not_begun_yet(begun: bool) -> None:
    async def scene() -> None:
        conversations = Conversations(begun=begun)
        task = asyncio.create_task(conversations.deliveries.mark_as_seen(ALICE, []))
        if not begun:
            assert (await conversations.confirm_next()).baseline
        assert await task
        assert conversations.batches == []

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
