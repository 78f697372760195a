"""An agent's link to the hub, and what the agent knows of it: the two differ for a while."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from ztm_chat.mesh.model.timing import Timing
from ztm_chat.mesh.model.wire import JSON


class NotConnected(Exception):
    """The agent knows that it has no hub."""


class Connection:
    """`alive` is the truth, `reported` what the agent says of itself (its `connected`).

    A dropped link is reported only after `disconnect_notice_s`; until then requests that need the
    hub hang. `on_up` is told the length of the outage in s each time the link comes alive,
    `on_down` is called when the agent notices that it isn't.
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
        """Return when the hub answers; raise NotConnected when the agent knows that it won't."""
        await self._settled.wait()
        if not self.alive:
            raise NotConnected

    def restore(self, delay_s: float) -> None:
        """The hub is in reach: the link will be alive after this time."""
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
        """The hub is out of reach; the agent will notice."""
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
        """The agent knows: no hub."""
        self._cancel_timer()
        self.reported = self.alive = False
        self.errors.append({"time": _iso_now(), "message": message})
        del self.errors[:-100]
        self._settled.set()
        self._on_down()

    def close(self) -> None:
        """The agent is gone."""
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
