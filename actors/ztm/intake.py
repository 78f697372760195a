"""The intake of one account: join, watch with both witnesses, and say what is seen and not seen.

It runs until it is cancelled. Whatever fails is said, waited out, and tried again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from actors.messages import Observed, UsersSeen
from actors.ztm.back_off import BackOff
from actors.ztm.chat_witness import ChatWitness
from actors.ztm.client import ZtmClient
from actors.ztm.errors import NotFound, ZtmError
from actors.ztm.feed import Feed
from actors.ztm.health import Health
from actors.ztm.sending import Quiescence
from actors.ztm.sentinel import Sentinel
from actors.ztm.timing import Timing
from events.account_events import AccountOffline, AccountOnline, ChatAppDeaf, ChatAppHealed
from events.event import Draft, Event
from events.streams import account_stream

log = logging.getLogger(__name__)

OFFLINE_AFTER = 2
"""How many errors in a row make an account offline: one is a hiccup."""

USERS_EVERY = 600
"""How many polls lie between two looks at who is in the mesh."""


class Intake:
    """One account's witnesses and healer.

    `join()` makes sure that the agent is in the mesh as our user; `heal`: whether a deaf Chat app
    may be restarted; `quiescence` is shared with the sender.
    """

    def __init__(
        self,
        account: str,
        *,
        username: str,
        client: ZtmClient,
        join: Callable[[], Awaitable[None]],
        feed: Feed,
        witness: ChatWitness,
        sentinel: Sentinel,
        quiescence: Quiescence,
        heal: bool,
        tell: Callable[[Any], None],
        now_ms: Callable[[], int],
        timing: Timing,
        health: Health,
    ) -> None:
        self._stream = account_stream(account)
        self._username = username
        self._client = client
        self._join = join
        self._feed = feed
        self._witness = witness
        self._sentinel = sentinel
        self._quiescence = quiescence
        self._heal = heal
        self._tell = tell
        self._now_ms = now_ms
        self._timing = timing
        self._health = health
        self._said_deaf = False
        self._last_heal_s: float | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            await self._joined()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._run_feed())
                group.create_task(self._run_witness())
        finally:
            await self._feed.stop()
            self._health.phase = "stopped"

    async def _joined(self) -> None:
        back_off = BackOff(self._timing.back_off_scale)
        while True:
            try:
                await self._join()
            except ZtmError as error:
                self._failed(error, back_off.errors)
                await asyncio.sleep(back_off.failed())
            else:
                self._online()
                return

    # The feed

    async def _run_feed(self) -> None:
        back_off = BackOff(self._timing.back_off_scale)
        while True:
            try:
                news = await self._feed.cycle()
            except NotFound:
                # An older agent that gives no files: the Chat API stands in for them.
                self._feed_is_gone()
                await asyncio.sleep(self._timing.whole_list_s / 10)
            except ZtmError as error:
                self._failed(error, back_off.errors)
                self._feed.read_whole_list()
                await asyncio.sleep(back_off.failed())
            else:
                back_off.succeeded()
                self._feed_is_back()
                self._online()
                await asyncio.sleep(0 if news else self._timing.idle_pause_s)

    def _feed_is_gone(self) -> None:
        if self._health.witness != "chat":
            self._health.witness = "chat"
            log.warning("%s: the agent gives no files; the Chat API stands in", self._stream)

    def _feed_is_back(self) -> None:
        if self._health.witness != "feed":
            self._health.witness = "feed"
            log.info("%s: the agent gives files again", self._stream)

    # The Chat API

    async def _run_witness(self) -> None:
        back_off = BackOff(self._timing.back_off_scale)
        polls = 0
        while True:
            try:
                if polls % USERS_EVERY == 0:
                    await self._look_at_users()
                missing = await self._witness.poll()
                await self._judge_hearing(missing)
            except ZtmError as error:
                self._health.failed(error)
                log.info("%s: the Chat API: %s", self._stream, error)
                await asyncio.sleep(back_off.failed())
            else:
                polls += 1
                back_off.succeeded()
                if self._health.witness == "chat":
                    self._online()
                await asyncio.sleep(self._timing.chat_poll_s)

    async def _look_at_users(self) -> None:
        users = (await self._client.users()).items
        self._health.users = tuple(users)
        self._tell(UsersSeen(frozenset(users)))

    async def _judge_hearing(self, missing: int) -> None:
        if self._sentinel.deaf and not self._said_deaf:
            self._said_deaf = self._health.deaf = True
            log.warning("%s: the Chat app is deaf; %d messages absent", self._stream, missing)
            self._observe(ChatAppDeaf(missing))
        if self._sentinel.deaf and self._heal and self._may_heal():
            await self._restart_chat_app()
        elif self._said_deaf and not self._sentinel.deaf:
            self._said_deaf = self._health.deaf = False
            restarted = self._last_heal_s is not None
            log.info("%s: the Chat app hears again", self._stream)
            self._observe(ChatAppHealed(restarted))

    def _may_heal(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        last_s = self._last_heal_s
        return last_s is None or now_s - last_s >= self._timing.heal_every_s

    async def _restart_chat_app(self) -> None:
        """Stop the deaf Chat app; the next poll starts it afresh (ZTM behaviour)."""
        self._last_heal_s = asyncio.get_running_loop().time()
        endpoint = (await self._client.appinfo()).endpoint.id
        state = await self._client.chat_app_state(endpoint)
        if state is not None and state.is_disabled:
            log.warning("%s: the Chat app is deaf, and disabled: left alone", self._stream)
            return
        await self._quiescence.hold()
        try:
            await self._client.stop_chat_app(endpoint)
            await self._client.chats()
            self._health.healed_ms = self._now_ms()
            log.warning("%s: the deaf Chat app was restarted", self._stream)
        finally:
            await self._quiescence.release()

    # What is said of it

    def _failed(self, error: ZtmError, errors_before: int) -> None:
        self._health.failed(error)
        log.log(
            logging.WARNING if errors_before == 0 else logging.INFO, "%s: %s", self._stream, error
        )
        if errors_before + 1 >= OFFLINE_AFTER and self._health.phase != "offline":
            self._health.phase = "offline"
            self._observe(AccountOffline(type(error).__name__))

    def _online(self) -> None:
        if self._health.phase != "online":
            self._health.phase = "online"
            self._health.error = ""
            self._observe(AccountOnline(self._username))

    def _observe(self, event: Event) -> None:
        self._tell(Observed((Draft(self._stream, event),)))
