"""The second witness: the Chat API, polled as the user's document says.

It confirms the feed, and stands in for it where the agent gives no files. ZTM behaviour: each
reading of a chat's messages resets the unread counters that people see in their own client. So they
are only read when the two witnesses disagree, or when this one is alone.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from actors.messages import Observed
from actors.ztm.client.answers import Chat, GroupChat, PeerChat
from actors.ztm.client.client import ZtmClient
from actors.ztm.client.errors import ZtmError
from actors.ztm.health import Health
from actors.ztm.timing import Timing
from actors.ztm.watching.arrival_factory import ArrivalFactory, before_us
from actors.ztm.watching.deafness_detector import DeafnessDetector
from actors.ztm.watching.deliveries import Deliveries
from actors.ztm.watching.feed import Feed
from actors.ztm.watching.groups import Groups
from events.account.events import FeedBroken
from events.conversation.arrivals import Arrival
from events.event import Draft
from events.streams import ConversationId, GroupId, PeerId, account_stream

log = logging.getLogger(__name__)

LOOK_BACK_MS = 86_400_000
"""How far before the newest message of a chat its messages are read."""

READINGS = 4
"""How many chats are read at a time."""

Newest = tuple[int, str]
"""Time and sender of a chat's newest message. ZTM behaviour: its identity to the Chat app."""


class ChatSource:
    """Polls the chats of one account. `seen(identity)` asks the dedup index; `heard_ms`: when (our
    clock) an earlier process last heard of anything.
    """

    def __init__(
        self,
        account: str,
        own: str,
        *,
        groups_count: bool,
        client: ZtmClient,
        feed: Feed,
        arriving: ArrivalFactory,
        deliveries: Deliveries,
        groups: Groups,
        sentinel: DeafnessDetector,
        tell: Callable[[Any], None],
        seen: Callable[[bytes], bool],
        heard_ms: int,
        now_ms: Callable[[], int],
        timing: Timing,
        health: Health,
    ) -> None:
        self._account = account
        self._own = own
        self._groups_count = groups_count
        self._client = client
        self._feed = feed
        self._arriving = arriving
        self._deliveries = deliveries
        self._groups = groups
        self._sentinel = sentinel
        self._tell = tell
        self._seen = seen
        self._heard_ms = heard_ms
        self._now_ms = now_ms
        self._timing = timing
        self._health = health
        self._newest: dict[ConversationId, Newest] = {}
        self._updated: dict[ConversationId, int] = {}
        self._unseen: dict[ConversationId, float] = {}
        self._whole_due_s = 0.0
        self._unread: set[ConversationId] = set()
        self._again_s: dict[ConversationId, float] = {}
        self._reading = asyncio.Semaphore(READINGS)
        self._tasks: dict[ConversationId, asyncio.Task[None]] = {}

    async def poll(self) -> int:
        """Look at all chats once; how many entries of the files they lack. Raises `ZtmError`."""
        listing = await self._client.chats()
        now_s, heard_ms = asyncio.get_running_loop().time(), self._heard_ms
        self._heard_ms = self._health.chat_ms = self._now_ms()
        chats = {
            conversation: chat
            for chat in listing.items
            if (conversation := self._conversation(chat))
        }
        missing = self._sentinel.chats_show(
            {conversation: chat.time for conversation, chat in chats.items()}, now_s
        )
        if self._health.source == "chat":
            self._read_alone(chats, now_s, heard_ms)
        else:
            self._whole_due_s = 0.0
            self._confirm(chats, now_s, heard_ms)
        return missing

    async def stop(self) -> None:
        """End the readings; what they had delivered is decided or delivered again next time."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _conversation(self, chat: Chat) -> ConversationId | None:
        match chat:
            case PeerChat(peer) if peer != self._own:
                return PeerId(self._account, peer)
            case GroupChat(creator, group) if self._groups_count:
                return GroupId(self._account, creator, group)
        return None

    # Beside the feed

    def _confirm(self, chats: dict[ConversationId, Chat], now_s: float, heard_ms: int) -> None:
        """Read the chats whose newest message the feed has not brought in time."""
        if self._feed.cursor == 0:
            return  # The feed takes the baseline; until then nothing can be told from it.
        for conversation, chat in chats.items():
            self._compare(conversation, chat, now_s)
        grace_s = self._timing.chat_grace_s
        overdue = [one for one, since in self._unseen.items() if now_s - since >= grace_s]
        if not overdue:
            return
        broken = FeedBroken(len(overdue))
        self._tell(Observed((Draft(account_stream(self._account), broken),)))
        self._feed.read_whole_list()
        for conversation in overdue:
            del self._unseen[conversation]
            if conversation in chats:
                self._begin(conversation, chats[conversation], heard_ms, whole=False)

    def _compare(self, conversation: ConversationId, chat: Chat, now_s: float) -> None:
        """Note since when the newest message of a chat is news to the log."""
        latest = chat.latest
        if latest is None or conversation in self._tasks:
            return
        newest = (latest.time, latest.sender)
        if self._newest.get(conversation) == newest:
            return
        on_its_way = latest.sender == self._own or self._feed.is_reading(conversation)
        if on_its_way or self._seen(self._arriving.identity_of(conversation, latest)):
            self._unseen.pop(conversation, None)
            if not self._feed.is_reading(conversation):
                self._newest[conversation] = newest
        else:
            self._unseen.setdefault(conversation, now_s)

    # Alone

    def _read_alone(self, chats: dict[ConversationId, Chat], now_s: float, heard_ms: int) -> None:
        """Read every chat that shows a sign of news; now and then all of all, as some news gives no
        sign: late ones, and those behind a clock ahead."""
        if now_s >= self._whole_due_s:
            self._whole_due_s = now_s + self._timing.whole_list_s
            self._unread = {one for one, chat in chats.items() if chat.latest is not None}
        self._unread &= chats.keys()
        for conversation, chat in chats.items():
            whole = conversation in self._unread
            news = whole or self._shows_news(conversation, chat)
            if news and now_s >= self._again_s.get(conversation, 0.0):
                self._begin(conversation, chat, heard_ms, whole=whole)
        if self._feed.cursor == 0 and not self._unread:
            self._feed.begin_without_files()

    def _shows_news(self, conversation: ConversationId, chat: Chat) -> bool:
        """ZTM behaviour: `updated` counts what others wrote since anybody last read the chat."""
        if chat.latest is None:
            return False
        newest = (chat.latest.time, chat.latest.sender)
        more = chat.updated > self._updated.get(conversation, 0)
        self._updated[conversation] = chat.updated
        return more or self._newest.get(conversation) != newest

    # Reading a chat's messages

    def _begin(
        self, conversation: ConversationId, chat: Chat, heard_ms: int, *, whole: bool
    ) -> None:
        if conversation not in self._tasks:
            work = self._guarded(conversation, chat, heard_ms, whole=whole)
            self._tasks[conversation] = asyncio.create_task(work)

    async def _guarded(
        self, conversation: ConversationId, chat: Chat, heard_ms: int, *, whole: bool
    ) -> None:
        """Read one chat. Its trouble is its own: said, and tried again later."""
        done = False
        try:
            async with self._reading:
                arrivals = await self._read(conversation, chat, heard_ms, whole=whole)
            done = await self._deliver(conversation, arrivals)
        except ZtmError as error:
            log.warning("could not read the chat %s: %s", conversation, error)
        except Exception:
            log.exception("could not take in the chat %s", conversation)
        finally:
            del self._tasks[conversation]
            self._read_through(conversation, chat, done=done, whole=whole)

    def _read_through(
        self, conversation: ConversationId, chat: Chat, *, done: bool, whole: bool
    ) -> None:
        now_s = asyncio.get_running_loop().time()
        if not done:
            self._newest.pop(conversation, None)
            self._again_s[conversation] = now_s + self._timing.unavailable_retry_s
            return
        self._again_s.pop(conversation, None)
        self._updated[conversation] = 0
        if whole:
            self._unread.discard(conversation)
        if chat.latest is not None:
            self._newest[conversation] = (chat.latest.time, chat.latest.sender)

    async def _read(
        self, conversation: ConversationId, chat: Chat, heard_ms: int, *, whole: bool
    ) -> list[Arrival]:
        all_of_it = whole or self._feed.take_baseline(conversation)
        since = None if all_of_it else max(0, min(chat.time, self._now_ms()) - LOOK_BACK_MS)
        match conversation:
            case PeerId(_, name):
                found = await self._client.peer_messages(name, since=since)
            case GroupId(_, creator, group):
                info = await self._client.group(creator, group)
                if info is not None:
                    self._groups.see(creator, group, info)
                found = await self._client.group_messages(creator, group, since=since)
        self._health.unreadable += len(found.flaws)
        for flaw in found.flaws:
            log.warning("a message in the chat %s: %s", conversation, flaw)
        return self._arriving.from_chat(
            conversation, found.items, heard_ms=heard_ms, now_ms=self._now_ms()
        )

    async def _deliver(self, conversation: ConversationId, arrivals: list[Arrival]) -> bool:
        if self._feed.take_baseline(conversation):
            old, arrivals = before_us(arrivals, self._now_ms() - self._timing.fresh_ms)
            if not await self._deliveries.mark_as_seen(conversation, old):
                return False
        self._health.inbound_ms = self._now_ms()
        return await self._deliveries.deliver(conversation, arrivals)
