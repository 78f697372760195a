"""Bringing one message into our own files of the mesh, exactly once.

ZTM behaviour: a 201 is no delivery: some accepted messages never reach the files, and a second
client of the same user can overwrite one. Each message carries an id; our own files are read back
for it before anything is sent a second time.
"""

import asyncio
import logging
import math
from collections.abc import Callable

import msgspec

from actors.runtime.back_off import BackOff
from actors.ztm.client.ztm_client import ZtmClient
from actors.ztm.errors import (
    AgentUnreachable,
    DangerousName,
    NotConnected,
    NotFound,
    Refused,
    Unsent,
    ZtmError,
)
from actors.ztm.sending.own_files import Found, OwnFiles
from actors.ztm.sending.send_gate import SendGate
from actors.ztm.timing import Timing
from events.streams import ConversationId, GroupId, PeerId

log = logging.getLogger(__name__)

LOOKS_S = (0.01, 0.03, 0.1, 0.3, 0.6)
"""Pauses between looks after a message was posted; the last one stays."""

QUICK_LOOKS = 3
"""How many of them are at the newest file alone, before all are listed."""

BY_CHAT = 5
"""So many times longer is waited where the Chat app alone can show what was published: it is later,
and holds back."""

NEWEST_KEPT = 1_000
"""Of how many conversations the newest file is remembered."""


class NeverSendable(Exception):
    """The mesh will never take this message. The text is the kind of error, nobody's words."""


class InOurFiles(msgspec.Struct, frozen=True):
    """Where the message stands: its time in our file (ms), whether it was there before this process
    posted it, and how often this process did."""

    sent_ms: int
    reconciled: bool
    posts: int


class Sender:
    """Sends the messages of one account. `own`: our user name; `unknown(group)` hears of each time
    that the Chat app does not know a group.

    One message at a time a chat: ZTM behaviour: of several at once some are lost.
    """

    def __init__(
        self,
        own: str,
        client: ZtmClient,
        timing: Timing,
        gate: SendGate,
        *,
        unknown: Callable[[GroupId], None],
    ) -> None:
        self._own = own
        self._client = client
        self._timing = timing
        self._gate = gate
        self._unknown = unknown
        self._newest: dict[ConversationId, str] = {}

    async def send(
        self,
        conversation: ConversationId,
        text: str,
        wire_id: str,
        *,
        queued_ms: int,
        doubtful: bool,
    ) -> InOurFiles:
        """Bring `text` into our files of `conversation` under `wire_id`, however long it takes.

        `doubtful`: it may be there already. Raises `NeverSendable`.
        """
        newest = self._newest.get(conversation, "")
        slack_ms = round(self._timing.clock_slack_s * 1_000)
        files = OwnFiles(self._own, self._client, conversation, queued_ms, newest, slack_ms)
        back_off = BackOff(self._timing.back_off_scale)
        loop_s = asyncio.get_running_loop().time
        unknown_since_s = math.inf
        posts = 0
        while True:
            try:
                if doubtful and (found := await self._settled(files, wire_id)):
                    break
                async with self._gate.sending():
                    await self._post(conversation, {"text": text, "id": wire_id})
                    posts, doubtful, unknown_since_s = posts + 1, True, math.inf
                    if found := await self._confirmed(files, wire_id):
                        break
            except NotFound as error:
                unknown_since_s = min(unknown_since_s, loop_s())
                if isinstance(conversation, GroupId):
                    if loop_s() - unknown_since_s >= self._timing.no_group_s:
                        raise NeverSendable(type(error).__name__) from error
                    self._unknown(conversation)
                log.info("%s waits: %s", wire_id, error)
                await asyncio.sleep(back_off.failed())
            except ZtmError as error:
                log.info("%s waits, or is in doubt: %s", wire_id, error)
                await asyncio.sleep(back_off.failed())
        self._remember(conversation, files.newest)
        return InOurFiles(found.time_ms, reconciled=posts == 0, posts=posts)

    async def _post(self, conversation: ConversationId, body: dict[str, str]) -> None:
        """Post once. Raises `NeverSendable`, and `ZtmError` only when it certainly was not carried
        out: whatever else happens leaves it in doubt, to be read back."""
        try:
            match conversation:
                case PeerId(_, name):
                    await self._client.send_to_peer(name, body)
                case GroupId(_, creator, group):
                    await self._client.send_to_group(creator, group, body)
        except (DangerousName, Unsent) as error:
            raise NeverSendable(type(error).__name__) from error
        except (NotConnected, AgentUnreachable, NotFound, Refused):
            raise
        except ZtmError as error:
            log.info("it is not known whether %s was taken: %s", body["id"], error)

    async def _confirmed(self, files: OwnFiles, wire_id: str) -> Found | None:
        """Where it stands in our files, also at the second look; `None` when it does not."""
        loop_s = asyncio.get_running_loop().time
        give_up_s = loop_s() + self._settle_s(files)
        look = 0
        while loop_s() < give_up_s:
            await asyncio.sleep(LOOKS_S[min(look, len(LOOKS_S) - 1)])
            quick = look < QUICK_LOOKS
            found = await (files.look_in_newest(wire_id) if quick else files.look(wire_id))
            if found is not None:
                await asyncio.sleep(self._timing.second_look_s)
                return await files.look_again(found, wire_id)
            look += 1
        return None

    async def _settled(self, files: OwnFiles, wire_id: str) -> Found | None:
        """Where it stands in our files; `None` when it is absent for the settling time after the
        agent was able to publish. Raises `NotConnected` while the agent is not.
        """
        found = await files.look(wire_id)
        if found is not None:
            return found
        await files.must_be_connected()
        await asyncio.sleep(self._settle_s(files))
        return await files.look(wire_id)

    def _settle_s(self, files: OwnFiles) -> float:
        return self._timing.settle_s * (BY_CHAT if files.by_chat else 1)

    def _remember(self, conversation: ConversationId, newest: str) -> None:
        self._newest.pop(conversation, None)
        if newest:
            self._newest[conversation] = newest
        if len(self._newest) > NEWEST_KEPT:
            del self._newest[next(iter(self._newest))]
