"""The actor of the gateway: the root, parent of all accounts, and everybody's address."""

from collections.abc import Iterable, Sequence
from typing import Any

import pykka

from actors.account import AccountActor, AccountSettings
from actors.messages import ChildFailed, Forward, Tick, Woken
from actors.runtime.dispatcher import tell
from actors.runtime.event_sourced import EventSourced
from actors.runtime.system import System
from events.event import Draft, Recorded
from events.gateway.events import GatewayStarted
from events.gateway.retention import decide_expiry
from events.gateway.state import GatewayState, evolve, fold
from events.streams import GATEWAY, GroupId, PeerId, account_stream, parse_stream

RESTART_PAUSE_MS = 5_000
"""How long an account that failed rests before it is started again."""


class GatewayActor(EventSourced[GatewayState]):
    """The root. `unfinished`: streams with work left open by an earlier process. `retention_s`: for
    how long words are kept at most; 0: for good."""

    def __init__(
        self,
        system: System,
        release: str,
        accounts: Iterable[AccountSettings],
        unfinished: Iterable[str],
        retention_s: int = 0,
    ) -> None:
        super().__init__(system, GATEWAY, None, fold, evolve)
        self._release = release
        self._settings = {account.id: account for account in accounts}
        self._unfinished = tuple(unfinished)
        self._retention_s = retention_s
        self._accounts: dict[str, pykka.ActorRef[Any]] = {}

    def on_ready(self) -> None:
        """Record the start, then start the accounts. Keys that are recorded as destroyed may still
        be there: a crash may have come in between."""
        self._destroy_what_is_old()
        started = GatewayStarted(self._release, self.system.log.log_id)
        self.append([Draft(GATEWAY, started)], self._start_accounts)

    def _start_accounts(self, _: Sequence[Recorded]) -> None:
        for account in self._settings:
            self._start(account)
        self._give_up_what_is_old()

    def handle(self, message: Any) -> None:
        """Hand a message down to the account it concerns."""
        match message:
            case Forward(stream, inner):
                self._forward(stream, inner)
            case Tick():
                for account in self._accounts.values():
                    tell(account, message)
                self._give_up_what_is_old()
            case ChildFailed(stream):
                self._account_failed(stream)
            case _:
                msg = f"the gateway can't handle {message!r}"
                raise TypeError(msg)

    def _forward(self, stream: str, inner: Any) -> None:
        match parse_stream(stream):
            case str(account):
                message: Any = inner
            case PeerId(account) | GroupId(account):
                message = Forward(stream, inner)
            case None:
                return
        if account in self._accounts:
            tell(self._accounts[account], message)
        elif account in self._settings and isinstance(inner, Woken):
            self._start(account)

    def _start(self, account: str) -> None:
        prefix = f"{account_stream(account)}/"
        unfinished = [stream for stream in self._unfinished if stream.startswith(prefix)]
        settings = self._settings[account]
        self._accounts[account] = AccountActor.start(
            self.system, self.actor_ref, settings, unfinished
        )

    def _give_up_what_is_old(self) -> None:
        if self._retention_s:
            drafts = decide_expiry(
                self.state.expired,
                now_ns=self.system.now_ms() * 1_000_000,
                retention_ns=self._retention_s * 1_000_000_000,
            )
            if drafts:
                self.append(drafts, lambda _: self._destroy_what_is_old())

    def _destroy_what_is_old(self) -> None:
        self.system.log.expire(self.state.expired)

    def _account_failed(self, stream: str) -> None:
        """Start the account again after a pause, from the log."""
        account = parse_stream(stream)
        if isinstance(account, str):
            self._accounts.pop(account, None)
            self._unfinished = tuple(work for work, _ in self.system.log.open_work())
            at_ms = self.system.now_ms() + RESTART_PAUSE_MS
            self.system.effects.wake(stream, at_ms)

    def on_stop(self) -> None:
        """Stop the accounts with their parent."""
        for account in self._accounts.values():
            account.stop(block=False)
