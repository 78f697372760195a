"""Bodies that have become old: whole weeks of them are erased, when more than one clock says so.

An erasure can't be undone, and any one clock may be wrong. A week is old when this machine's clock
says so, and the mesh's does too: the newest time that a hub gave. And when this machine's clock has
jumped ahead of the record, it has to stand by that for a day. In doubt, the bodies are kept.
"""

from events.event import Draft
from events.gateway.events import BodiesExpired, ClockJumped
from events.gateway.state import GatewayState
from events.streams import GATEWAY

WEEK_MS = 7 * 86_400_000
WEEK_NS = WEEK_MS * 1_000_000
"""Bodies are kept, and erased, by the week in which they were recorded."""

DAY_MS = 86_400_000
"""What a clock may be ahead of what is expected; and how long it has to stand by what is more."""


def week_of(time_ns: int) -> int:
    """The week of a time (ns since 1970): how many whole ones lie before it."""
    return time_ns // WEEK_NS


def decide_jump(*, expected_ms: int, wall_ms: int) -> list[Draft]:
    """Put on record that this machine's clock (`wall_ms`) is far ahead of what is expected."""
    jumped = wall_ms - expected_ms > DAY_MS
    return [Draft(GATEWAY, ClockJumped(expected_ms, wall_ms))] if jumped else []


def decide_expiry(
    state: GatewayState, *, wall_ms: int, mesh_ms: int, retention_ms: int
) -> list[Draft]:
    """Erase the bodies of all weeks that began longer ago than `retention_ms`: nothing is kept for
    longer. `mesh_ms`: the newest time that a hub gave; 0: none did."""
    if _has_just_jumped(state, wall_ms):
        return []
    before = _due(min(wall_ms, mesh_ms), retention_ms)
    return [Draft(GATEWAY, BodiesExpired(before))] if before > state.expired else []


def doubt(state: GatewayState, *, wall_ms: int, mesh_ms: int, retention_ms: int) -> str:
    """Why bodies that are old by this machine's clock are kept; empty: none are."""
    if _due(wall_ms, retention_ms) <= state.expired:
        return ""
    if _has_just_jumped(state, wall_ms):
        return "this machine's clock has jumped ahead by more than a day, less than a day ago"
    if not mesh_ms:
        return "no hub's clock is known yet"
    if _due(mesh_ms, retention_ms) < _due(wall_ms, retention_ms):
        return "this machine's clock is ahead of the newest change in the mesh"
    return ""


def _due(now_ms: int, retention_ms: int) -> int:
    """Before which week everything is older than `retention_ms`."""
    return -((retention_ms - now_ms) // WEEK_MS)


def _has_just_jumped(state: GatewayState, wall_ms: int) -> bool:
    """Not when the clock is before the jump again: it was set right."""
    return 0 <= wall_ms - state.jumped_ms < DAY_MS
