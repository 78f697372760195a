"""The primary witness: the mesh's files, read through the feed.

One loop asks what changed since the cursor; every conversation with something wanted gets a task of
its own that fetches, delivers, and waits until it is decided. So a file that is slow to come, or a
conversation that is slow to decide, holds up nobody else. The cursor moves when all is decided.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from actors.messages import CursorReached, Observed
from actors.ztm.client import answers
from actors.ztm.client.client import ZtmClient
from actors.ztm.client.errors import AnswerUnreadable, ZtmError
from actors.ztm.client.paths import GroupInfo
from actors.ztm.health import Health
from actors.ztm.timing import Timing
from actors.ztm.watching.arrival_factory import ArrivalFactory, MessageFile, before_us
from actors.ztm.watching.catalogue import Catalogue, PendingFile
from actors.ztm.watching.deliveries import Deliveries
from actors.ztm.watching.fetching import Fetcher, FileUnavailable, TooLarge
from actors.ztm.watching.groups import Groups
from actors.ztm.watching.message_files import (
    arrivals_of,
    read_file,
    shown_by_the_chat_app,
    too_large,
)
from events.account.events import FeedReset
from events.account.state import AccountState
from events.event import Draft
from events.streams import ConversationId, GroupId, account_stream

log = logging.getLogger(__name__)

FILES_AT_A_TIME = 16
"""How many files of one conversation are read before they are delivered."""

CURSOR_EVERY_S = 5.0
"""How often the cursor is put on record while something behind it is still undecided."""


class Feed:
    """Reads the feed for one account.

    `tell` reaches the account's actor; `begun(conversation)` says whether a conversation has any
    event; `on_entry(conversation, time_ms)` hears of the newest entry of each file read that the
    Chat app should show too. `cursor`: ms of the hub's clock, 0 until the first baseline is taken.
    """

    def __init__(
        self,
        account: str,
        state: AccountState,
        *,
        client: ZtmClient,
        catalogue: Catalogue,
        arriving: ArrivalFactory,
        deliveries: Deliveries,
        groups: Groups,
        tell: Callable[[Any], None],
        begun: Callable[[ConversationId], bool],
        on_entry: Callable[[ConversationId, int], None],
        now_ms: Callable[[], int],
        timing: Timing,
        health: Health,
    ) -> None:
        self._stream = account_stream(account)
        self._client = client
        self._fetcher = Fetcher(client)
        self._catalogue = catalogue
        self._arriving = arriving
        self._deliveries = deliveries
        self._groups = groups
        self._tell = tell
        self._begun = begun
        self._on_entry = on_entry
        self._now_ms = now_ms
        self._timing = timing
        self._health = health
        self.cursor = state.cursor
        self._unavailable = state.unavailable
        self._heard_ms = state.heard_ms
        self._groups_turned_on = state.groups_turned_on
        self._first = True
        self._whole_due_s = 0.0
        self._reported_s = asyncio.get_running_loop().time()
        self._tasks: dict[ConversationId, asyncio.Task[None]] = {}
        for unavailable in state.unavailable:
            catalogue.add_unavailable(unavailable, state.heard_ms)

    def read_whole_list(self) -> None:
        """Read the whole list next time: something was missed."""
        self._whole_due_s = 0.0

    def is_reading(self, conversation: ConversationId) -> bool:
        """Whether what is new in the conversation is on its way."""
        return conversation in self._tasks

    def take_baseline(self, conversation: ConversationId) -> bool:
        """Whether what is found of the conversation was there before us."""
        return (
            self.cursor == 0
            or (isinstance(conversation, GroupId) and not self._begun(conversation))
            or any(
                pending_file.baseline and pending_file.conversation == conversation
                for pending_file in self._catalogue.pending.values()
            )
        )

    def begin_without_files(self) -> None:
        """The baseline was taken from the Chat API: what comes from now on is news."""
        self.cursor = 1
        self._tell(CursorReached(1, self._unavailable))

    async def cycle(self) -> bool:
        """Ask once and set off what follows; whether there was anything new. Raises `ZtmError`."""
        loop_s = asyncio.get_running_loop().time
        recent = max(0, self._catalogue.highest - self._timing.overlap_ms)
        since = 0 if loop_s() >= self._whole_due_s else recent
        answer = await self._client.files(since=since)
        whole = since == 0
        if whole:
            self._whole_due_s = loop_s() + self._timing.whole_list_s
            self._notice_other_hub(answer.files)
            for flaw in answer.flaws:
                log.warning("%s: the list of files: %s", self._stream, flaw)
        self._note(answer.files, whole=whole)
        started = self._start_due(loop_s(), whole=whole)
        self._report_cursor(now_s=None if self._groups_turned_on else loop_s())
        return started

    def _notice_other_hub(self, files: Mapping[str, answers.FileInfo]) -> None:
        """A hub whose clock is behind our cursor is not the one that the cursor is of.

        Less than the overlap is no harm: so far back is asked anyway. It happens when the newest
        file is no longer shown to us.
        """
        highest = max((info.since or 0 for info in files.values()), default=0)
        seen = max(self.cursor, self._catalogue.highest)
        if files and highest < seen - self._timing.overlap_ms:
            log.warning("%s: the hub's clock is behind the cursor: another hub", self._stream)
            self._tell(Observed((Draft(self._stream, FeedReset(seen, highest)),)))
            self._catalogue.forget()
            self.cursor = min(self.cursor, 1)

    def _note(self, files: Mapping[str, answers.FileInfo], *, whole: bool) -> None:
        now_ms = self._now_ms()
        first, self._first = self._first and whole, self._first and not whole
        self._catalogue.take(
            files,
            after=self.cursor - self._timing.overlap_ms if first else -1,
            since_ms=self._heard_ms,
            now_ms=now_ms,
            baseline=first and self.cursor == 0,
            baseline_groups=first and self._groups_turned_on,
        )
        self._heard_ms = now_ms
        self._health.feed_ms = now_ms

    def _start_due(self, now_s: float, *, whole: bool) -> bool:
        """Give every conversation with something due a task, unless it has one already."""
        started = False
        for conversation, paths in self._catalogue.due(now_s).items():
            if conversation in self._tasks:
                continue
            baseline = isinstance(conversation, GroupId) and not self._begun(conversation)
            if baseline and not whole:
                # What was published before we could see the group is in no answer but this one.
                self.read_whole_list()
                continue
            pending = self._catalogue.begin(paths, baseline=baseline)
            task = asyncio.create_task(self._guarded(conversation, pending))
            self._tasks[conversation] = task
            started = True
        return started

    async def _guarded(self, conversation: ConversationId, pending: dict[str, PendingFile]) -> None:
        try:
            await self._take_in(conversation, pending)
        except Exception:
            # A fault of ours in one conversation: said, tried again later, and nobody else's.
            log.exception("could not take in %s", conversation)
        finally:
            now_s = asyncio.get_running_loop().time()
            for path, pending_file in pending.items():
                self._catalogue.postpone(path, pending_file, now_s + self._pause_s(pending_file))
            del self._tasks[conversation]
            if not self._catalogue.held_up:
                self._report_cursor(now_s=now_s)

    def _pause_s(self, pending: PendingFile) -> float:
        """Longer from time to time; and with many owed files, few requests a second in all."""
        timing = self._timing
        pause_s = min(
            timing.unavailable_retry_s * 2.0 ** min(pending.failures, 16),
            timing.unavailable_retry_max_s,
        )
        return max(pause_s, len(self._catalogue.unavailable) * timing.unavailable_retry_s / 4)

    async def stop(self) -> None:
        """End the tasks; what they had delivered is decided or delivered again next time."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # One conversation

    async def _take_in(self, conversation: ConversationId, pending: dict[str, PendingFile]) -> None:
        """Fetch and deliver what is wanted of one conversation: first what was there before us,
        whole, then the rest."""
        earlier = {
            path: pending_file for path, pending_file in pending.items() if pending_file.baseline
        }
        if earlier and not await self._take_in_some(conversation, earlier, baseline=True):
            return
        rest = (
            (path, pending_file)
            for path, pending_file in pending.items()
            if not pending_file.baseline
        )
        while some := dict(islice(rest, FILES_AT_A_TIME)):
            if not await self._take_in_some(conversation, some, baseline=False):
                return

    async def _take_in_some(
        self, conversation: ConversationId, pending: dict[str, PendingFile], *, baseline: bool
    ) -> bool:
        fetched = await asyncio.gather(
            *(self._fetch(path, pending_file) for path, pending_file in pending.items())
        )
        files = [file for file in fetched if isinstance(file, MessageFile)]
        if baseline and None in fetched:
            # What is owed of it goes on record before the conversation counts as begun.
            self._report_cursor(now_s=None)
        if not await self._deliver(conversation, files, baseline=baseline):
            return False
        for (path, one), file in zip(pending.items(), fetched, strict=True):
            if file is not None:
                self._catalogue.decided(path, one)
        return True

    async def _deliver(
        self, conversation: ConversationId, files: list[MessageFile], *, baseline: bool
    ) -> bool:
        arrivals = await arrivals_of(self._arriving, conversation, files)
        self._health.inbound_ms = self._now_ms() if arrivals else self._health.inbound_ms
        self._health.unreadable += sum(1 for arrival in arrivals if arrival.malformed)
        if baseline:
            old, arrivals = before_us(arrivals, self._now_ms() - self._timing.fresh_ms)
            if not await self._deliveries.mark_as_seen(conversation, old):
                return False
        return await self._deliveries.deliver(conversation, arrivals)

    async def _fetch(self, path: str, pending: PendingFile) -> MessageFile | GroupInfo | None:
        """One file's content; `None` when it can't be had now, and will be tried again."""
        conversation = pending.conversation
        await self._deliveries.room()
        try:
            data = await self._fetcher.fetch(path, pending.sender)
        except TooLarge:
            data = None
        except FileUnavailable as error:
            log.debug("%s is owed: %s", path, error)
            self._catalogue.mark_unavailable(path, pending, self._now_ms())
            return None
        except ZtmError as error:
            log.debug("could not fetch %s: %s", path, error)
            return None
        if isinstance(pending.file, GroupInfo):
            self._see_group(pending.file, data or b"")
            return pending.file
        if data is None:
            return too_large(pending.file, pending)
        file = await read_file(data, pending.file, pending)
        if file.entries and shown_by_the_chat_app(data) and self._groups.is_listed(conversation):
            self._on_entry(conversation, max(entry.time for entry in file.entries))
        return file

    def _see_group(self, info: GroupInfo, data: bytes) -> None:
        try:
            self._groups.see(info.creator, info.group, answers.group(data))
        except AnswerUnreadable as error:
            log.warning("the info of group %s/%s: %s", info.creator, info.group, error)

    # The cursor

    def _report_cursor(self, *, now_s: float | None) -> None:
        """Say how far the cursor has come; while something holds it up, only now and then.

        `now_s` None: say it now.
        """
        catalogue, health = self._catalogue, self._health
        health.pending, health.unavailable = len(catalogue.pending), len(catalogue.unavailable)
        due = now_s is None or now_s - self._reported_s >= CURSOR_EVERY_S
        if self._first or (catalogue.held_up and not due):
            return
        if self.cursor == 0 and catalogue.baselining:
            # A cursor on record says that the baseline is taken: what comes after it is answered.
            return
        position, unavailable = catalogue.position(self.cursor)
        if (position, unavailable) != (self.cursor, self._unavailable) or self._groups_turned_on:
            self.cursor, self._unavailable = position, unavailable
            self._groups_turned_on = False
            self._reported_s = asyncio.get_running_loop().time()
            self._tell(CursorReached(position, unavailable))
