"""An agent's link to the hub, and the state that the agent reports: for a while the two differ."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from ztm_chat.mesh.model.timing import Timing
from ztm_chat.mesh.model.wire import JSON


class NotConnected(Exception):
    """The agent has noticed that it has no hub."""


class Connection:
    """`alive` is the actual state, `reported` what the agent says (its `connected`).

    A dropped link is noticed only after `disconnect_notice_s`; until then requests that need the
    hub hang. `on_up` is called with the length of the outage (s) whenever the link comes up,
    `on_down` when the agent notices that it is down.
    """

    def __init__(
        self, timing: Timing, on_up: Callable[[float], None], on_down: Callable[[], None]
    ) -> None:
        self._timing = timing
        self._on_up, self._on_down = on_up, on_down
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()
        self._settled.set()
        self._dropped_at: float | None = None
        self.alive = False
        self.reported = False
        self.epoch = 0
        self.errors: list[JSON] = []

    async def ready(self) -> None:
        """Wait for the hub. Raises NotConnected when the agent has noticed that there is none."""
        await self._settled.wait()
        if not self.alive:
            raise NotConnected

    def restore(self, delay_s: float) -> None:
        """The hub is reachable: the link comes up after this time."""
        if not self.alive:
            now = self._loop.time()
            outage_s = 0.0 if self._dropped_at is None else now - self._dropped_at
            self._later(delay_s, lambda: self._up(outage_s))

    def _up(self, outage_s: float) -> None:
        self.alive = self.reported = True
        self._dropped_at = None
        self.errors.clear()
        self._settled.set()
        self._on_up(outage_s)

    def drop(self, message: str) -> None:
        """The hub is unreachable; the agent notices later."""
        self._cancel_timer()
        if self._dropped_at is None:
            self._dropped_at = self._loop.time()
        if self.alive:
            self.alive = False
            self.epoch += 1
            self._settled.clear()
        if self.reported:
            self._later(self._timing.disconnect_notice_s, lambda: self.fail(message))

    def fail(self, message: str) -> None:
        """Report that there is no hub."""
        self._cancel_timer()
        self.reported = self.alive = False
        self.errors.append({"time": _iso_now(), "message": message})
        del self.errors[:-100]
        self._settled.set()
        self._on_down()

    def close(self) -> None:
        """Close the link: the agent's process has ended."""
        self._cancel_timer()
        self.alive = self.reported = False
        self.epoch += 1
        self._settled.set()

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(delay_s, act)

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _iso_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
