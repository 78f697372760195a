"""Our own files of one conversation: the place where a message of ours proves to have been sent.

ZTM behaviour: a message stands in our own files 4–6 ms after its POST, in the newest file of the
chat or, while that is full or somebody else writes too, in a new one. The list of all files grows
with history, so the newest file is asked first.
"""

import msgspec

from actors.ztm.client.entries import parse_file
from actors.ztm.client.paths import GroupFile, PeerFile, parse
from actors.ztm.client.ztm_client import ZtmClient
from actors.ztm.errors import AnswerTooLarge, NotConnected, NotFound
from events.streams import ConversationId, GroupId, PeerId

NEWEST_FILES = 3
"""How many of the newest files are read whatever the agent's clock says of them."""

FILE_BYTES = 16 * 2**20

FULL_BYTES = 1_024
"""ZTM behaviour: a file of this size is not continued."""


class Found(msgspec.Struct, frozen=True):
    """Where an entry of ours stands, and when it was written (ms, agent's clock)."""

    path: str
    time_ms: int


class OwnFile(msgspec.Struct, frozen=True):
    """A file of ours as it was read: times of its entries by their ids, and its size in bytes."""

    ids: dict[str, int]
    size: int


class OwnFiles:
    """Looks for one message in `own`'s files of a conversation.

    `newest`: the path of the newest file, "" if that is not known yet. `queued_ms`: when (our
    clock) the message was queued; no file that is older by `slack_ms` can hold it. `by_chat`:
    whether the last look was at the Chat API.
    """

    def __init__(
        self,
        own: str,
        client: ZtmClient,
        conversation: ConversationId,
        queued_ms: int,
        newest: str,
        slack_ms: int,
    ) -> None:
        self._own = own
        self._client = client
        self._conversation = conversation
        self._oldest_ms = queued_ms - slack_ms
        self._read: dict[str, tuple[str, OwnFile]] = {}
        self._newest_is_full = False
        self.newest = newest
        self.by_chat = False

    async def look_again(self, found: Found, wire_id: str) -> Found | None:
        """Whether the message still stands where it was found. Raises `ZtmError`."""
        if not found.path:
            return await self.look(wire_id)
        time_ms = (await self._file(found.path)).ids.get(wire_id)
        return None if time_ms is None else Found(found.path, time_ms)

    async def look_in_newest(self, wire_id: str) -> Found | None:
        """Look in the newest file only; in all, where that can't be enough. Raises `ZtmError`."""
        if not self.newest or self._newest_is_full:
            return await self.look(wire_id)
        file = await self._file(self.newest)
        self._newest_is_full = file.size >= FULL_BYTES
        time_ms = file.ids.get(wire_id)
        return None if time_ms is None else Found(self.newest, time_ms)

    async def look(self, wire_id: str) -> Found | None:
        """Look in all of our files that can hold the message; in the chat, where an older agent
        gives no files. Raises `ZtmError`."""
        try:
            listing = await self._client.files()
        except NotFound:
            self.by_chat = True
            return await self._look_in_chat(wire_id)
        self.by_chat = False
        ours = [
            (named.ms, path, info)
            for path, info in listing.files.items()
            if (named := self._ours(path)) is not None
        ]
        ours.sort(key=lambda our: our[:2], reverse=True)
        for place, (_, path, info) in enumerate(ours):
            recent = info.time >= self._oldest_ms
            if not recent and place >= NEWEST_FILES:
                continue
            file = await self._file_as_of(path, info.hash)
            if place == 0:
                self.newest, self._newest_is_full = path, file.size >= FULL_BYTES
            if wire_id in file.ids:
                return Found(path, file.ids[wire_id])
        return None

    def _ours(self, path: str) -> PeerFile | GroupFile | None:
        file = parse(path)
        match self._conversation, file:
            case PeerId(_, name), PeerFile(self._own, receiver) if receiver == name:
                return file
            case GroupId(_, creator, group), GroupFile(self._own, of_creator, of_group):
                return file if (creator, group) == (of_creator, of_group) else None
        return None

    async def _file_as_of(self, path: str, file_hash: str) -> OwnFile:
        """The file; not asked for a second time while its hash is the same."""
        known = self._read.get(path)
        if known and known[0] == file_hash:
            return known[1]
        file = await self._file(path)
        self._read[path] = (file_hash, file)
        return file

    async def _file(self, path: str) -> OwnFile:
        try:
            data = await self._client.file_data(path)
        except AnswerTooLarge:
            return OwnFile({}, FILE_BYTES)
        if data is None:
            await self.must_be_connected()
            return OwnFile({}, 0)
        entries, _ = parse_file(data, limit=FILE_BYTES)
        ids = {
            entry.message["id"]: entry.time
            for entry in entries
            if isinstance(entry.message, dict) and isinstance(entry.message.get("id"), str)
        }
        return OwnFile(ids, len(data))

    async def must_be_connected(self) -> None:
        """ZTM behaviour: without a connection every file is answered 404, also one that is there.

        What is missing while we are connected is on another device of the same user.
        """
        mesh = await self._client.mesh()
        if mesh is None or not mesh.connected:
            msg = "the agent is not connected, so it can't be told what has been published"
            raise NotConnected(msg)

    async def _look_in_chat(self, wire_id: str) -> Found | None:
        match self._conversation:
            case PeerId(_, name):
                found = await self._client.peer_messages(name)
            case GroupId(_, creator, group):
                found = await self._client.group_messages(creator, group)
        for item in found.items:
            sent_id = item.message.get("id") if isinstance(item.message, dict) else None
            if item.sender == self._own and sent_id == wire_id:
                return Found("", item.time)
        return None
