"""The actor of the gateway: what concerns the daemon as a whole. It expires words that are old."""

from typing import Any

from actors.messages import KeysExpired, TaskFailed, Tick, Woken
from actors.runtime.event_sourced import EventSourced
from actors.runtime.system import ExpireKeys, System
from events.event import Draft
from events.gateway.retention import decide_expiry, decide_jump
from events.gateway.state import GatewayState, evolve, fold
from events.streams import GATEWAY


class GatewayActor(EventSourced[GatewayState]):
    """`retention_s`: for how long words are kept at most; 0: for good."""

    def __init__(self, system: System, retention_s: int = 0) -> None:
        super().__init__(system, GATEWAY, fold, evolve)
        self._retention_s = retention_s
        self._expired = 0
        self._offset_ms = self._wall_offset_ms()

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
        jump = self._jump()
        self.append(jump or self._expiry(), lambda _: self._expire_keys())

    def _jump(self) -> list[Draft]:
        """Since the last look; what happened before the start is recorded with the start."""
        before, self._offset_ms = self._offset_ms, self._wall_offset_ms()
        elapsed_ms, wall_ms = self.system.clocks.elapsed(), self.system.clocks.wall()
        return decide_jump(expected_ms=elapsed_ms + before, wall_ms=wall_ms)

    def _wall_offset_ms(self) -> int:
        return self.system.clocks.wall() - self.system.clocks.elapsed()

    def _expiry(self) -> list[Draft]:
        if not self._retention_s:
            return []
        clocks = self.system.clocks
        return decide_expiry(
            self.state,
            wall_ms=clocks.wall(),
            mesh_ms=clocks.mesh(),
            retention_ms=self._retention_s * 1_000,
        )

    def _expire_keys(self) -> None:
        if self.state.expired > self._expired:
            self.system.effects.begin(ExpireKeys(self.state.expired))
