"""Bodies that have become old: whole weeks of them are erased."""

from events.event import Draft
from events.gateway.events import BodiesExpired
from events.streams import GATEWAY

WEEK_NS = 7 * 86_400 * 1_000_000_000
"""Bodies are kept, and erased, by the week in which they were recorded."""


def week_of(time_ns: int) -> int:
    """The week of a time (ns since 1970): how many whole ones lie before it."""
    return time_ns // WEEK_NS


def decide_expiry(expired: int, *, now_ns: int, retention_ns: int) -> list[Draft]:
    """Erase the bodies of all weeks that began longer ago than `retention_ns`: nothing is kept for
    longer. Those before the week `expired` are gone."""
    before = -((retention_ns - now_ns) // WEEK_NS)
    return [Draft(GATEWAY, BodiesExpired(before))] if before > expired else []
