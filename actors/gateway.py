"""The actor of the gateway: what concerns the daemon as a whole. It expires words that are old."""

from typing import Any

from actors.messages import KeysExpired, TaskFailed, Tick, Woken
from actors.runtime.event_sourced import EventSourced
from actors.runtime.system import ExpireKeys, System
from events.gateway.retention import decide_expiry
from events.gateway.state import GatewayState, evolve, fold
from events.streams import GATEWAY


class GatewayActor(EventSourced[GatewayState]):
    """`retention_s`: for how long words are kept at most; 0: for good."""

    def __init__(self, system: System, retention_s: int = 0) -> None:
        super().__init__(system, GATEWAY, fold, evolve)
        self._retention_s = retention_s
        self._expired = 0

    def on_ready(self) -> None:
        """Keys that are recorded as expired may still be there: a crash may have come in
        between."""
        self._look_at_the_time()

    def handle(self, message: Any) -> None:
        """Look at the time, or note that old keys are gone."""
        match message:
            case Tick() | Woken() | TaskFailed():
                self._look_at_the_time()
            case KeysExpired(before):
                self._expired = max(before, self._expired)
            case _:
                msg = f"the gateway can't handle {message!r}"
                raise TypeError(msg)

    def _look_at_the_time(self) -> None:
        drafts = []
        if self._retention_s:
            drafts = decide_expiry(
                self.state.expired,
                now_ns=self.system.now_ms() * 1_000_000,
                retention_ns=self._retention_s * 1_000_000_000,
            )
        self.append(drafts, lambda _: self._expire_keys())

    def _expire_keys(self) -> None:
        if self.state.expired > self._expired:
            self.system.effects.begin(ExpireKeys(self.state.expired))
