"""Bodies are erased when this machine's clock and the mesh's say so, and the record agrees."""

import pytest

from events.event import Recorded
from events.gateway.events import BodiesExpired, ClockJumped, GatewayStarted
from events.gateway.retention import DAY_MS, WEEK_MS, decide_expiry, decide_jump, doubt
from events.gateway.state import GatewayState, fold
from events.streams import GATEWAY

NOW_MS = 2_960 * WEEK_MS + DAY_MS
RETENTION_MS = 14 * DAY_MS
DUE = 2_959
"""The first week that is kept, by `NOW_MS`."""


def expired(state: GatewayState, wall_ms: int, mesh_ms: int) -> int | None:
    """Before which week bodies are erased, if any are."""
    drafts = decide_expiry(state, wall_ms=wall_ms, mesh_ms=mesh_ms, retention_ms=RETENTION_MS)
    assert len(drafts) <= 1
    return next(
        (draft.event.before for draft in drafts if isinstance(draft.event, BodiesExpired)), None
    )


def why(state: GatewayState, wall_ms: int, mesh_ms: int) -> str:
    return doubt(state, wall_ms=wall_ms, mesh_ms=mesh_ms, retention_ms=RETENTION_MS)


def jumped(found_ms: int) -> GatewayState:
    return GatewayState(jumped_ms=found_ms)


def test_what_is_old_by_both_clocks_is_erased() -> None:
    assert expired(GatewayState(), NOW_MS, NOW_MS) == DUE
    assert why(GatewayState(expired=DUE), NOW_MS, NOW_MS) == ""


def test_by_a_clock_sixty_days_ahead_no_more_is_erased_than_by_the_hubs() -> None:
    assert expired(GatewayState(), NOW_MS + 60 * DAY_MS, NOW_MS) == DUE
    reason = why(GatewayState(expired=DUE), NOW_MS + 60 * DAY_MS, NOW_MS)
    assert reason == "this machine's clock is ahead of the newest change in the mesh"


def test_by_a_hubs_clock_that_is_ahead_no_more_is_erased_than_by_ours() -> None:
    assert expired(GatewayState(), NOW_MS, NOW_MS + 60 * DAY_MS) == DUE
    assert expired(GatewayState(), NOW_MS, 2**53) == DUE


def test_before_a_hub_was_heard_nothing_is_erased() -> None:
    assert expired(GatewayState(), NOW_MS, 0) is None
    assert why(GatewayState(), NOW_MS, 0) == "no hub's clock is known yet"


def test_after_a_jump_nothing_is_erased_for_a_day_even_if_the_hub_has_the_same_clock() -> None:
    state = jumped(NOW_MS)
    for later_ms in (0, 1, DAY_MS - 1):
        assert expired(state, NOW_MS + later_ms, NOW_MS + later_ms) is None
        assert "jumped ahead" in why(state, NOW_MS + later_ms, NOW_MS + later_ms)
    assert expired(state, NOW_MS + DAY_MS, NOW_MS + DAY_MS) == DUE


def test_a_jump_that_was_taken_back_holds_up_nothing() -> None:
    assert expired(jumped(NOW_MS + 60 * DAY_MS), NOW_MS, NOW_MS) == DUE


@pytest.mark.parametrize(
    ("ahead_ms", "recorded"), [(-60 * DAY_MS, False), (DAY_MS, False), (DAY_MS + 1, True)]
)
def test_a_clock_more_than_a_day_ahead_of_what_is_expected_has_jumped(
    ahead_ms: int, *, recorded: bool
) -> None:
    drafts = decide_jump(expected_ms=NOW_MS, wall_ms=NOW_MS + ahead_ms)
    jump = ClockJumped(NOW_MS, NOW_MS + ahead_ms)
    assert [draft.event for draft in drafts] == ([jump] if recorded else [])


def test_the_gateway_remembers_the_last_jump_and_the_last_expiry() -> None:
    events = [ClockJumped(1, 5), GatewayStarted("0", "log"), BodiesExpired(7), ClockJumped(8, 9)]
    recorded = [
        Recorded(version, GATEWAY, version, 0, 0, event)
        for version, event in enumerate(events, start=1)
    ]
    assert fold(recorded) == GatewayState(version=4, expired=7, jumped_ms=9)
