"""All actors of one daemon, started on demand by stream, and reached through one router."""

from collections.abc import Callable, Iterable
from typing import Any

import pykka

from actors.account import AccountActor, AccountSettings
from actors.gateway import GatewayActor
from actors.group import GroupActor
from actors.messages import ConversationLost, Tick
from actors.peer import PeerActor
from actors.poison_messages import PoisonMessages
from actors.policy_contexts import PolicyContexts
from actors.runtime.clocks import Clocks
from actors.runtime.dispatcher import Dispatcher
from actors.runtime.router import Router
from actors.runtime.system import Effects, States, System
from events.streams import GATEWAY, GroupId, PeerId, account_stream, parse_stream
from store.log.event_log import EventLog

IDLE_MS = 120_000
"""After how long without a message a conversation that is at rest may be stopped."""


class ActorSystem:
    """The gateway, the accounts of `accounts`, and their conversations.

    `retention_s`: for how long words are kept at most; 0: for good.
    """

    def __init__(
        self,
        log: EventLog,
        accounts: Iterable[AccountSettings],
        *,
        dispatcher: Dispatcher,
        effects: Effects,
        states: States,
        clocks: Clocks,
        entropy: Callable[[int], bytes],
        retention_s: int = 0,
    ) -> None:
        self._accounts = {settings.id: settings for settings in accounts}
        self._retention_s = retention_s
        self._contexts = {
            settings.id: PolicyContexts(
                settings.id, settings.policy, log_id=log.log_id, agent=settings.agent
            )
            for settings in self._accounts.values()
        }
        self._unfinished = [stream for stream, _ in log.open_work()]
        self.router = Router(
            self._start_actor,
            instead=PoisonMessages().instead,
            lost=self._lost,
            later=effects.later,
            now_ms=clocks.elapsed,
        )
        self._system = System(
            log=log,
            dispatcher=dispatcher,
            router=self.router,
            effects=effects,
            clocks=clocks,
            entropy=entropy,
            states=states,
        )

    def start(self) -> None:
        """Start the gateway and the accounts; they resume what was left open."""
        for stream in self._roots():
            self.router.wake(stream)

    def tell(self, stream: str, message: Any) -> None:
        """Tell the actor of `stream`."""
        self.router.tell(stream, message)

    def tick(self) -> None:
        """Now and then: whoever looks at the time does so, and idle conversations are stopped."""
        for stream in self._roots():
            self.router.tell(stream, Tick())
        self.router.request_passivation(IDLE_MS)

    def halt(self, reason: str) -> None:
        """Stop all actors for good: nobody acts on this log any more."""
        self.router.halt(reason)

    def _roots(self) -> list[str]:
        return [GATEWAY, *map(account_stream, self._accounts)]

    def _start_actor(self, stream: str) -> "pykka.ActorRef[Any] | None":
        address = parse_stream(stream)
        match address:
            case None:
                return GatewayActor.start(self._system, self._retention_s)
            case str(account) if settings := self._accounts.get(account):
                contexts = self._contexts[account]
                return AccountActor.start(
                    self._system, settings, contexts, self._take_unfinished(stream)
                )
            case PeerId(account) | GroupId(account) if account in self._accounts:
                return self._start_conversation(address)
        return None

    def _start_conversation(self, address: PeerId | GroupId) -> "pykka.ActorRef[Any] | None":
        contexts = self._contexts[address.account]
        if not contexts.published:
            return None
        context = contexts.of(address, self._system.now_ms())
        kind = PeerActor if isinstance(address, PeerId) else GroupActor
        return kind.start(self._system, address, context)

    def _take_unfinished(self, account: str) -> list[str]:
        """Only once: whoever fails later is started again by the router."""
        taken = [stream for stream in self._unfinished if stream.startswith(f"{account}/")]
        self._unfinished = [stream for stream in self._unfinished if stream not in set(taken)]
        return taken

    def _lost(self, stream: str) -> None:
        address = parse_stream(stream)
        if isinstance(address, PeerId | GroupId):
            self.router.tell(account_stream(address.account), ConversationLost(stream))
