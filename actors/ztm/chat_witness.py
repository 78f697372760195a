"""The second witness: the Chat API, polled as the user's document says.

It confirms the feed, and stands in for it where the agent gives no files. A chat's messages are
only read when the two witnesses disagree: ZTM behaviour: each reading resets the unread counters
that people see in their own client.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from actors.messages import GroupSeen, Observed
from actors.ztm.answers import Chat, GroupChat, PeerChat
from actors.ztm.arriving import Arriving
from actors.ztm.client import ZtmClient
from actors.ztm.deliveries import Deliveries
from actors.ztm.health import Health
from actors.ztm.sentinel import Sentinel
from actors.ztm.timing import Timing
from events.account_events import FeedBroken
from events.event import Draft
from events.standing import GroupFacts
from events.streams import Conversation, Group, Peer, account_stream

log = logging.getLogger(__name__)

LOOK_BACK_MS = 86_400_000
"""How far before the newest message of a chat its messages are read."""


class ChatWitness:
    """Polls the chats of one account.

    `seen(identity)` asks the dedup index; `begun(conversation)` whether it has any event;
    `feed_missed()` is called when the Chat app shows what the files did not.
    """

    def __init__(
        self,
        account: str,
        own: str,
        *,
        groups: bool,
        client: ZtmClient,
        arriving: Arriving,
        deliveries: Deliveries,
        sentinel: Sentinel,
        tell: Callable[[Any], None],
        seen: Callable[[bytes], bool],
        begun: Callable[[Conversation], bool],
        first_time: bool,
        feed_missed: Callable[[], None],
        now_ms: Callable[[], int],
        timing: Timing,
        health: Health,
    ) -> None:
        self._account = account
        self._own = own
        self._groups = groups
        self._client = client
        self._arriving = arriving
        self._deliveries = deliveries
        self._sentinel = sentinel
        self._tell = tell
        self._seen = seen
        self._begun = begun
        self._first_time = first_time
        self._feed_missed = feed_missed
        self._now_ms = now_ms
        self._timing = timing
        self._health = health
        self._latest: dict[Conversation, bytes] = {}
        self._unseen: dict[Conversation, float] = {}

    async def poll(self) -> int:
        """Look at all chats once; how many entries of the files they lack. Raises `ZtmError`."""
        listing = await self._client.chats()
        now_s = asyncio.get_running_loop().time()
        self._health.chat_ms = self._now_ms()
        chats = {
            conversation: chat
            for chat in listing.items
            if (conversation := self._conversation(chat))
        }
        missing = self._sentinel.chats_show(
            {conversation: chat.time for conversation, chat in chats.items()}, now_s
        )
        for conversation, chat in chats.items():
            self._compare(conversation, chat, now_s)
        await self._read_overdue(chats, now_s)
        self._first_time = False
        return missing

    def _conversation(self, chat: Chat) -> Conversation | None:
        match chat:
            case PeerChat(peer) if peer != self._own:
                return Peer(self._account, peer)
            case GroupChat(creator, group) if self._groups:
                return Group(self._account, creator, group)
        return None

    def _compare(self, conversation: Conversation, chat: Chat, now_s: float) -> None:
        """Note since when the newest message of a chat is news to the log.

        One of our own says nothing, except that another may stand behind it: where the Chat API is
        alone, that is looked for.
        """
        if chat.latest is None:
            return
        newest = self._arriving.identity_of(conversation, chat.latest)
        if self._latest.get(conversation) == newest and conversation not in self._unseen:
            return
        self._latest[conversation] = newest
        own = chat.latest.sender == self._own
        if self._seen(newest) or (own and self._health.witness == "feed"):
            self._unseen.pop(conversation, None)
        else:
            self._unseen.setdefault(conversation, now_s)

    async def _read_overdue(self, chats: dict[Conversation, Chat], now_s: float) -> None:
        """Read the chats whose newest message the feed has not brought in time."""
        alone = self._health.witness == "chat"
        grace_s = 0.0 if alone else self._timing.chat_grace_s
        overdue = [one for one, since in self._unseen.items() if now_s - since >= grace_s]
        if not overdue:
            return
        if not alone:
            broken = FeedBroken(len(overdue))
            self._tell(Observed((Draft(account_stream(self._account), broken),)))
            self._feed_missed()
        for conversation in overdue:
            if conversation in chats:
                await self._read(conversation, chats[conversation])
            del self._unseen[conversation]

    async def _read(self, conversation: Conversation, chat: Chat) -> None:
        since = None if self._first_time else max(0, chat.time - LOOK_BACK_MS)
        match conversation:
            case Peer(_, name):
                found = await self._client.peer_messages(name, since=since)
            case Group(_, creator, group):
                await self._see_group(creator, group)
                found = await self._client.group_messages(creator, group, since=since)
        self._health.unreadable += len(found.flaws)
        for flaw in found.flaws:
            log.warning("a message in the chat %s: %s", conversation, flaw)
        now_ms = self._now_ms()
        arrivals = self._arriving.from_chat(conversation, found.items, now_ms)
        first = self._first_time or (
            isinstance(conversation, Group) and not self._begun(conversation)
        )
        if first:
            horizon = now_ms - self._timing.fresh_ms
            old = [one for one in arrivals if one.sent_ms < horizon]
            arrivals = [one for one in arrivals if one.sent_ms >= horizon]
            if not await self._deliveries.deliver(conversation, old, baseline=True):
                return
        self._health.inbound_ms = now_ms
        await self._deliveries.deliver(conversation, arrivals)

    async def _see_group(self, creator: str, group: str) -> None:
        found = await self._client.group(creator, group)
        if found is not None:
            facts = GroupFacts(found.name, frozenset(found.members))
            self._health.groups[f"{creator}/{group}"] = found.name
            self._tell(GroupSeen(creator, group, facts))
