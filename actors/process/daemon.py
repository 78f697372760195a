"""The whole of it: log, dispatcher, edges and actors, started and stopped in mirrored order."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from actors.account import AccountSettings
from actors.actor_system import ActorSystem
from actors.agents.configured import build_agent
from actors.agents.protocol import Agent
from actors.agents.runner import AgentRunner
from actors.configuration import AccountConfig, Configuration
from actors.edge import Do, Edge
from actors.messages import ErasureCutoffFound, KeyDestroyed, KeysExpired, SendFailed, Sent
from actors.process.clock_doubts import clock_doubts
from actors.process.control import Control
from actors.process.status import RunReport, status
from actors.runtime.actor_report import ActorReport
from actors.runtime.clocks import Clocks
from actors.runtime.dispatcher import PooledDispatcher
from actors.runtime.loader import Loader
from actors.runtime.system import (
    AskTask,
    DestroyKey,
    ExpireKeys,
    FindErasureCutoff,
    SendTask,
    WatchTask,
)
from actors.ztm.account_edge import AccountEdge
from actors.ztm.reading.message_files import LARGE_FILES
from actors.ztm.timing import Timing
from events.account.state import AccountState, fold
from events.conversation.policy_context import person_key
from events.event import Draft, Event
from events.gateway.events import GatewayStarted, GatewayStopped, StoreReopened
from events.gateway.retention import decide_jump
from events.streams import GATEWAY, account_stream
from store.errors import LogDamaged
from store.log.lmdb_log import LmdbLog
from store.log.log_clock import LogClock
from store.maintenance.scrub import Scrub
from store.read_models.erasure import newest_ms

_MS = 1_000_000


class AccountMoved(Exception):
    """An account's mesh or user name changed under the same id: its approvals would move with
    it.
    """


class Daemon:
    """One run of the daemon, from opening the log to closing it.

    `on_failure(error)` is called, on some thread, when the log or a thread that all depend on has
    failed: everything has to be stopped and started again. `reopened`: the error that a run before
    this one failed with. `wall_ns`: this machine's clock, ns since 1970.
    """

    def __init__(
        self,
        config: Configuration,
        *,
        release: str,
        timing: Timing | None = None,
        on_failure: Callable[[str], None] = lambda error: None,
        reopened: str = "",
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.config = config
        self._wall_ns = wall_ns
        self.clock = LogClock(wall_ns)
        self.started_ms = self.now_ms()
        self.log: LmdbLog
        self.edge: Edge
        self.actors: ActorSystem | None = None
        self._release = release
        self._timing = timing or Timing()
        self._on_failure = on_failure
        self._reopened = reopened
        self._accounts: Mapping[str, AccountEdge] = {}
        self._agents: dict[str, Agent] = {}
        self._halted = ""
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
                clock_ns=self.clock,
                map_size=store.map_size,
                max_map_size=store.max_map_size,
                on_failure=self._fail,
            )
            started.callback(self.log.close)
            loader = Loader(self.log, store.path)
            started.callback(loader.stop)
            self._check_accounts(loader)
            self._record_start()
            control = self._control()
            started.callback(control.close)
            started.callback(self._record_stop)
            dispatcher = PooledDispatcher(on_death=self._fail)
            started.callback(dispatcher.stop)
            self.edge = self._edge()
            actors = self.actors = self._actor_system(dispatcher, loader)
            started.callback(actors.halt, "the daemon stops")
            self.edge.start()
            started.callback(self.edge.stop)
            self.edge.serve("control socket", control.serve)
            actors.start()
            scrub = Scrub(self.log, on_damage=self._damaged)
            scrub.start()
            started.callback(scrub.stop)
            self._started = started.pop_all()

    def stop(self, reason: str) -> None:
        """Stop everything in the opposite order; what is under way resumes from the log."""
        self._stop_reason = reason
        self._started.close()

    # What ends a run

    def _fail(self, error: str) -> None:
        """Nobody acts on a log that can't be written, or with a thread that is gone."""
        first = not self._halted
        self._halt(error)
        if first:
            self._on_failure(error)

    def _damaged(self, damage: LogDamaged) -> None:
        """To open a damaged log again would not mend it: everything but the socket stops, once, and
        the operator is told why."""
        self.log.fail(damage)
        self._halt(str(damage))

    def _halt(self, reason: str) -> None:
        self._halted = self._halted or reason
        if self.actors is not None:
            self.actors.halt(reason)
            self.edge.halt()

    # Parts

    def now_ms(self) -> int:
        """The record's time, ms since 1970."""
        return self.clock() // _MS

    def _wall_ms(self) -> int:
        return self._wall_ns() // _MS

    def clocks(self) -> Clocks:
        """The clocks that its actors go by."""
        return Clocks(
            record=self.now_ms, elapsed=_elapsed_ms, wall=self._wall_ms, mesh=self._mesh_ms
        )

    def _mesh_ms(self) -> int:
        return max((edge.mesh_ms for edge in self._accounts.values()), default=0)

    def _actor_system(self, dispatcher: PooledDispatcher, loader: Loader) -> ActorSystem:
        return ActorSystem(
            self.log,
            [_settings(account) for account in self.enabled],
            dispatcher=dispatcher,
            effects=self.edge,
            states=loader,
            clocks=self.clocks(),
            entropy=secrets.token_bytes,
            retention_s=self.config.store.retention_s,
        )

    def _control(self) -> Control:
        return Control(
            self.config.gateway.socket,
            self.log,
            self.enabled,
            status=self.status,
            tell=self.tell,
            now_ms=self.now_ms,
        )

    def _edge(self) -> Edge:
        return Edge(
            tell=self.tell,
            open=self._open_edges,
            close=self._close_edges,
            tick=self._tick,
            now_ms=self.now_ms,
            on_death=self._fail,
            scale=self._timing.back_off_scale,
        )

    def tell(self, stream: str, message: Any) -> None:
        """Tell the actor of `stream`."""
        if self.actors is not None:
            self.actors.tell(stream, message)

    def _tick(self) -> None:
        self.log.clear_stale_readers()
        if self.actors is not None:
            self.actors.tick()

    # What an operator sees

    def status(self, *, verbose: bool = False) -> dict[str, Any]:
        """What the daemon and its accounts are doing; `verbose`: down to the single actor."""
        return status(
            self.config,
            self.log,
            {account: edge.health for account, edge in self._accounts.items()},
            run=RunReport(
                halted=self._halted,
                restarts=dict(self.actors.router.restarts) if self.actors else {},
                failing={
                    name: failing
                    for tasks in (self.edge.tasks, self.edge.services)
                    for name, failing in dict(tasks.failing).items()
                },
                clocks=tuple(clock_doubts(self.log, self.clocks(), self.config.store.retention_s)),
                actors=tuple(self.reports()) if verbose else None,
                tasks=tuple(self.edge.tasks.names()) if verbose else None,
            ),
            release=self._release,
            started_ms=self.started_ms,
            now_ms=self.now_ms(),
        )

    def reports(self) -> list[ActorReport]:
        """A line about each live actor."""
        return list(self.actors.router.reports()) if self.actors else []

    # The log

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

    def _record_start(self) -> None:
        last = self.log.event(self.log.head().seq)
        self.clock.not_before(last.time if last else 0)
        wall_ms = self._wall_ms()
        jump = decide_jump(expected_ms=last.time // _MS if last else wall_ms, wall_ms=wall_ms)
        reopened = [StoreReopened(self._reopened)] if self._reopened else []
        started = GatewayStarted(self._release, self.log.log_id)
        self._record(*reopened, *(draft.event for draft in jump), started)

    def _record_stop(self) -> None:
        stats = self.log.stats()
        if self._stop_reason and stats.failed is None and stats.stalled is None:
            self._record(GatewayStopped(self._stop_reason))

    def _record(self, *events: Event) -> None:
        drafts = [Draft(GATEWAY, event) for event in events]
        self.log.commit(drafts, expected={GATEWAY: self.log.version(GATEWAY)})

    # The edges

    def _open_edges(self) -> Mapping[type, Do]:
        large_files = asyncio.Semaphore(LARGE_FILES)
        self._accounts = {
            account.id: self._open_account(account, large_files) for account in self.enabled
        }
        self._agents = {account.id: build_agent(account.agent) for account in self.enabled}
        own = {account.id: account.username for account in self.enabled}
        runner = AgentRunner(self.log, self._agents, own, self.config.gateway.max_turns)
        return {
            AskTask: runner.ask,
            SendTask: self._send,
            WatchTask: self._watch,
            FindErasureCutoff: self._find_erasure_cutoff,
            DestroyKey: self._destroy_key,
            ExpireKeys: self._expire_keys,
        }

    def _open_account(self, account: AccountConfig, large_files: asyncio.Semaphore) -> AccountEdge:
        return AccountEdge(
            account,
            self.log,
            self.tell,
            now_ms=self.now_ms,
            ahead_ms=lambda: self.clock.ahead_ns() // _MS,
            salt=secrets.token_bytes,
            timing=self._timing,
            large_files=large_files,
        )

    async def _send(self, task: SendTask) -> Sent | SendFailed:
        return await self._accounts[task.account].send(task)

    async def _watch(self, task: WatchTask) -> None:
        await self._accounts[task.account].watch(task.state)

    async def _find_erasure_cutoff(self, task: FindErasureCutoff) -> ErasureCutoffFound:
        newest = await asyncio.to_thread(newest_ms, self.log, task.account, task.person)
        return ErasureCutoffFound(task.person, newest)

    async def _destroy_key(self, task: DestroyKey) -> KeyDestroyed:
        await asyncio.to_thread(self.log.destroy, person_key(task.account, task.person))
        return KeyDestroyed(task.person)

    async def _expire_keys(self, task: ExpireKeys) -> KeysExpired:
        await asyncio.to_thread(self.log.expire, task.before)
        return KeysExpired(task.before)

    async def _close_edges(self) -> None:
        for edge in self._accounts.values():
            await edge.aclose()
        for agent in self._agents.values():
            await agent.aclose()


def _elapsed_ms() -> int:
    """A clock that nobody sets, ms."""
    return time.monotonic_ns() // _MS


def _settings(account: AccountConfig) -> AccountSettings:
    kind = str(account.agent.__struct_config__.tag)
    return AccountSettings(account.id, account.mesh, account.policy, kind)
