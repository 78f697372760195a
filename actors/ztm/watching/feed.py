"""The primary source: the mesh's files, read through the feed.

One loop asks what changed since the cursor; every conversation with something pending gets a task
of its own that fetches, delivers, and waits until it is decided. So a file that is slow to come, or
a conversation that is slow to decide, holds up nobody else. The cursor moves when all is decided.
"""

import asyncio
import logging
from collections.abc import Mapping

from actors.ztm.account_link import AccountLink
from actors.ztm.client.answers import FileInfo
from actors.ztm.delivering.on_record import OnRecord
from actors.ztm.reading.catalogue import Catalogue, PendingFile
from actors.ztm.reading.file_reader import FileReader
from actors.ztm.watching.cursor import Cursor
from actors.ztm.watching.supervised import ConversationTasks
from events.account.events import FeedReset
from events.account.state import AccountState
from events.streams import ConversationId, GroupId

log = logging.getLogger(__name__)

OLD_FAILURES = 8
"""After so many tries a file is taken for one that won't come soon."""


class Feed:
    """Reads the feed for one account, from the cursor in `state`."""

    def __init__(
        self,
        link: AccountLink,
        state: AccountState,
        catalogue: Catalogue,
        cursor: Cursor,
        reader: FileReader,
        on_record: OnRecord,
    ) -> None:
        self._link = link
        self._catalogue = catalogue
        self._cursor = cursor
        self._reader = reader
        self._on_record = on_record
        self._heard_ms = state.heard_ms
        self._first = True
        self._whole_due_s = 0.0
        self._tasks = ConversationTasks()
        for unavailable in state.unavailable:
            catalogue.add_unavailable(unavailable, state.heard_ms)

    @property
    def has_begun(self) -> bool:
        """Whether the first baseline is taken."""
        return self._cursor.position > 0

    def read_whole_list(self) -> None:
        """Read the whole list next time: something was missed."""
        self._whole_due_s = 0.0

    def is_reading(self, conversation: ConversationId) -> bool:
        """Whether what is new in the conversation is on its way."""
        return conversation in self._tasks

    def in_baseline(self, conversation: ConversationId) -> bool:
        """Whether what is found of the conversation was there before us."""
        return (
            not self.has_begun
            or self._is_new_group(conversation)
            or any(
                pending.baseline and pending.conversation == conversation
                for pending in self._catalogue.pending.values()
            )
        )

    def begin_without_files(self) -> None:
        """The baseline was taken from the Chat API: what comes from now on is news."""
        self._cursor.begin_without_files()

    async def cycle(self) -> bool:
        """Ask once and set off what follows; whether there was anything new. Raises `ZtmError`."""
        loop_s, timing = asyncio.get_running_loop().time, self._link.timing
        recent = max(0, self._catalogue.highest - timing.overlap_ms)
        since = 0 if loop_s() >= self._whole_due_s else recent
        answer = await self._link.client.files(since=since)
        whole = since == 0
        if whole:
            self._whole_due_s = loop_s() + timing.whole_list_s
            self._notice_other_hub(answer.files)
            for flaw in answer.flaws:
                log.warning("%s: the list of files: %s", self._link.stream, flaw)
        self._link.mesh_clock.heard(_newest_ms(answer.files))
        self._note(answer.files, whole=whole)
        started = self._start_due(loop_s(), whole=whole)
        self._report()
        return started

    async def stop(self) -> None:
        """End the tasks; what they had delivered is decided, or delivered again next time."""
        await self._tasks.stop()
        self._cursor.stop()

    def _is_new_group(self, conversation: ConversationId) -> bool:
        return isinstance(conversation, GroupId) and not self._on_record.begun(conversation)

    def _notice_other_hub(self, files: Mapping[str, FileInfo]) -> None:
        """A hub whose clock is behind our cursor is not the one that the cursor is of.

        Less than the overlap is no harm: so far back is asked anyway. It happens when the newest
        file is no longer shown to us.
        """
        highest = _newest_ms(files)
        seen = max(self._cursor.position, self._catalogue.highest)
        if files and highest < seen - self._link.timing.overlap_ms:
            log.warning("%s: the hub's clock is behind the cursor: another hub", self._link.stream)
            self._link.observe(FeedReset(seen, highest))
            self._catalogue.forget()
            self._cursor.reset()

    def _note(self, files: Mapping[str, FileInfo], *, whole: bool) -> None:
        now_ms = self._link.now_ms()
        first, self._first = self._first and whole, self._first and not whole
        position = self._cursor.position
        self._catalogue.take(
            files,
            after=position - self._link.timing.overlap_ms if first else -1,
            since_ms=self._heard_ms,
            now_ms=now_ms,
            ahead_ms=self._link.ahead_ms(),
            baseline=first and position == 0,
            baseline_groups=first and self._cursor.groups_turned_on,
        )
        self._heard_ms = now_ms
        self._link.health.feed_ms = now_ms

    def _start_due(self, now_s: float, *, whole: bool) -> bool:
        """Give every conversation with something due a task, unless it has one already."""
        started = False
        for conversation, paths in self._catalogue.due(now_s).items():
            if conversation in self._tasks:
                continue
            baseline = self._is_new_group(conversation)
            if baseline and not whole:
                # What was published before we could see the group is in no answer but this one.
                self.read_whole_list()
                continue
            self._start(conversation, self._catalogue.begin(paths, baseline=baseline))
            started = True
        return started

    def _start(self, conversation: ConversationId, pending: dict[str, PendingFile]) -> None:
        async def work() -> bool:
            await self._reader.take_in(conversation, pending)
            return True

        def ended(done: bool | None) -> None:
            now_s = asyncio.get_running_loop().time()
            for path, file in pending.items():
                file.failures += done is None
                self._catalogue.postpone(path, file, now_s + self._pause_s(file))
            self._report()

        self._tasks.start(conversation, work, ended)

    def _pause_s(self, pending: PendingFile) -> float:
        """Longer from time to time; for a sender with many unavailable files, few requests a second
        in all. What others lack delays a file only when it was asked for in vain for long."""
        timing, catalogue = self._link.timing, self._catalogue
        old = pending.failures >= OLD_FAILURES
        count = len(catalogue.unavailable) if old else catalogue.unavailable_of(pending.sender)
        pause_s = timing.retry_pause_s(pending.failures)
        return max(pause_s, count * timing.unavailable_retry_s / 4)

    def _report(self) -> None:
        catalogue, health = self._catalogue, self._link.health
        health.pending, health.unavailable = len(catalogue.pending), len(catalogue.unavailable)
        self._cursor.report()


def _newest_ms(files: Mapping[str, FileInfo]) -> int:
    """When the newest of `files` changed, by the hub's clock."""
    return max((info.since or 0 for info in files.values()), default=0)
