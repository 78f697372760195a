"""Delivery of arrivals to the account: one at a time a conversation, within the credits."""

from collections.abc import Callable, Sequence
from typing import Any

from actors.messages import Offer
from actors.ztm.receipts import Credits, Delivery
from events.arrivals import Arrival
from events.streams import Conversation

CONVERSATION_CREDITS = 256
"""How many messages of one conversation may be undecided at a time."""

ACCOUNT_CREDITS = 2_000
"""How many messages of an account may be undecided at a time."""


class Deliveries:
    """Offers arrivals to an account by `tell`, and waits until they are durably decided."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        self._tell = tell
        self._credits = Credits(ACCOUNT_CREDITS)

    async def deliver(
        self, conversation: Conversation, arrivals: Sequence[Arrival], *, baseline: bool = False
    ) -> bool:
        """Offer `arrivals` in order; whether all of them were confirmed.

        An empty baseline is offered too: it marks the conversation as one that we have begun with.
        """
        for start in range(0, max(len(arrivals), 1), CONVERSATION_CREDITS):
            some = tuple(arrivals[start : start + CONVERSATION_CREDITS])
            if (some or baseline) and not await self._offer(conversation, some, baseline):
                return False
        return True

    async def _offer(
        self, conversation: Conversation, arrivals: tuple[Arrival, ...], baseline: bool
    ) -> bool:
        taken = await self._credits.take(len(arrivals))
        try:
            delivery = Delivery()
            self._tell(Offer(conversation, arrivals, delivery, baseline))
            return await delivery.confirmed()
        finally:
            await self._credits.give_back(taken)
