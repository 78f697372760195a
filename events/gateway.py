"""Events of the stream `gateway`: the daemon's own life."""

from events.event import Event


class GatewayStarted(Event, frozen=True):
    """The daemon opened the log. `release` is its version; `log_id` names the log (see store)."""

    release: str
    log_id: str


class GatewayStopped(Event, frozen=True):
    """The daemon stopped in good order. `reason`: `signal`, `error`, …"""

    reason: str


class StoreReopened(Event, frozen=True):
    """A commit failed with unknown outcome; the log was reopened and read to its tail.

    This event's own durable commit is what makes the tail before it count as durable.
    """

    error: str
