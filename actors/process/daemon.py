"""The whole of it: log, dispatcher, edges and actors, started and stopped in mirrored order."""

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import pykka

from actors.account import AccountSettings
from actors.agents.configured import build_agent
from actors.agents.protocol import Agent
from actors.agents.runner import AgentRunner
from actors.configuration import AccountConfig, Configuration
from actors.edge import Edge
from actors.gateway import GatewayActor
from actors.messages import Forward
from actors.process.control import Control
from actors.process.status import status
from actors.runtime.dispatcher import PooledDispatcher, tell
from actors.runtime.loader import Loader
from actors.runtime.system import System
from actors.ztm.account_edge import AccountEdge
from actors.ztm.timing import Timing
from events.account.state import AccountState, fold
from events.event import Draft
from events.gateway.events import GatewayStopped, StoreReopened
from events.streams import GATEWAY, account_stream
from store.log.lmdb_log import LmdbLog
from store.maintenance.scrub import Scrub


class AccountMoved(Exception):
    """An account's mesh or user name changed under the same id: its approvals would move with
    it.
    """


class Daemon:
    """One run of the daemon, from opening the log to closing it.

    `on_failure(error)` is called, on some thread, when the log fails and everything has to be
    stopped and started again. `reopened`: the error that a run before this one failed with.
    """

    def __init__(
        self,
        config: Configuration,
        *,
        release: str,
        timing: Timing | None = None,
        on_failure: Callable[[str], None] = lambda error: None,
        reopened: str = "",
    ) -> None:
        self.config = config
        self.started_ms = now_ms()
        self.log: LmdbLog
        self._release = release
        self._timing = timing or Timing()
        self._on_failure = on_failure
        self._reopened = reopened
        self._agents: dict[str, Agent] = {}
        self._stop_reason = ""

    @property
    def enabled(self) -> tuple[AccountConfig, ...]:
        """The accounts that take part."""
        return tuple(account for account in self.config.accounts if account.enabled)

    def start(self) -> None:
        """Open the log and start everything. Raises `LogError`, `AccountMoved`, `SocketUnusable`,
        and what the edges can't be opened for; what was started until then is stopped again."""
        store = self.config.store
        with ExitStack() as started:
            self.log = LmdbLog.open(
                store.path,
                map_size=store.map_size,
                max_map_size=store.max_map_size,
                on_failure=self._on_failure,
            )
            started.callback(self.log.close)
            loader = Loader(self.log, store.path)
            started.callback(loader.stop)
            self._check_accounts(loader)
            self._record_reopening()
            control = self._control()
            started.callback(control.close)
            started.callback(self._record_stop)
            dispatcher = PooledDispatcher()
            started.callback(dispatcher.stop)
            self.edge = self._edge()
            self.edge.start()
            started.callback(self.edge.stop)
            self.edge.serve(control.serve)
            self._gateway = self._start_actors(dispatcher, loader)
            scrub = Scrub(self.log, on_damage=self.log.fail)
            scrub.start()
            started.callback(scrub.stop)
            self._started = started.pop_all()

    def stop(self, reason: str) -> None:
        """Stop everything in the opposite order; what is under way resumes from the log."""
        self._stop_reason = reason
        self._started.close()

    def _record_stop(self) -> None:
        stats = self.log.stats()
        if self._stop_reason and stats.failed is None and stats.stalled is None:
            stopped = Draft(GATEWAY, GatewayStopped(self._stop_reason))
            self.log.commit([stopped], expected={GATEWAY: self.log.version(GATEWAY)})

    def _start_actors(
        self, dispatcher: PooledDispatcher, loader: Loader
    ) -> "pykka.ActorRef[GatewayActor]":
        system = System(
            log=self.log,
            dispatcher=dispatcher,
            effects=self.edge,
            now_ms=now_ms,
            entropy=secrets.token_bytes,
            states=loader,
        )
        unfinished = tuple(stream for stream, _ in self.log.open_work())
        accounts = [_settings(account) for account in self.enabled]
        retention_s = self.config.store.retention_s
        return GatewayActor.start(system, self._release, accounts, unfinished, retention_s)

    def _control(self) -> Control:
        return Control(
            self.config.gateway.socket,
            self.log,
            self.enabled,
            status=self.status,
            tell=self.tell,
            now_ms=now_ms,
        )

    def _edge(self) -> Edge:
        return Edge(
            tell=self.tell,
            open_accounts=self._open_accounts,
            open_asking=self._open_asking,
            close=self._close_edges,
            now_ms=now_ms,
        )

    def status(self) -> dict[str, Any]:
        """What the daemon and its accounts are doing."""
        return status(
            self.config,
            self.log,
            {account: edge.health for account, edge in self.edge.accounts.items()},
            running=True,
            release=self._release,
            started_ms=self.started_ms,
            now_ms=now_ms(),
        )

    def tell(self, stream: str, message: Any) -> None:
        """Tell the actor of `stream`, through its parents."""
        tell(self._gateway, message if stream == GATEWAY else Forward(stream, message))

    # Opening

    def _check_accounts(self, loader: Loader) -> None:
        for account in self.enabled:
            state = loader.state(account_stream(account.id), AccountState, fold)
            known = (state.mesh, state.policy.username if state.policy else "")
            if state.policy and known != (account.mesh, account.username):
                msg = (
                    f"account {account.id} was {known[1]} on mesh {known[0]}, and the configuration"
                    f" now says {account.username} on mesh {account.mesh}; approvals must not pass"
                    " to another identity: give it a new account id"
                )
                raise AccountMoved(msg)

    def _record_reopening(self) -> None:
        if self._reopened:
            reopened = Draft(GATEWAY, StoreReopened(self._reopened))
            self.log.commit([reopened], expected={GATEWAY: self.log.version(GATEWAY)})

    def _open_accounts(self) -> Mapping[str, AccountEdge]:
        return {account.id: self._open_account(account) for account in self.enabled}

    def _open_account(self, account: AccountConfig) -> AccountEdge:
        stream = account_stream(account.id)
        return AccountEdge(
            account,
            self.log,
            lambda message: self.tell(stream, message),
            now_ms=now_ms,
            salt=secrets.token_bytes,
            timing=self._timing,
        )

    def _open_asking(self) -> AgentRunner:
        self._agents = {account.id: build_agent(account.agent) for account in self.enabled}
        own = {account.id: account.username for account in self.enabled}
        return AgentRunner(self.log, self._agents, own, self.config.gateway.max_turns)

    async def _close_edges(self) -> None:
        for edge in self.edge.accounts.values():
            await edge.aclose()
        for agent in self._agents.values():
            await agent.aclose()


def now_ms() -> int:
    """ms since 1970."""
    return time.time_ns() // 1_000_000


def _settings(account: AccountConfig) -> AccountSettings:
    return AccountSettings(account.id, account.mesh, account.policy, _kind(account))


def _kind(account: AccountConfig) -> str:
    return str(account.agent.__struct_config__.tag)
