"""Events of the stream `gateway`: the daemon's own life."""

from events.event import Event


class GatewayStarted(Event, frozen=True):
    """The daemon opened the log. `release` is its version; `log_id` names the log (see store)."""

    release: str
    log_id: str


class GatewayStopped(Event, frozen=True):
    """The daemon stopped in good order. `reason`: `signal`, `error`, …"""

    reason: str


class BodiesExpired(Event, frozen=True):
    """The bodies of all weeks before the week `before` (counted from 1970) are erased: they are
    older than the configuration lets them become. Their keys are destroyed as soon as this is
    durable."""

    before: int


class KeysLost(Event, frozen=True):
    """Keys that bodies are encrypted with were in no file of keys when this log was salvaged: those
    of `persons` (`<account>/<name>`) and of `weeks`. What was encrypted with them can't be read any
    more, and messages of these persons that the mesh shows again are taken for new.
    """

    persons: tuple[str, ...]
    weeks: tuple[int, ...]


class ClockJumped(Event, frozen=True):
    """This machine's clock is more than a day ahead of what the record, and the time that the
    daemon ran, lead to expect: `expected_ms` and `found_ms` since 1970. After a long pause that is
    right; after a mistake, nothing may be erased by it."""

    expected_ms: int
    found_ms: int


class StoreReopened(Event, frozen=True):
    """A commit failed with unknown outcome; the log was reopened and read to its tail.

    This event's own durable commit is what makes the tail before it count as durable.
    """

    error: str
