"""Curing a deaf Chat app, and saying what is known of its hearing."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from actors.messages import Observed
from actors.ztm.client.client import ZtmClient
from actors.ztm.health import Health
from actors.ztm.sending.send_gate import SendGate
from actors.ztm.timing import Timing
from actors.ztm.watching.deafness_detector import DeafnessDetector
from events.account.events import ChatAppDeaf, ChatAppHealed
from events.event import Draft, Event

log = logging.getLogger(__name__)


class ChatAppRestarter:
    """Records when the Chat app goes deaf and hears again, and restarts it where that is allowed.

    `stream` is the account's; `deaf`: what its record says; `allowed`: whether a deaf app may be
    restarted; `quiescence` is shared with the sender.
    """

    def __init__(
        self,
        stream: str,
        *,
        deaf: bool,
        allowed: bool,
        client: ZtmClient,
        sentinel: DeafnessDetector,
        quiescence: SendGate,
        tell: Callable[[Any], None],
        now_ms: Callable[[], int],
        timing: Timing,
        health: Health,
    ) -> None:
        self._stream = stream
        self._said_deaf = health.deaf = deaf
        self._allowed = allowed
        self._client = client
        self._sentinel = sentinel
        self._quiescence = quiescence
        self._tell = tell
        self._now_ms = now_ms
        self._timing = timing
        self._health = health
        self._restarted = False
        self._tried_s: float | None = None

    async def judge(self, missing: int) -> None:
        """Act on what the sentinel has found; `missing` entries are absent. Raises `ZtmError`."""
        if self._sentinel.deaf and not self._said_deaf:
            self._said_deaf, self._restarted = True, False
            log.warning("%s: the Chat app is deaf; %d messages are absent", self._stream, missing)
            self._say(ChatAppDeaf(missing))
        elif self._said_deaf and self._sentinel.hears:
            self._said_deaf = False
            log.info("%s: the Chat app hears again", self._stream)
            self._say(ChatAppHealed(self._restarted))
        if self._sentinel.deaf and self._allowed and self._is_time():
            await self._restart()

    def _say(self, event: Event) -> None:
        self._health.deaf = self._said_deaf
        self._tell(Observed((Draft(self._stream, event),)))

    def _is_time(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        return self._tried_s is None or now_s - self._tried_s >= self._timing.heal_every_s

    async def _restart(self) -> None:
        """Stop the deaf app; the next request starts it afresh (ZTM behaviour)."""
        endpoint = (await self._client.appinfo()).endpoint.id
        state = await self._client.chat_app_state(endpoint)
        if state is not None and state.is_disabled:
            self._tried_s = asyncio.get_running_loop().time()
            log.warning("%s: the Chat app is deaf, and disabled: left alone", self._stream)
            return
        async with self._quiescence.healing():
            self._tried_s = asyncio.get_running_loop().time()
            await self._client.stop_chat_app(endpoint)
            self._restarted = True
            await self._client.chats()
        self._health.healed_ms = self._now_ms()
        log.warning("%s: the deaf Chat app was restarted", self._stream)
