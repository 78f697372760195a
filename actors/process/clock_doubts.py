"""What the daemon doesn't do, or puts on record oddly, because clocks disagree: for `status`."""

from collections.abc import Iterator

from actors.runtime.clocks import HOUR_MS, Clocks
from events.gateway.retention import doubt
from events.gateway.state import fold
from events.streams import GATEWAY
from store.errors import LogDamaged
from store.log.event_log import EventLog


def clock_doubts(log: EventLog, clocks: Clocks, retention_s: int) -> Iterator[str]:
    """A sentence for each. `retention_s`: for how long bodies are kept at most; 0: for good."""
    ahead_ms = clocks.record() - clocks.wall()
    if ahead_ms > HOUR_MS:
        yield (
            f"this machine's clock is {_span(ahead_ms)} behind the times on record; check the clock"
        )
    if retention_s and (reason := _expiry_waits_for(log, clocks, retention_s)):
        yield f"message texts older than store.retention are kept for now: {reason}"


def _expiry_waits_for(log: EventLog, clocks: Clocks, retention_s: int) -> str:
    try:
        state = fold(log.read_stream(GATEWAY))
    except LogDamaged:
        return ""  # the log's own state says it
    return doubt(
        state,
        wall_ms=clocks.wall(),
        mesh_ms=clocks.mesh(),
        retention_ms=retention_s * 1_000,
    )


def _span(ms: int) -> str:
    hours = ms // HOUR_MS
    return f"{hours // 24} days" if hours >= 48 else f"{hours} h"
