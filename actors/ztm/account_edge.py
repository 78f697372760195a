"""Everything by which one account reaches its ZTM Agent: one client, one sender, one intake."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from actors.configuration import AccountConfig, TlsFiles
from actors.http.client import HttpClient
from actors.messages import SendFailed, Sent
from actors.runtime.system import SendTask
from actors.ztm.account_link import AccountLink
from actors.ztm.client.tls import tls_context
from actors.ztm.client.ztm_client import ZtmClient
from actors.ztm.delivering.deliveries import Deliveries
from actors.ztm.delivering.groups import Groups
from actors.ztm.delivering.on_record import OnRecord
from actors.ztm.health import Health
from actors.ztm.joining.joining import ensure_joined
from actors.ztm.reading.arrival_factory import ArrivalFactory
from actors.ztm.reading.catalogue import Catalogue
from actors.ztm.reading.file_reader import FileReader
from actors.ztm.sending.send_gate import SendGate
from actors.ztm.sending.sender import NeverSendable, Sender
from actors.ztm.timing import Timing
from actors.ztm.watching.chat_app_restarter import ChatAppRestarter
from actors.ztm.watching.chat_source import ChatSource
from actors.ztm.watching.cursor import Cursor
from actors.ztm.watching.deafness_detector import DeafnessDetector
from actors.ztm.watching.feed import Feed
from actors.ztm.watching.intake import Intake
from events.account.state import AccountState
from events.conversation.events import MessageQueued
from events.conversation.outbox import wire_id
from events.streams import ConversationId, GroupId, parse_stream
from store.log.event_log import EventLog

_logger = logging.getLogger(__name__)

JOIN_DEADLINE_S = 30.0


class AccountEdge:
    """One account's edge; made and used on the edge loop.

    `tell(stream, message)` reaches the actor of a stream; `now_ms` and `ahead_ms`: see
    `AccountLink`; `salt(n)`: n random bytes; `large_files`: how many large files the process reads
    at a time.
    """

    def __init__(
        self,
        config: AccountConfig,
        log: EventLog,
        tell: Callable[[str, Any], None],
        *,
        now_ms: Callable[[], int],
        ahead_ms: Callable[[], int],
        salt: Callable[[int], bytes],
        timing: Timing,
        large_files: asyncio.Semaphore,
    ) -> None:
        self._config = config
        self._log = log
        self._salt = salt
        self._large_files = large_files
        self._http = _http_of(config)
        self._permit_http = HttpClient()
        self.client = ZtmClient(
            self._http,
            agent_url=config.agent_url,
            mesh=config.mesh,
            timeout_s=config.api_timeout_ms / 1_000,
        )
        self.health = Health()
        self._link = AccountLink(
            id=config.id,
            username=config.username,
            groups=config.policy.enable_groups,
            client=self.client,
            tell=tell,
            now_ms=now_ms,
            timing=timing,
            health=self.health,
            ahead_ms=ahead_ms,
        )
        self._watching = asyncio.Lock()
        self._gate = SendGate()
        self._groups = Groups(self._link)
        self._detector = DeafnessDetector(timing.deaf_after_s, timing.back_off_scale)
        self._sender = Sender(
            config.username, self.client, timing, self._gate, unknown=self._group_unknown
        )

    @property
    def mesh_ms(self) -> int:
        """The newest time that the mesh gave, ms since 1970; 0: none yet."""
        return self._link.mesh_clock.newest_ms

    async def watch(self, state: AccountState) -> None:
        """Take in what the agent shows, from the cursor in `state`, until cancelled.

        One that is to replace another begins when that has ended.
        """
        async with self._watching:
            await self._intake(state).run()

    async def send(self, task: SendTask) -> Sent | SendFailed:
        """Bring a queued message into our files; what became of it, as a message."""
        address = parse_stream(task.stream)
        text, recorded = self._log.body(task.seq), self._log.event(task.seq)
        queued = recorded.event if recorded else None
        if text is None or address is None or isinstance(address, str):
            return SendFailed(task.queued, "erased")
        if not isinstance(queued, MessageQueued):
            return SendFailed(task.queued, "unknown")
        try:
            found = await self._sender.send(
                address,
                text,
                wire_id(self._log.log_id, task.queued, queued),
                queued_ms=task.queued_ms - self._link.ahead_ms(),
                doubtful=task.doubtful,
            )
        except NeverSendable as error:
            cause = error.__cause__
            _logger.warning("%s: a message is permanently undeliverable: %s", task.stream, cause)
            return SendFailed(task.queued, str(error))
        self.health.outbound_ms = self._link.now_ms()
        return Sent(task.queued, found.sent_ms, found.reconciled, found.posts)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._permit_http.aclose()

    def _intake(self, state: AccountState) -> Intake:
        config, link = self._config, self._link
        on_record = OnRecord(self._log, config.username)
        max_chars = config.policy.max_message_chars
        arrivals = ArrivalFactory(config.id, self._log.key, self._salt, max_chars=max_chars)
        deliveries = Deliveries(link, on_record)
        groups = self._groups = Groups(link)
        catalogue = Catalogue(config.id, config.username, groups=link.groups)
        cursor = Cursor(link, catalogue, state)
        reader = FileReader(
            link,
            catalogue,
            arrivals,
            deliveries,
            groups,
            on_entry=self._files_show,
            record_unavailable=cursor.report_at_once,
            large_files=self._large_files,
        )
        feed = Feed(link, state, catalogue, cursor, reader, on_record)
        chat_source = ChatSource(
            link, feed, arrivals, deliveries, groups, self._detector, heard_ms=state.heard_ms
        )
        restarter = ChatAppRestarter(
            link, self._detector, self._gate, deaf=state.deaf, allowed=config.heal
        )
        return Intake(link, feed, chat_source, restarter, self._join)

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

    def _files_show(self, conversation: ConversationId, time_ms: int) -> None:
        self._detector.files_show(conversation, time_ms, asyncio.get_running_loop().time())

    def _group_unknown(self, group: GroupId) -> None:
        if self._groups.is_listed(group):
            self._detector.app_lacks(group, asyncio.get_running_loop().time())


def _http_of(config: AccountConfig) -> HttpClient:
    """Files for TLS are read by the first request: so a bad one is this account's trouble alone,
    said in its status, and read again by the next attempt."""
    secure = config.tls and config.agent_url.startswith("https:")
    tls = partial(_tls_of, config.id, config.tls) if secure and config.tls else None
    return HttpClient(tls=tls, max_connections=32)


def _tls_of(account: str, files: TlsFiles) -> ssl.SSLContext:
    context, advice = tls_context(
        ca_file=files.ca_file, cert_file=files.cert_file, key_file=files.key_file
    )
    for warning in advice:
        _logger.warning("account %s: %s", account, warning)
    return context
