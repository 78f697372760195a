"""Delivery of arrivals to the account: one at a time a conversation, within the credits."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from actors.messages import Offer
from actors.ztm.receipts import Credits, Delivery
from events.arrivals import Arrival
from events.streams import Conversation

CONVERSATION_CREDITS = 256
"""How many messages of one conversation may be undecided at a time."""

ACCOUNT_CREDITS = 2_000
"""How many messages of an account may be undecided at a time."""


class Deliveries:
    """Offers arrivals to an account by `tell`, and waits until they are durably decided.

    `decided(arrival)`: whether the log says so already. A file is read again whenever it grows, and
    all files now and then: what is old news must not wake its conversation.
    """

    def __init__(self, tell: Callable[[Any], None], decided: Callable[[Arrival], bool]) -> None:
        self._tell = tell
        self._decided = decided
        self._credits = Credits(ACCOUNT_CREDITS)

    async def room(self) -> None:
        """Wait until another message may be offered: until then there is no use in fetching any."""
        await self._credits.room()

    async def deliver(self, conversation: Conversation, arrivals: Sequence[Arrival]) -> bool:
        """Offer `arrivals` in order; whether all of them were confirmed."""
        start = 0
        while start < len(arrivals):
            some = arrivals[start : start + CONVERSATION_CREDITS]
            news = tuple(one for one in some if not self._decided(one))
            taken = len(news)
            if news and not (taken := await self._offer(conversation, news)):
                return False
            # What did not fit is offered in the next round, where the rest of `some` is old news.
            start = start + len(some) if taken == len(news) else start
        return True

    async def mark_as_seen(self, conversation: Conversation, arrivals: Sequence[Arrival]) -> bool:
        """Offer what was there before us as a baseline; whether it was confirmed.

        All at once, since a conversation of which a part is marked counts as begun; so no texts.
        Nothing at all is offered too: it marks the conversation as one that we have begun with.
        """
        marks = tuple(replace(one, text="") for one in arrivals)
        return bool(await self._offer(conversation, marks, baseline=True))

    async def _offer(
        self, conversation: Conversation, arrivals: tuple[Arrival, ...], *, baseline: bool = False
    ) -> int:
        """How many of `arrivals` were confirmed: all but those beyond the credits, or none."""
        taken = await self._credits.take(max(1, len(arrivals)))
        try:
            delivery = Delivery()
            offered = arrivals if baseline else arrivals[:taken]
            self._tell(Offer(conversation, offered, delivery, baseline))
            return taken if await delivery.confirmed() else 0
        finally:
            self._credits.give_back(taken)
