"""Taking in the pending files of a conversation: fetched, read, delivered, and decided."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from actors.ztm.account_link import AccountLink
from actors.ztm.client import answers
from actors.ztm.client.paths import GroupFile, GroupInfo, PeerFile
from actors.ztm.delivering.deliveries import Deliveries
from actors.ztm.delivering.groups import Groups
from actors.ztm.errors import AnswerUnreadable, ZtmError
from actors.ztm.reading.arrival_factory import ArrivalFactory, MessageFile
from actors.ztm.reading.catalogue import Catalogue, PendingFile
from actors.ztm.reading.fetching import Fetcher, FileUnavailable, TooLarge
from actors.ztm.reading.message_files import (
    FILE_BYTES,
    LARGE_BYTES,
    arrivals_of,
    read_file,
    read_large_file,
    shown_by_the_chat_app,
    too_large,
)
from events.conversation.arrivals import Arrival
from events.streams import ConversationId, GroupId

log = logging.getLogger(__name__)

FILES_AT_A_TIME = 16
"""How many files of one conversation are read before they are delivered."""

INFO_BYTES = 2**20
"""The largest file with a group's members that is read, bytes."""

Pending = Mapping[str, PendingFile]
T = TypeVar("T")


class FileReader:
    """Reads the files of one account's conversations, and notes in `catalogue` what became of them.

    `on_entry(conversation, time_ms)` hears of the newest entry of each file read that the Chat app
    should show too; `record_unavailable()` has the catalogue's unavailable files put on record;
    `large_files`: how many large files the process reads at a time.
    """

    def __init__(
        self,
        link: AccountLink,
        catalogue: Catalogue,
        arrivals: ArrivalFactory,
        deliveries: Deliveries,
        groups: Groups,
        *,
        on_entry: Callable[[ConversationId, int], None],
        record_unavailable: Callable[[], None],
        large_files: asyncio.Semaphore,
    ) -> None:
        self._link = link
        self._fetcher = Fetcher(link.client)
        self._catalogue = catalogue
        self._arrivals = arrivals
        self._deliveries = deliveries
        self._groups = groups
        self._on_entry = on_entry
        self._record_unavailable = record_unavailable
        self._large_files = large_files

    async def take_in(self, conversation: ConversationId, pending: Pending) -> None:
        """Fetch and deliver what is pending of one conversation: first who is in the group, then
        what was there before us, whole, then the rest. What is refused ends it for now."""
        infos = {path: file for path, file in pending.items() if isinstance(file.file, GroupInfo)}
        told = await self._each(self._tell_members, infos)
        if False in told:
            return
        messages = {path: file for path, file in pending.items() if path not in infos}
        if any(file.baseline for file in pending.values()):
            earlier = {path: file for path, file in messages.items() if file.baseline}
            if not await self._take_in_baseline(conversation, earlier, whole=all(told)):
                return
        self._decided(infos, told)
        rest = ((path, file) for path, file in messages.items() if not file.baseline)
        while chunk := dict(islice(rest, FILES_AT_A_TIME)):
            files = await self._each(self._read, chunk)
            if not await self._deliveries.deliver(
                conversation, await self._arrivals_of(conversation, files)
            ):
                return
            self._decided(chunk, files)

    async def _take_in_baseline(
        self, conversation: ConversationId, earlier: Pending, *, whole: bool
    ) -> bool:
        files = await self._each(self._read, earlier)
        if not (whole and all(files)) and not await self._unavailable_is_on_record(conversation):
            return False
        arrivals = await self._arrivals_of(conversation, files)
        if not await self._deliveries.deliver_baseline(conversation, arrivals):
            return False
        self._decided(earlier, files)
        return True

    async def _unavailable_is_on_record(self, conversation: ConversationId) -> bool:
        """What is unavailable of a baseline goes on record before the conversation begins: after a
        crash it would be taken for news."""
        self._record_unavailable()
        if isinstance(conversation, GroupId) and not self._deliveries.on_record.begun(conversation):
            return await self._groups.tell_again(conversation)
        return True

    async def _each(
        self, read: Callable[[str, PendingFile], Awaitable[T]], pending: Pending
    ) -> list[T]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_awaited(read(path, file))) for path, file in pending.items()
            ]
        return [task.result() for task in tasks]

    def _decided(self, pending: Pending, read: Iterable[object]) -> None:
        """Of `pending`, those that could be read are decided."""
        for (path, file), found in zip(pending.items(), read, strict=True):
            if found is not None:
                self._catalogue.decided(path, file)

    async def _arrivals_of(
        self, conversation: ConversationId, files: Sequence[MessageFile | None]
    ) -> list[Arrival]:
        readable = [file for file in files if file is not None]
        arrivals = await arrivals_of(self._arrivals, conversation, readable)
        self._link.health.unreadable += sum(arrival.malformed for arrival in arrivals)
        return arrivals

    # One file

    async def _tell_members(self, path: str, pending: PendingFile) -> bool | None:
        """Tell what a group's info says; whether that was confirmed, `None` when it can't be had
        now."""
        try:
            data = await self._fetch(path, pending, INFO_BYTES)
            if data is None:
                return None
            found = answers.group(data)
        except (TooLarge, AnswerUnreadable) as error:
            log.warning("%s: the info of the group is unusable: %s", path, error)
            return True
        group = pending.conversation
        return not isinstance(group, GroupId) or await self._groups.see(group, found)

    async def _read(self, path: str, pending: PendingFile) -> MessageFile | None:
        """The messages of a file; `None` when it can't be had now."""
        file, conversation = pending.file, pending.conversation
        if isinstance(file, GroupInfo):
            return None
        if pending.size > LARGE_BYTES:
            return await self._read_large(path, pending, file)
        try:
            data = await self._fetch(path, pending, LARGE_BYTES)
        except TooLarge:
            return await self._read_large(path, pending, file)
        if data is None:
            return None
        read = read_file(data, file, pending)
        if read.entries and shown_by_the_chat_app(data) and self._groups.is_listed(conversation):
            self._on_entry(conversation, max(entry.time for entry in read.entries))
        return read

    async def _read_large(
        self, path: str, pending: PendingFile, file: PeerFile | GroupFile
    ) -> MessageFile | None:
        async with self._large_files:
            try:
                data = await self._fetch(path, pending, FILE_BYTES)
            except TooLarge:
                return too_large(file, pending)
            if data is None:
                return None
            return await asyncio.to_thread(read_large_file, data, file, pending, self._arrivals)

    async def _fetch(self, path: str, pending: PendingFile, max_bytes: int) -> bytes | None:
        """A file's bytes; `None` when it can't be had now, and will be tried again. Raises
        TooLarge."""
        await self._deliveries.room()
        try:
            return await self._fetcher.fetch(path, pending.sender, max_bytes)
        except FileUnavailable as error:
            log.debug("%s is unavailable: %s", path, error)
            self._catalogue.mark_unavailable(path, pending, self._link.now_ms())
        except ZtmError as error:
            log.debug("could not fetch %s: %s", path, error)
        return None


async def _awaited(work: Awaitable[T]) -> T:
    return await work
