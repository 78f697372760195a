"""Restarting a deaf Chat app, and putting on record what is known of its hearing."""

import asyncio
import logging

from actors.ztm.account_link import AccountLink
from actors.ztm.sending.send_gate import SendGate
from actors.ztm.watching.deafness_detector import DeafnessDetector
from events.account.events import ChatAppDeaf, ChatAppHealed
from events.event import Event

log = logging.getLogger(__name__)


class ChatAppRestarter:
    """Records when the Chat app goes deaf and hears again, and restarts it where that is allowed.

    `deaf`: what the account's record says; `allowed`: whether a deaf app may be restarted; `gate`
    is shared with the sender.
    """

    def __init__(
        self,
        link: AccountLink,
        detector: DeafnessDetector,
        gate: SendGate,
        *,
        deaf: bool,
        allowed: bool,
    ) -> None:
        self._link = link
        self._detector = detector
        self._gate = gate
        self._recorded_deaf = link.health.deaf = deaf
        self._allowed = allowed
        self._restarted = False
        self._tried_s: float | None = None

    async def judge(self, missing: int) -> None:
        """Act on what the detector has found; `missing` entries are absent. Raises `ZtmError`."""
        stream, detector = self._link.stream, self._detector
        if detector.deaf and not self._recorded_deaf:
            self._recorded_deaf, self._restarted = True, False
            log.warning("%s: the Chat app is deaf; %d messages are absent", stream, missing)
            self._record(ChatAppDeaf(missing))
        elif self._recorded_deaf and detector.hears:
            self._recorded_deaf = False
            log.info("%s: the Chat app hears again", stream)
            self._record(ChatAppHealed(self._restarted))
        if detector.deaf and self._allowed and self._is_time():
            await self._restart()

    def _record(self, event: Event) -> None:
        self._link.health.deaf = self._recorded_deaf
        self._link.observe(event)

    def _is_time(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        return self._tried_s is None or now_s - self._tried_s >= self._link.timing.heal_every_s

    async def _restart(self) -> None:
        """Stop the deaf app; the next request starts it afresh (ZTM behaviour)."""
        client, loop_s = self._link.client, asyncio.get_running_loop().time
        endpoint = (await client.appinfo()).endpoint.id
        state = await client.chat_app_state(endpoint)
        if state is not None and state.is_disabled:
            self._tried_s = loop_s()
            log.warning("%s: the Chat app is deaf, and disabled: left alone", self._link.stream)
            return
        async with self._gate.restarting():
            self._tried_s = loop_s()
            await client.stop_chat_app(endpoint)
            self._restarted = True
            await client.chats()
        self._link.health.healed_ms = self._link.now_ms()
        log.warning("%s: the deaf Chat app was restarted", self._link.stream)
