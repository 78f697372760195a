"""The intake of one account: join, watch both sources, and say what is seen and not seen.

It runs until it is cancelled. Whatever fails is said, waited out, and tried again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from actors.messages import UsersSeen
from actors.runtime.back_off import BackOff
from actors.ztm.account_link import AccountLink
from actors.ztm.errors import (
    AnswerTooLarge,
    AnswerUnreadable,
    MeshUnknown,
    NotFound,
    Refused,
    UnexpectedStatus,
    ZtmError,
)
from actors.ztm.watching.chat_app_restarter import ChatAppRestarter
from actors.ztm.watching.chat_source import ChatSource
from actors.ztm.watching.feed import Feed
from actors.ztm.watching.supervised import until_it_succeeds
from events.account.events import AccountOffline, AccountOnline

log = logging.getLogger(__name__)

OFFLINE_AFTER = 2
"""How many errors in a row make an account offline: a single one is a hiccup."""

USELESS_AFTER = 3
"""After so many errors in a row, a useless answer of the feed makes the Chat API stand in."""

USERS_EVERY = 600
"""How many polls lie between two looks at who is in the mesh; after a failure 1, 2, 4, …"""

_NO_FEED = (NotFound, MeshUnknown)
_USELESS = (Refused, AnswerTooLarge, AnswerUnreadable, UnexpectedStatus)


class Intake:
    """One account's sources. `join()` makes sure that the agent is in the mesh as our user."""

    def __init__(
        self,
        link: AccountLink,
        feed: Feed,
        chat_source: ChatSource,
        restarter: ChatAppRestarter,
        join: Callable[[], Awaitable[None]],
    ) -> None:
        self._link = link
        self._feed = feed
        self._chat_source = chat_source
        self._restarter = restarter
        self._join = join
        self._feed_back_off = BackOff(link.timing.back_off_scale)
        self._chat_back_off = BackOff(link.timing.back_off_scale)
        self._polls_to_users = 0
        self._polls_after_failure = 1

    async def run(self) -> None:
        """Watch until cancelled."""
        self._link.health.phase = "starting"
        try:
            await self._joined()
            async with asyncio.TaskGroup() as group:
                group.create_task(_again_and_again(self._read_feed, self._feed_failed))
                group.create_task(_again_and_again(self._poll_chats, self._chat_failed))
        finally:
            await self._feed.stop()
            await self._chat_source.stop()
            self._link.health.phase = "stopped"

    async def _joined(self) -> None:
        back_off = BackOff(self._link.timing.back_off_scale)

        async def failed(error: BaseException) -> None:
            await self._wait_out(error, back_off)

        await until_it_succeeds(self._join, failed)
        self._online()

    # The feed

    async def _read_feed(self) -> float:
        """Look at the feed once; how long to wait before the next look, in seconds."""
        loop_s = asyncio.get_running_loop().time
        began_s = loop_s()
        try:
            started = await self._feed.cycle()
        except ZtmError as error:
            if not self._gives_no_files(error):
                raise
            return await self._without_files()
        self._feed_back_off.succeeded()
        self._rely_on("feed")
        self._online()
        rest_s = began_s + self._link.timing.feed_cycle_s - loop_s()
        return 0 if started else max(0.0, rest_s)

    def _gives_no_files(self, error: ZtmError) -> bool:
        in_a_row = self._feed_back_off.errors + 1
        useless = isinstance(error, _USELESS) and in_a_row >= USELESS_AFTER
        return useless or isinstance(error, _NO_FEED)

    async def _without_files(self) -> float:
        """Fall back to the Chat API where the agent is in the mesh: it is an older one, as a rule.
        Where it has lost the mesh, join again."""
        self._feed.read_whole_list()
        if await self._link.client.mesh() is not None:
            self._rely_on("chat")
            return self._link.timing.whole_list_s / 10
        lost = MeshUnknown("the agent is not in the mesh any more")
        await self._wait_out(lost, self._feed_back_off)
        await self._joined()
        return 0

    async def _feed_failed(self, error: BaseException) -> None:
        self._feed.read_whole_list()
        await self._wait_out(error, self._feed_back_off)

    def _rely_on(self, source: Literal["feed", "chat"]) -> None:
        if self._link.health.source != source:
            self._link.health.source = source
            alone = "gives no files; falling back to the Chat API"
            said = alone if source == "chat" else "gives files again"
            log.warning("%s: the agent %s", self._link.stream, said)

    # The Chat API

    async def _poll_chats(self) -> float:
        """Look at the chats once; how long to wait before the next look, in seconds."""
        if self._polls_to_users == 0:
            self._polls_to_users = await self._look_at_users()
        self._polls_to_users -= 1
        await self._restarter.judge(await self._chat_source.poll())
        self._chat_back_off.succeeded()
        if self._link.health.source == "chat":
            self._online()
        return self._link.timing.chat_poll_s

    async def _chat_failed(self, error: BaseException) -> None:
        """The Chat API alone makes an account offline only where there is nothing else."""
        if self._link.health.source == "chat":
            await self._wait_out(error, self._chat_back_off)
            return
        self._note(error, "the Chat API: ", first=self._chat_back_off.errors == 0)
        await asyncio.sleep(self._chat_back_off.failed())

    async def _look_at_users(self) -> int:
        """See who is in the mesh; how many polls from now to look again."""
        try:
            users = (await self._link.client.users()).items
        except ZtmError as error:
            pause = self._polls_after_failure
            self._note(error, "who is in the mesh: ", first=pause == 1)
            self._polls_after_failure = min(2 * pause, USERS_EVERY)
            return pause
        self._polls_after_failure = 1
        self._link.health.users = tuple(users)
        self._link.tell_account(UsersSeen(frozenset(users)))
        return USERS_EVERY

    # What is said of it

    async def _wait_out(self, error: BaseException, back_off: BackOff) -> None:
        """Say what failed, once more in a row, and wait; the account is offline by the second."""
        self._note(error, "", first=back_off.errors == 0)
        pause_s = back_off.failed()
        if back_off.errors >= OFFLINE_AFTER and self._link.health.phase != "offline":
            self._link.health.phase = "offline"
            self._link.observe(AccountOffline(type(error).__name__))
        await asyncio.sleep(pause_s)

    def _note(self, error: BaseException, what: str, *, first: bool) -> None:
        self._link.health.failed(error)
        if isinstance(error, ZtmError):
            level = logging.WARNING if first else logging.INFO
            log.log(level, "%s: %s%s", self._link.stream, what, error)
        else:
            log.error("%s: %sinternal error", self._link.stream, what, exc_info=error)

    def _online(self) -> None:
        health = self._link.health
        if health.phase != "online":
            health.phase = "online"
            health.error = ""
            self._link.observe(AccountOnline(self._link.username))


async def _again_and_again(
    step: Callable[[], Awaitable[float]], failed: Callable[[BaseException], Awaitable[None]]
) -> None:
    """Run `step` without end, with the pauses (in seconds) that it asks for."""
    while True:
        pause_s = await until_it_succeeds(step, failed)
        await asyncio.sleep(pause_s)
