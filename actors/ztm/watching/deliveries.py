"""Delivery of arrivals to the account: one at a time a conversation, within the credits."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from actors.messages import IncomingBatch
from actors.ztm.watching.receipts import Credits, Delivery
from events.conversation.arrivals import Arrival
from events.streams import ConversationId

CONVERSATION_CREDITS = 256
"""How many messages of one conversation may be undecided at a time."""

ACCOUNT_CREDITS = 2_000
"""How many messages of an account may be undecided at a time."""


class Deliveries:
    """Offers arrivals to an account by `tell`, and waits until they are durably decided.

    `decided(arrival)`: whether the log says so already. A file is read again whenever it grows, and
    all files now and then: what is old news must not wake its conversation. `begun(conversation)`:
    whether a conversation has any event.
    """

    def __init__(
        self,
        tell: Callable[[Any], None],
        *,
        decided: Callable[[Arrival], bool],
        begun: Callable[[ConversationId], bool],
    ) -> None:
        self._tell = tell
        self._decided = decided
        self._begun = begun
        self._credits = Credits(ACCOUNT_CREDITS)

    async def room(self) -> None:
        """Wait until another message may be offered: until then there is no use in fetching any."""
        await self._credits.room()

    async def deliver(self, conversation: ConversationId, arrivals: Sequence[Arrival]) -> bool:
        """Offer `arrivals` in order; whether all of them were confirmed."""
        for some in _chunks(arrivals):
            news = [one for one in some if not self._decided(one)]
            while news:
                taken = await self._credits.take(len(news))
                if not await self._offer(conversation, tuple(news[:taken]), taken):
                    return False
                del news[:taken]
        return True

    async def mark_as_seen(self, conversation: ConversationId, arrivals: Sequence[Arrival]) -> bool:
        """Offer what was there before us as a baseline; whether it was confirmed.

        All at once, since a conversation of which a part is marked counts as begun; so no texts.
        Nothing at all is offered too: it marks the conversation as one that we have begun with.
        """
        marks = tuple(
            replace(arrival, text="") for arrival in arrivals if not self._decided(arrival)
        )
        if not marks and self._begun(conversation):
            return True
        taken = await self._credits.take(min(max(1, len(marks)), CONVERSATION_CREDITS))
        return await self._offer(conversation, marks, taken, baseline=True)

    async def _offer(
        self,
        conversation: ConversationId,
        arrivals: tuple[Arrival, ...],
        taken: int,
        *,
        baseline: bool = False,
    ) -> bool:
        try:
            delivery = Delivery()
            self._tell(IncomingBatch(conversation, arrivals, delivery, baseline))
            return await delivery.confirmed()
        finally:
            self._credits.give_back(taken)


def _chunks(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    for start in range(0, len(arrivals), CONVERSATION_CREDITS):
        yield arrivals[start : start + CONVERSATION_CREDITS]
