"""The primary witness: the mesh's files, read through the feed.

One loop asks what changed since the cursor; every conversation with something wanted gets a task of
its own that fetches, delivers, and waits until it is decided. So a file that is slow to come, or a
conversation that is slow to decide, holds up nobody else. The cursor moves when all is decided.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from actors.messages import CursorReached, GroupSeen, Observed
from actors.ztm import answers
from actors.ztm.arriving import Arriving, MessageFile
from actors.ztm.catalogue import Catalogue, Wanted
from actors.ztm.client import ZtmClient
from actors.ztm.deliveries import Deliveries
from actors.ztm.entries import parse_file
from actors.ztm.errors import AnswerTooLarge, AnswerUnreadable, ZtmError
from actors.ztm.health import Health
from actors.ztm.paths import GroupFile, GroupInfo, PeerFile
from actors.ztm.timing import Timing
from events.account import Account
from events.account_events import FeedReset
from events.arrivals import Arrival
from events.event import Draft
from events.standing import GroupFacts
from events.streams import Conversation, Group, account_stream

log = logging.getLogger(__name__)

FETCHES = 8
"""How many files are fetched at a time."""

FILE_BYTES = 16 * 2**20
"""The largest message file that is read, bytes."""

CURSOR_EVERY_S = 5.0
"""How often the cursor is put on record while something behind it is still undecided."""


class Feed:
    """Reads the feed for one account.

    `tell` reaches the account's actor; `begun(conversation)` says whether a conversation has any
    event; `on_entry(conversation, time_ms, sender)` hears of the newest entry of each file read.
    """

    def __init__(
        self,
        account: str,
        state: Account,
        *,
        client: ZtmClient,
        catalogue: Catalogue,
        arriving: Arriving,
        deliveries: Deliveries,
        tell: Callable[[Any], None],
        begun: Callable[[Conversation], bool],
        on_entry: Callable[[Conversation, int, str], None],
        now_ms: Callable[[], int],
        timing: Timing,
        health: Health,
        baseline_groups: bool = False,
    ) -> None:
        self._stream = account_stream(account)
        self._client = client
        self._catalogue = catalogue
        self._arriving = arriving
        self._deliveries = deliveries
        self._tell = tell
        self._begun = begun
        self._on_entry = on_entry
        self._now_ms = now_ms
        self._timing = timing
        self._health = health
        self._cursor = state.cursor
        self._owed = state.owed
        self._heard_ms = state.heard_ms
        self._baseline_groups = baseline_groups
        self._first = True
        self._whole_due_s = 0.0
        self._reported_s = 0.0
        self._fetching = asyncio.Semaphore(FETCHES)
        self._tasks: dict[Conversation, asyncio.Task[None]] = {}
        for owed in state.owed:
            catalogue.owe(owed)

    def read_whole_list(self) -> None:
        """Read the whole list next time: something was missed."""
        self._whole_due_s = 0.0

    async def cycle(self) -> bool:
        """Ask once and set off what follows; whether there was anything new. Raises `ZtmError`."""
        loop_s = asyncio.get_running_loop().time
        whole = loop_s() >= self._whole_due_s
        since = 0 if whole else max(0, self._catalogue.highest - self._timing.overlap_ms)
        answer = await self._client.files(since=since)
        if whole:
            self._whole_due_s = loop_s() + self._timing.whole_list_s
            self._notice_other_hub(answer.files)
        self._note(answer.files, whole=whole)
        started = self._start_due(loop_s())
        self._report_cursor(held_up=loop_s() - self._reported_s >= CURSOR_EVERY_S)
        return started

    def _notice_other_hub(self, files: Mapping[str, answers.FileInfo]) -> None:
        """A hub whose clock is behind our cursor is not the one that the cursor is of."""
        highest = max((info.since or 0 for info in files.values()), default=0)
        seen = max(self._cursor, self._catalogue.highest)
        if files and highest < seen:
            self._tell(Observed((Draft(self._stream, FeedReset(seen, highest)),)))
            self._catalogue.forget()
            self._cursor = 0 if self._cursor == 0 else 1

    def _note(self, files: Mapping[str, answers.FileInfo], *, whole: bool) -> None:
        now_ms = self._now_ms()
        first, self._first = self._first and whole, self._first and not whole
        self._catalogue.take(
            files,
            after=self._cursor - self._timing.overlap_ms if first else -1,
            since_ms=self._heard_ms,
            now_ms=now_ms,
            baseline=first and self._cursor == 0,
            baseline_groups=first and self._baseline_groups,
        )
        self._heard_ms = now_ms
        self._health.feed_ms = now_ms

    def _start_due(self, now_s: float) -> bool:
        """Give every conversation with something due a task, unless it has one already."""
        due = [
            conversation
            for _, wanted in self._catalogue.due(now_s)
            if (conversation := self._catalogue.conversation(wanted.file))
        ]
        for conversation in dict.fromkeys(due):
            if conversation not in self._tasks:
                self._tasks[conversation] = asyncio.create_task(self._guarded(conversation))
        return bool(due)

    async def _guarded(self, conversation: Conversation) -> None:
        try:
            await self._take_in(conversation)
        except Exception:
            # A fault of ours in one conversation: said, tried again later, and nobody else's.
            log.exception("could not take in %s", conversation)
        finally:
            del self._tasks[conversation]
            self._report_cursor(held_up=False)

    async def stop(self) -> None:
        """End the tasks; what they had delivered is decided or delivered again next time."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_in(self, conversation: Conversation) -> None:
        """Fetch and deliver what is due of one conversation."""
        loop_s = asyncio.get_running_loop().time
        due = [
            (path, wanted, wanted.hash)
            for path, wanted in self._catalogue.due(loop_s())
            if self._catalogue.conversation(wanted.file) == conversation
        ]
        for path, _, _ in due:
            self._catalogue.postpone(path, loop_s() + self._timing.owed_retry_s, owed=False)
        fetched = await asyncio.gather(*(self._fetch(path, wanted) for path, wanted, _ in due))
        files = [file for file in fetched if isinstance(file, MessageFile)]
        baseline = any(wanted.baseline for _, wanted, _ in due) or (
            isinstance(conversation, Group) and not self._begun(conversation)
        )
        if (files or baseline) and not await self._deliver(conversation, files, baseline=baseline):
            return
        for (path, _, file_hash), file in zip(due, fetched, strict=True):
            if file is not None:
                self._catalogue.decided(path, file_hash)

    async def _deliver(
        self, conversation: Conversation, files: list[MessageFile], *, baseline: bool
    ) -> bool:
        arrivals = self._arriving.from_files(conversation, files)
        self._health.inbound_ms = self._now_ms()
        self._health.unreadable += sum(1 for one in arrivals if one.malformed)
        if baseline:
            old, arrivals = self._split(arrivals)
            if not await self._deliveries.deliver(conversation, old, baseline=True):
                return False
        return await self._deliveries.deliver(conversation, arrivals)

    def _split(self, arrivals: list[Arrival]) -> tuple[list[Arrival], list[Arrival]]:
        """What was there before us, and what is fresh enough to be answered all the same."""
        horizon = self._now_ms() - self._timing.fresh_ms
        old = [one for one in arrivals if one.sent_ms < horizon]
        return old, [one for one in arrivals if one.sent_ms >= horizon]

    async def _fetch(self, path: str, wanted: Wanted) -> MessageFile | GroupInfo | None:
        """One file's content; `None` when it can't be had now, and will be tried again."""
        try:
            async with self._fetching:
                data = await self._client.file_data(path)
        except AnswerTooLarge:
            # It will never be smaller: record it as unreadable rather than ask for it for ever.
            data = b""
        except ZtmError as error:
            log.debug("could not fetch %s: %s", path, error)
            return None
        if data is None:
            retry_s = asyncio.get_running_loop().time() + self._timing.owed_retry_s
            self._catalogue.postpone(path, retry_s, owed=True)
            return None
        match wanted.file:
            case GroupInfo() as info:
                self._see_group(info, data)
                return info
            case PeerFile(sender, _, ms) | GroupFile(sender, _, _, ms):
                entries, flaws = parse_file(data, limit=FILE_BYTES)
        conversation = self._catalogue.conversation(wanted.file)
        if entries and conversation:
            newest = max(entries, key=lambda entry: entry.time)
            self._on_entry(conversation, newest.time, sender)
        return MessageFile(sender, ms, tuple(entries), tuple(flaws), wanted.available_ms)

    def _see_group(self, info: GroupInfo, data: bytes) -> None:
        try:
            found = answers.group(data)
        except AnswerUnreadable as error:
            log.warning("the info of group %s/%s: %s", info.creator, info.group, error)
            return
        facts = GroupFacts(found.name, frozenset(found.members))
        self._health.groups[f"{info.creator}/{info.group}"] = found.name
        self._tell(GroupSeen(info.creator, info.group, facts))

    def _report_cursor(self, *, held_up: bool) -> None:
        """Say how far the cursor has come; while something holds it up, only if `held_up`."""
        catalogue = self._catalogue
        self._health.wanted = len(catalogue.wanted)
        self._health.owed = sum(1 for one in catalogue.wanted.values() if one.owed)
        if self._health.wanted > self._health.owed and not held_up:
            return
        if self._cursor == 0 and catalogue.baselining():
            # A cursor on record says that the baseline is taken: what comes after it is answered.
            return
        position, owed = catalogue.position()
        if position > self._cursor or owed != self._owed:
            self._cursor = max(position, self._cursor)
            self._owed = owed
            self._reported_s = asyncio.get_running_loop().time()
            self._tell(CursorReached(self._cursor, owed))
