"""From a file's bytes to its messages, on a thread of its own when there is much."""

import asyncio
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from actors.ztm.client.entries import HONEST_BYTES, RawEntry, parse_file
from actors.ztm.client.paths import GroupFile, PeerFile
from actors.ztm.reading.arrival_factory import ArrivalFactory, MessageFile
from actors.ztm.reading.catalogue import PendingFile
from events.conversation.arrivals import Arrival
from events.streams import ConversationId

FILE_BYTES = 16 * 2**20
"""The largest message file that is read, bytes."""

LARGE_BYTES = HONEST_BYTES
"""Larger files are read a few at a time (`LARGE_FILES`), off the loop: nearly all have less
than 2 kB."""

LARGE_FILES = 2
"""How many of them the process reads at a time: each may take some 50 MB while it is read."""

MANY_ENTRIES = 1_000
"""So many entries of a conversation's files are made arrivals off the loop."""


def read_file(data: bytes, file: PeerFile | GroupFile, pending: PendingFile) -> MessageFile:
    """The messages of one file; never fails."""
    entries, flaws = parse_file(data, limit=FILE_BYTES)
    return MessageFile(file.sender, file.ms, tuple(entries), tuple(flaws), pending.available_ms)


def read_large_file(
    data: bytes, file: PeerFile | GroupFile, pending: PendingFile, factory: ArrivalFactory
) -> MessageFile:
    """As `read_file`; what it keeps of each message is bounded, however long that is."""
    read = read_file(data, file, pending)
    entries = [RawEntry(entry.time, factory.content_of(entry.message)) for entry in read.entries]
    return replace(read, entries=tuple(entries))


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
