"""The second source: the Chat API, polled as the user's document says.

It confirms the feed, and stands in for it where the agent gives no files. ZTM behaviour: each
reading of a chat's messages resets the unread counters that people see in their own client. So they
are only read when the two sources disagree, or when this one is alone.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable

from actors.ztm.account_link import AccountLink
from actors.ztm.client.answers import Chat, GroupChat, PeerChat
from actors.ztm.client.entries import RawMessage
from actors.ztm.delivering.deliveries import Deliveries
from actors.ztm.delivering.groups import Groups
from actors.ztm.reading.arrival_factory import ArrivalFactory
from actors.ztm.watching.deafness_detector import DeafnessDetector
from actors.ztm.watching.feed import Feed
from actors.ztm.watching.supervised import ConversationTasks
from events.account.events import FeedBroken
from events.conversation.arrivals import Arrival
from events.streams import ConversationId, GroupId, PeerId

log = logging.getLogger(__name__)

LOOK_BACK_MS = 86_400_000
"""How far before the newest message of a chat its messages are read."""

READINGS = 4
"""How many chats are read at a time."""

Newest = tuple[int, str]
"""Time and sender of a chat's newest message. ZTM behaviour: its identity to the Chat app."""


class ChatSource:
    """Polls the chats of one account, beside `feed`. `heard_ms`: when (our clock) anything was last
    heard by an earlier process.
    """

    def __init__(
        self,
        link: AccountLink,
        feed: Feed,
        arrivals: ArrivalFactory,
        deliveries: Deliveries,
        groups: Groups,
        detector: DeafnessDetector,
        *,
        heard_ms: int,
    ) -> None:
        self._link = link
        self._feed = feed
        self._arrivals = arrivals
        self._deliveries = deliveries
        self._groups = groups
        self._detector = detector
        self._heard_ms = heard_ms
        self._newest: dict[ConversationId, Newest] = {}
        self._updated: dict[ConversationId, int] = {}
        self._unseen: dict[ConversationId, float] = {}
        self._whole_due_s = 0.0
        self._unread: set[ConversationId] = set()
        self._again_s: dict[ConversationId, float] = {}
        self._failures: Counter[ConversationId] = Counter()
        self._reading = asyncio.Semaphore(READINGS)
        self._tasks = ConversationTasks()

    async def poll(self) -> int:
        """Look at all chats once; how many entries of the files they lack. Raises `ZtmError`."""
        listing = await self._link.client.chats()
        now_s, heard_ms = asyncio.get_running_loop().time(), self._heard_ms
        self._heard_ms = self._link.health.chat_ms = self._link.now_ms()
        chats = {
            conversation: chat
            for chat in listing.items
            if (conversation := self._conversation(chat))
        }
        missing = self._detector.chats_show(
            {conversation: chat.time for conversation, chat in chats.items()}, now_s
        )
        if self._link.health.source == "chat":
            self._hear_time(chats.values())
            self._read_alone(chats, now_s, heard_ms)
        else:
            self._whole_due_s = 0.0
            self._confirm(chats, now_s, heard_ms)
        return missing

    def _hear_time(self, chats: Iterable[Chat]) -> None:
        """Without files no hub gives its time: what others say is all there is."""
        for chat in chats:
            if chat.latest is not None and chat.latest.sender != self._link.username:
                self._link.mesh_clock.heard(chat.latest.time)

    async def stop(self) -> None:
        """End the readings; what they had delivered is decided, or delivered again next time."""
        await self._tasks.stop()

    def _conversation(self, chat: Chat) -> ConversationId | None:
        match chat:
            case PeerChat(peer) if peer != self._link.username:
                return PeerId(self._link.id, peer)
            case GroupChat(creator, group) if self._link.groups:
                return GroupId(self._link.id, creator, group)
        return None

    # Beside the feed

    def _confirm(self, chats: dict[ConversationId, Chat], now_s: float, heard_ms: int) -> None:
        """Read the chats whose newest message the feed has not brought in time."""
        if not self._feed.has_begun:
            return  # The feed takes the baseline; until then nothing can be told from it.
        for conversation, chat in chats.items():
            self._compare(conversation, chat, now_s)
        grace_s = self._link.timing.chat_grace_s
        overdue = [
            conversation
            for conversation, since_s in self._unseen.items()
            if now_s - since_s >= grace_s
        ]
        if not overdue:
            return
        self._link.observe(FeedBroken(len(overdue)))
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
        on_its_way = latest.sender == self._link.username or self._feed.is_reading(conversation)
        if on_its_way or self._is_on_record(conversation, latest):
            self._unseen.pop(conversation, None)
            if not self._feed.is_reading(conversation):
                self._newest[conversation] = newest
        else:
            self._unseen.setdefault(conversation, now_s)

    def _is_on_record(self, conversation: ConversationId, message: RawMessage) -> bool:
        identity = self._arrivals.identity_of(conversation, message)
        return self._deliveries.on_record.seen(identity)

    # Alone

    def _read_alone(self, chats: dict[ConversationId, Chat], now_s: float, heard_ms: int) -> None:
        """Read every chat that shows a sign of news; now and then all of all, as some news gives no
        sign: late ones, and those behind a clock ahead."""
        if now_s >= self._whole_due_s:
            self._whole_due_s = now_s + self._link.timing.whole_list_s
            self._unread = {
                conversation for conversation, chat in chats.items() if chat.latest is not None
            }
        self._unread &= chats.keys()
        for conversation, chat in chats.items():
            whole = conversation in self._unread
            news = whole or self._shows_news(conversation, chat)
            if news and now_s >= self._again_s.get(conversation, 0.0):
                self._begin(conversation, chat, heard_ms, whole=whole)
        if not self._feed.has_begun and not self._unread:
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
        """Have one chat read. Its trouble is its own: said, and tried again later."""
        if conversation in self._tasks:
            return

        async def work() -> bool:
            async with self._reading:
                arrivals = await self._read(conversation, chat, heard_ms, whole=whole)
            return arrivals is not None and await self._deliver(conversation, arrivals)

        def ended(done: bool | None) -> None:
            if done:
                self._read_through(conversation, chat, whole=whole)
            else:
                self._postpone(conversation, failed=done is None)

        self._tasks.start(conversation, work, ended)

    def _postpone(self, conversation: ConversationId, *, failed: bool) -> None:
        self._newest.pop(conversation, None)
        pause_s = self._link.timing.retry_pause_s(self._failures[conversation])
        self._failures[conversation] += failed
        self._again_s[conversation] = asyncio.get_running_loop().time() + pause_s

    def _read_through(self, conversation: ConversationId, chat: Chat, *, whole: bool) -> None:
        self._again_s.pop(conversation, None)
        self._failures.pop(conversation, None)
        self._updated[conversation] = 0
        if whole:
            self._unread.discard(conversation)
        if chat.latest is not None:
            self._newest[conversation] = (chat.latest.time, chat.latest.sender)

    async def _read(
        self, conversation: ConversationId, chat: Chat, heard_ms: int, *, whole: bool
    ) -> list[Arrival] | None:
        """The messages of a chat; `None` when it was refused that its group has these members."""
        link = self._link
        all_of_it = whole or self._feed.in_baseline(conversation)
        since = None if all_of_it else max(0, min(chat.time, link.wall_ms()) - LOOK_BACK_MS)
        match conversation:
            case PeerId(_, name):
                found = await link.client.peer_messages(name, since=since)
            case GroupId(_, creator, group):
                details = await link.client.group(creator, group)
                if details is not None and not await self._groups.see(conversation, details):
                    return None
                found = await link.client.group_messages(creator, group, since=since)
        link.health.unreadable += len(found.flaws)
        for flaw in found.flaws:
            log.warning("a message in the chat %s: %s", conversation, flaw)
        return self._arrivals.from_chat(
            conversation,
            found.items,
            heard_ms=heard_ms,
            now_ms=link.now_ms(),
            ahead_ms=link.ahead_ms(),
        )

    async def _deliver(self, conversation: ConversationId, arrivals: list[Arrival]) -> bool:
        if self._feed.in_baseline(conversation):
            return await self._deliveries.deliver_baseline(conversation, arrivals)
        return await self._deliveries.deliver(conversation, arrivals)
