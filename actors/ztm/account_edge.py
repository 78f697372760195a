"""Everything by which one account reaches its ZTM Agent: one client, one sender, one intake."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from actors.configuration import AccountConfig
from actors.http.client import HttpClient
from actors.messages import Sent, Unsendable
from actors.runtime.system import SendTask
from actors.ztm.client.client import ZtmClient
from actors.ztm.client.tls import tls_context
from actors.ztm.health import Health
from actors.ztm.joining.joining import ensure_joined
from actors.ztm.sending.send_gate import SendGate
from actors.ztm.sending.sender import NeverSendable, Sender
from actors.ztm.timing import Timing
from actors.ztm.watching.arrival_factory import ArrivalFactory
from actors.ztm.watching.catalogue import Catalogue
from actors.ztm.watching.chat_app_restarter import ChatAppRestarter
from actors.ztm.watching.chat_source import ChatSource
from actors.ztm.watching.deafness_detector import DeafnessDetector
from actors.ztm.watching.deliveries import Deliveries
from actors.ztm.watching.feed import Feed
from actors.ztm.watching.groups import Groups
from actors.ztm.watching.intake import Intake
from events.account.state import AccountState
from events.conversation.arrivals import Arrival, is_ours
from events.conversation.events import MessageQueued
from events.conversation.outbox import wire_id
from events.streams import (
    ConversationId,
    GroupId,
    account_stream,
    conversation_stream,
    parse_stream,
)
from store.log.event_log import EventLog

_logger = logging.getLogger(__name__)

JOIN_DEADLINE_S = 30.0


class AccountEdge:
    """One account's edge; made and used on the edge loop. `tell` reaches the account's actor."""

    def __init__(
        self,
        config: AccountConfig,
        log: EventLog,
        tell: Callable[[Any], None],
        *,
        now_ms: Callable[[], int],
        salt: Callable[[int], bytes],
        timing: Timing,
    ) -> None:
        self.health = Health()
        self._config = config
        self._log = log
        self._tell = tell
        self._now_ms = now_ms
        self._salt = salt
        self._timing = timing
        tls = None
        if config.tls:
            tls, advice = tls_context(
                ca_file=config.tls.ca_file,
                cert_file=config.tls.cert_file,
                key_file=config.tls.key_file,
            )
            for warning in advice:
                _logger.warning("account %s: %s", config.id, warning)
        self._http = HttpClient(tls=tls, max_connections=32)
        self._permit_http = HttpClient()
        self.client = ZtmClient(
            self._http,
            agent_url=config.agent_url,
            mesh=config.mesh,
            timeout_s=config.api_timeout_ms / 1_000,
        )
        self._quiescence = SendGate()
        self._watching = asyncio.Lock()
        self._groups = Groups(config.username, tell, self.health)
        self._sentinel = DeafnessDetector(timing.deaf_after_s, timing.back_off_scale)
        self._sender = Sender(
            config.username, self.client, timing, self._quiescence, unknown=self._group_unknown
        )

    async def watch(self, state: AccountState) -> None:
        """Take in what the agent shows, from the cursor in `state`, until cancelled.

        One that is to replace another begins when that has ended.
        """
        async with self._watching:
            await self._intake(state).run()

    async def send(self, task: SendTask) -> Sent | Unsendable:
        """Bring a queued message into our files; what became of it, as a message."""
        address = parse_stream(task.stream)
        text, recorded = self._log.body(task.seq), self._log.event(task.seq)
        queued = recorded.event if recorded else None
        if text is None or address is None or isinstance(address, str):
            return Unsendable(task.queued, "erased")
        if not isinstance(queued, MessageQueued):
            return Unsendable(task.queued, "unknown")
        try:
            found = await self._sender.send(
                address,
                text,
                wire_id(self._log.log_id, task.queued, queued),
                queued_ms=task.queued_ms,
                doubtful=task.doubtful,
            )
        except NeverSendable as error:
            _logger.warning("%s: a message can't ever be sent: %s", task.stream, error.__cause__)
            return Unsendable(task.queued, str(error))
        self.health.outbound_ms = self._now_ms()
        return Sent(task.queued, found.sent_ms, found.reconciled, found.posts)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._permit_http.aclose()

    async def _join(self) -> None:
        joined = await ensure_joined(
            self.client,
            username=self._config.username,
            permit_source=self._config.permit,
            permit_http=self._permit_http,
            permit_timeout_s=self._config.api_timeout_ms / 1_000,
            deadline_s=JOIN_DEADLINE_S,
            sleep=asyncio.sleep,
        )
        for warning in joined.advice:
            _logger.warning("account %s: %s", self._config.id, warning)

    def _begun(self, conversation: ConversationId) -> bool:
        return self._log.version(conversation_stream(conversation)) > 0

    def _decided(self, arrival: Arrival) -> bool:
        """Whether the log knows it: as a message, or as one of its own that it has sent."""
        if is_ours(arrival, self._config.username, self._log.log_id):
            return True
        return self._log.seen(arrival.identity) is not None

    def _group_unknown(self, group: GroupId) -> None:
        if self._groups.is_listed(group):
            self._sentinel.app_lacks(group, asyncio.get_running_loop().time())

    def _intake(self, state: AccountState) -> Intake:
        config, timing, health = self._config, self._timing, self.health
        stream = account_stream(config.id)
        groups_count = config.policy.enable_groups
        loop_s = asyncio.get_running_loop().time
        arriving = ArrivalFactory(config.id, self._log.key, self._salt)
        deliveries = Deliveries(self._tell, decided=self._decided, begun=self._begun)
        groups, sentinel = self._groups, self._sentinel
        feed = Feed(
            config.id,
            state,
            client=self.client,
            catalogue=Catalogue(config.id, config.username, groups=groups_count),
            arriving=arriving,
            deliveries=deliveries,
            groups=groups,
            tell=self._tell,
            begun=self._begun,
            on_entry=lambda chat, time_ms: sentinel.files_show(chat, time_ms, loop_s()),
            now_ms=self._now_ms,
            timing=timing,
            health=health,
        )
        source = ChatSource(
            config.id,
            config.username,
            groups_count=groups_count,
            client=self.client,
            feed=feed,
            arriving=arriving,
            deliveries=deliveries,
            groups=groups,
            sentinel=sentinel,
            tell=self._tell,
            seen=lambda identity: self._log.seen(identity) is not None,
            heard_ms=state.heard_ms,
            now_ms=self._now_ms,
            timing=timing,
            health=health,
        )
        healer = ChatAppRestarter(
            stream,
            deaf=state.deaf,
            allowed=config.heal,
            client=self.client,
            sentinel=sentinel,
            quiescence=self._quiescence,
            tell=self._tell,
            now_ms=self._now_ms,
            timing=timing,
            health=health,
        )
        return Intake(
            stream,
            username=config.username,
            client=self.client,
            join=self._join,
            feed=feed,
            source=source,
            healer=healer,
            tell=self._tell,
            timing=timing,
            health=health,
        )
