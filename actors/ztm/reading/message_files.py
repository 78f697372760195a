"""From a file's bytes to its messages, on a thread of its own when there is much."""

import asyncio
from collections.abc import Iterable

import msgspec

from actors.ztm.client.entries import parse_file
from actors.ztm.client.paths import GroupFile, PeerFile
from actors.ztm.reading.arrival_factory import ArrivalFactory, MessageFile
from actors.ztm.reading.catalogue import PendingFile
from events.conversation.arrivals import Arrival
from events.streams import ConversationId

FILE_BYTES = 16 * 2**20
"""The largest message file that is read, bytes."""

LARGE_BYTES = 64 * 2**10
"""Reading a larger file on the loop would delay everything else there; few files are over 2 kB."""

MANY_ENTRIES = 1_000
"""The same for the entries of a conversation's files."""


async def read_file(data: bytes, file: PeerFile | GroupFile, pending: PendingFile) -> MessageFile:
    """The messages of one file; never fails."""
    if len(data) < LARGE_BYTES:
        entries, flaws = parse_file(data, limit=FILE_BYTES)
    else:
        entries, flaws = await asyncio.to_thread(parse_file, data, limit=FILE_BYTES)
    return MessageFile(file.sender, file.ms, tuple(entries), tuple(flaws), pending.available_ms)


def too_large(file: PeerFile | GroupFile, pending: PendingFile) -> MessageFile:
    """Stands for a file that is too large to read: that is put on record too."""
    flaw = f"the file has more than the {FILE_BYTES} bytes allowed"
    return MessageFile(file.sender, file.ms, (), (flaw,), pending.available_ms)


async def arrivals_of(
    factory: ArrivalFactory, conversation: ConversationId, files: Iterable[MessageFile]
) -> list[Arrival]:
    """All that the files of one conversation hold, in order."""
    files = list(files)
    if sum(len(file.entries) for file in files) < MANY_ENTRIES:
        return factory.from_files(conversation, files)
    return await asyncio.to_thread(factory.from_files, conversation, files)


def shown_by_the_chat_app(data: bytes) -> bool:
    """Whether the Chat app can read the file: its parser refuses what is no strict JSON."""
    if len(data) >= LARGE_BYTES:
        return False
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
