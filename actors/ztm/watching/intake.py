"""The intake of one account: join, watch with both witnesses, and say what is seen and not seen.

It runs until it is cancelled. Whatever fails is said, waited out, and tried again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from actors.messages import Observed, UsersSeen
from actors.runtime.back_off import BackOff
from actors.ztm.client.client import ZtmClient
from actors.ztm.client.errors import (
    AnswerTooLarge,
    AnswerUnreadable,
    MeshUnknown,
    NotFound,
    Refused,
    UnexpectedStatus,
    ZtmError,
)
from actors.ztm.health import Health
from actors.ztm.timing import Timing
from actors.ztm.watching.chat_app_restarter import ChatAppRestarter
from actors.ztm.watching.chat_source import ChatSource
from actors.ztm.watching.feed import Feed
from events.account.events import AccountOffline, AccountOnline
from events.event import Draft, Event

log = logging.getLogger(__name__)

OFFLINE_AFTER = 2
"""How many errors in a row make an account offline: one is a hiccup."""

USELESS_AFTER = 3
"""How many useless answers in a row of the feed make the Chat API stand in for it."""

USERS_EVERY = 600
"""How many polls lie between two looks at who is in the mesh."""

_USELESS = (Refused, AnswerTooLarge, AnswerUnreadable, UnexpectedStatus)


class Intake:
    """One account's witnesses. `stream` is the account's; `join()` makes sure that the agent is in
    the mesh as our user.
    """

    def __init__(
        self,
        stream: str,
        *,
        username: str,
        client: ZtmClient,
        join: Callable[[], Awaitable[None]],
        feed: Feed,
        source: ChatSource,
        healer: ChatAppRestarter,
        tell: Callable[[Any], None],
        timing: Timing,
        health: Health,
    ) -> None:
        self._stream = stream
        self._username = username
        self._client = client
        self._join = join
        self._feed = feed
        self._chat_source = source
        self._healer = healer
        self._tell = tell
        self._timing = timing
        self._health = health

    async def run(self) -> None:
        """Watch until cancelled."""
        self._health.phase = "starting"
        try:
            await self._joined()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._run_feed())
                group.create_task(self._run_chat())
        finally:
            await self._feed.stop()
            await self._chat_source.stop()
            self._health.phase = "stopped"

    async def _joined(self) -> None:
        back_off = BackOff(self._timing.back_off_scale)
        while True:
            try:
                await self._join()
            except ZtmError as error:
                await self._wait_out(error, back_off)
            else:
                self._online()
                return

    # The feed

    async def _run_feed(self) -> None:
        loop_s = asyncio.get_running_loop().time
        back_off = BackOff(self._timing.back_off_scale)
        while True:
            began_s = loop_s()
            try:
                news = await self._feed.cycle()
            except Exception as error:  # noqa: BLE001 - judged, and said, in there
                await self._feed_failed(error, back_off)
            else:
                back_off.succeeded()
                self._stand_in(False)
                self._online()
                rest_s = began_s + self._timing.feed_cycle_s - loop_s()
                await asyncio.sleep(0 if news else max(0.0, rest_s))

    async def _feed_failed(self, error: Exception, back_off: BackOff) -> None:
        self._feed.read_whole_list()
        useless = isinstance(error, _USELESS) and back_off.errors + 1 >= USELESS_AFTER
        if not useless and not isinstance(error, NotFound | MeshUnknown):
            await self._wait_out(error, back_off)
        elif await self._is_in_the_mesh(back_off):
            # An older agent, as a rule, that gives no files.
            self._stand_in(True)
            await asyncio.sleep(self._timing.whole_list_s / 10)

    async def _is_in_the_mesh(self, back_off: BackOff) -> bool:
        """Whether the agent is; if it has lost the mesh, it joins again."""
        try:
            if await self._client.mesh() is not None:
                return True
        except ZtmError as error:
            await self._wait_out(error, back_off)
        else:
            await self._wait_out(MeshUnknown("the agent is not in the mesh any more"), back_off)
            await self._joined()
        return False

    def _stand_in(self, chat: bool) -> None:
        source: Any = "chat" if chat else "feed"
        if self._health.source != source:
            self._health.source = source
            said = "gives no files; the Chat API stands in" if chat else "gives files again"
            log.warning("%s: the agent %s", self._stream, said)

    # The Chat API

    async def _run_chat(self) -> None:
        back_off = BackOff(self._timing.back_off_scale)
        polls = 0
        while True:
            try:
                if polls % USERS_EVERY == 0:
                    await self._look_at_users()
                polls += 1
                await self._healer.judge(await self._chat_source.poll())
            except Exception as error:  # noqa: BLE001 - said in there
                await self._chat_failed(error, back_off)
            else:
                back_off.succeeded()
                if self._health.source == "chat":
                    self._online()
                await asyncio.sleep(self._timing.chat_poll_s)

    async def _chat_failed(self, error: Exception, back_off: BackOff) -> None:
        """The Chat API alone makes an account offline only where there is nothing else."""
        if self._health.source == "chat":
            await self._wait_out(error, back_off)
            return
        self._note(error, "the Chat API: ", first=back_off.errors == 0)
        await asyncio.sleep(back_off.failed())

    async def _look_at_users(self) -> None:
        try:
            users = (await self._client.users()).items
        except ZtmError as error:
            self._note(error, "who is in the mesh: ", first=True)
            return
        self._health.users = tuple(users)
        self._tell(UsersSeen(frozenset(users)))

    # What is said of it

    async def _wait_out(self, error: Exception, back_off: BackOff) -> None:
        """Say what failed, once more in a row, and wait; the account is offline by the second."""
        self._note(error, "", first=back_off.errors == 0)
        pause_s = back_off.failed()
        if back_off.errors >= OFFLINE_AFTER and self._health.phase != "offline":
            self._health.phase = "offline"
            self._observe(AccountOffline(type(error).__name__))
        await asyncio.sleep(pause_s)

    def _note(self, error: Exception, what: str, *, first: bool) -> None:
        self._health.failed(error)
        if isinstance(error, ZtmError):
            level = logging.WARNING if first else logging.INFO
            log.log(level, "%s: %s%s", self._stream, what, error)
        else:
            log.error("%s: %sa fault of ours", self._stream, what, exc_info=error)

    def _online(self) -> None:
        if self._health.phase != "online":
            self._health.phase = "online"
            self._health.error = ""
            self._observe(AccountOnline(self._username))

    def _observe(self, event: Event) -> None:
        self._tell(Observed((Draft(self._stream, event),)))
