"""Bringing one message into our own files of the mesh, exactly once.

ZTM behaviour: a 201 is no delivery: some accepted messages never reach the files, and a second
client of the same user can overwrite one. Each message carries an id; our own files are read back
for it before anything is sent a second time.
"""

import asyncio
import logging

import msgspec

from actors.ztm.back_off import BackOff
from actors.ztm.client import ZtmClient
from actors.ztm.entries import parse_file
from actors.ztm.errors import (
    AgentUnreachable,
    DangerousName,
    NotConnected,
    NotFound,
    Refused,
    Unsent,
    ZtmError,
)
from actors.ztm.paths import GroupFile, PeerFile, parse
from actors.ztm.timing import Timing
from events.streams import Conversation, Group, Peer

log = logging.getLogger(__name__)

CLOCK_SLACK_MS = 3_600_000
"""How far the agent's clock may be behind ours, ms, before our own file is looked for in vain."""

LOOKS_S = (0.01, 0.03, 0.1, 0.3, 0.6)
"""Pauses between looks after a message was posted; the last one stays."""

FILE_BYTES = 16 * 2**20


class NeverSendable(Exception):
    """The mesh will never take this message. The text is the kind of error, nobody's words."""


class InOurFiles(msgspec.Struct, frozen=True):
    """Where the message stands: its time in our file (ms), whether it was there before this process
    posted it, and how often this process did."""

    sent_ms: int
    reconciled: bool
    posts: int


class Quiescence:
    """Lets the healer wait until no message is on its way, and holds back new ones meanwhile."""

    def __init__(self) -> None:
        self._sending = 0
        self._changed = asyncio.Condition()
        self._healing = False

    async def begin(self) -> None:
        """Begin to send, when nobody heals."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._healing)
            self._sending += 1

    async def end(self) -> None:
        """A message is read back, or given up for now."""
        async with self._changed:
            self._sending -= 1
            self._changed.notify_all()

    async def hold(self) -> None:
        """Wait until nothing is on its way, and keep it so."""
        async with self._changed:
            self._healing = True
            await self._changed.wait_for(lambda: self._sending == 0)

    async def release(self) -> None:
        """Let messages go again."""
        async with self._changed:
            self._healing = False
            self._changed.notify_all()


class Sender:
    """Sends the messages of one account. `own`: our user name."""

    def __init__(self, own: str, client: ZtmClient, timing: Timing, quiescence: Quiescence) -> None:
        self._own = own
        self._client = client
        self._timing = timing
        self._quiescence = quiescence
        self._read: dict[str, tuple[str, dict[str, int]]] = {}
        self._newest: dict[Conversation, str] = {}

    async def send(
        self, conversation: Conversation, text: str, wire_id: str, *, queued_ms: int, doubtful: bool
    ) -> InOurFiles:
        """Bring `text` into our files of `conversation` under `wire_id`, however long it takes.

        `doubtful`: it may be there already. Raises `NeverSendable`.
        """
        back_off = BackOff(self._timing.back_off_scale)
        posts = 0
        while True:
            try:
                if doubtful:
                    found = await self._settled(conversation, wire_id, queued_ms)
                    if found is not None:
                        return InOurFiles(found, reconciled=posts == 0, posts=posts)
                await self._quiescence.begin()
                try:
                    await self._post(conversation, {"text": text, "id": wire_id})
                    posts += 1
                    doubtful = True
                    found = await self._confirmed(conversation, wire_id, queued_ms)
                finally:
                    await self._quiescence.end()
                if found is not None:
                    return InOurFiles(found, reconciled=False, posts=posts)
            except ZtmError as error:
                log.info("%s waits, or is in doubt: %s", wire_id, error)
                await asyncio.sleep(back_off.failed())

    async def _post(self, conversation: Conversation, body: dict[str, str]) -> None:
        """Post once. Raises `NeverSendable`, and `ZtmError` only when it certainly was not carried
        out: whatever else happens leaves it in doubt, to be read back."""
        try:
            match conversation:
                case Peer(_, name):
                    await self._client.send_to_peer(name, body)
                case Group(_, creator, group):
                    await self._client.send_to_group(creator, group, body)
        except (NotFound, Refused, DangerousName, Unsent) as error:
            raise NeverSendable(type(error).__name__) from error
        except (NotConnected, AgentUnreachable):
            raise
        except ZtmError as error:
            log.info("it is not known whether %s was taken: %s", body["id"], error)

    async def _confirmed(
        self, conversation: Conversation, wire_id: str, queued_ms: int
    ) -> int | None:
        """Its time when it stands in our files, also at the second look; `None` when it does
        not.
        """
        loop_s = asyncio.get_running_loop().time
        give_up_s = loop_s() + self._timing.settle_s
        looks = iter(LOOKS_S)
        pause = LOOKS_S[-1]
        while loop_s() < give_up_s:
            if await self._look(conversation, wire_id, queued_ms) is not None:
                await asyncio.sleep(self._timing.second_look_s)
                return await self._look(conversation, wire_id, queued_ms)
            pause = next(looks, pause)
            await asyncio.sleep(pause)
        return None

    async def _settled(
        self, conversation: Conversation, wire_id: str, queued_ms: int
    ) -> int | None:
        """Its time when it stands in our files; `None` when it is absent for the settling time
        after the agent was able to publish. Raises `NotConnected` while the agent is not.
        """
        found = await self._look(conversation, wire_id, queued_ms)
        if found is not None:
            return found
        mesh = await self._client.mesh()
        if mesh is None or not mesh.connected:
            msg = "the agent is not connected, so it can't be told what has been published"
            raise NotConnected(msg)
        await asyncio.sleep(self._timing.settle_s)
        return await self._look(conversation, wire_id, queued_ms)

    async def _look(self, conversation: Conversation, wire_id: str, queued_ms: int) -> int | None:
        """The time of our entry with this id, if our files of the conversation hold one."""
        newest = self._newest.get(conversation)
        if newest:
            found = (await self._ids(newest, None)).get(wire_id)
            if found is not None:
                return found
        try:
            listing = await self._client.files()
        except NotFound:
            return await self._look_in_chat(conversation, wire_id, queued_ms)
        for path, info in listing.files.items():
            if self._is_ours(path, conversation) and info.time >= queued_ms - CLOCK_SLACK_MS:
                found = (await self._ids(path, info.hash)).get(wire_id)
                if found is not None:
                    self._newest[conversation] = path
                    return found
        return None

    async def _look_in_chat(
        self, conversation: Conversation, wire_id: str, queued_ms: int
    ) -> int | None:
        """As `_look`, where an older agent gives no files."""
        since = queued_ms - CLOCK_SLACK_MS
        match conversation:
            case Peer(_, name):
                found = await self._client.peer_messages(name, since=since)
            case Group(_, creator, group):
                found = await self._client.group_messages(creator, group, since=since)
        return next(
            (
                one.time
                for one in found.items
                if one.sender == self._own
                and isinstance(one.message, dict)
                and one.message.get("id") == wire_id
            ),
            None,
        )

    def _is_ours(self, path: str, conversation: Conversation) -> bool:
        file = parse(path)
        match conversation, file:
            case Peer(_, name), PeerFile(self._own, receiver):
                return receiver == name
            case Group(_, creator, group), GroupFile(self._own, of_creator, of_group):
                return (creator, group) == (of_creator, of_group)
        return False

    async def _ids(self, path: str, file_hash: str | None) -> dict[str, int]:
        """Ids and times of the entries in one of our files; read again when its hash has
        changed.
        """
        known = self._read.get(path)
        if known and file_hash == known[0]:
            return known[1]
        data = await self._client.file_data(path)
        if data is None:
            return {}
        entries, _ = parse_file(data, limit=FILE_BYTES)
        ids = {
            entry.message["id"]: entry.time
            for entry in entries
            if isinstance(entry.message, dict) and isinstance(entry.message.get("id"), str)
        }
        if file_hash is not None:
            self._read[path] = (file_hash, ids)
        return ids
