"""Delivery of arrivals to their conversation: one batch at a time, within the credits."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from actors.messages import IncomingBatch
from actors.ztm.account_link import AccountLink
from actors.ztm.delivering.on_record import OnRecord
from actors.ztm.delivering.receipts import Credits, Delivery
from events.conversation.arrivals import Arrival
from events.streams import ConversationId, conversation_stream

CONVERSATION_CREDITS = 256
"""How many messages of one conversation may be undecided at a time."""

ACCOUNT_CREDITS = 2_000
"""How many messages of an account may be undecided at a time."""


class Deliveries:
    """Tells conversations what arrived, and waits until it is durably decided.

    What is `on_record` already is left out: a file is read again whenever it grows, and all files
    now and then, and old messages must not wake their conversation.
    """

    def __init__(self, link: AccountLink, on_record: OnRecord) -> None:
        self._link = link
        self.on_record = on_record
        self._credits = Credits(ACCOUNT_CREDITS)

    async def room(self) -> None:
        """Wait until another message may be delivered: until then there is no use in fetching."""
        await self._credits.room()

    async def deliver(self, conversation: ConversationId, arrivals: Sequence[Arrival]) -> bool:
        """Deliver `arrivals` in order; whether all of them were confirmed."""
        if arrivals:
            self._link.health.inbound_ms = self._link.now_ms()
        for chunk in _chunks(arrivals):
            news = [arrival for arrival in chunk if not self.on_record.decided(arrival)]
            while news:
                taken = await self._credits.take(len(news))
                if not await self._hand_over(conversation, tuple(news[:taken]), taken):
                    return False
                del news[:taken]
        return True

    async def deliver_baseline(
        self, conversation: ConversationId, arrivals: Sequence[Arrival]
    ) -> bool:
        """Mark as seen what was there before us, and deliver what is fresh enough to be answered
        all the same; whether all of it was confirmed."""
        old, fresh = before_us(arrivals, self._link.wall_ms() - self._link.timing.fresh_ms)
        if not await self.mark_as_seen(conversation, old):
            return False
        return await self.deliver(conversation, fresh)

    async def mark_as_seen(self, conversation: ConversationId, arrivals: Sequence[Arrival]) -> bool:
        """Deliver what was there before us as a baseline; whether it was confirmed.

        All at once, since a conversation of which a part is marked counts as begun; so no texts.
        An empty baseline is delivered too: it marks the conversation as begun.
        """
        marks = tuple(
            replace(arrival, text="") for arrival in arrivals if not self.on_record.decided(arrival)
        )
        if not marks and self.on_record.begun(conversation):
            return True
        taken = await self._credits.take(min(max(1, len(marks)), CONVERSATION_CREDITS))
        return await self._hand_over(conversation, marks, taken, baseline=True)

    async def _hand_over(
        self,
        conversation: ConversationId,
        arrivals: tuple[Arrival, ...],
        taken: int,
        *,
        baseline: bool = False,
    ) -> bool:
        try:
            delivery = Delivery()
            batch = IncomingBatch(arrivals, delivery, baseline)
            self._link.tell(conversation_stream(conversation), batch)
            return await delivery.confirmed()
        finally:
            self._credits.give_back(taken)


def before_us(arrivals: Sequence[Arrival], horizon_ms: int) -> tuple[list[Arrival], list[Arrival]]:
    """What was there before us, and what is fresh enough to be answered all the same."""
    old = [arrival for arrival in arrivals if arrival.sent_ms < horizon_ms]
    return old, [arrival for arrival in arrivals if arrival.sent_ms >= horizon_ms]


def _chunks(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    for start in range(0, len(arrivals), CONVERSATION_CREDITS):
        yield arrivals[start : start + CONVERSATION_CREDITS]
