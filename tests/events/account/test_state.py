from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from events.account import state as account
from events.account.events import (
    AccountOffline,
    AccountOnline,
    ChatAppDeaf,
    ChatAppHealed,
    FeedBroken,
    FeedReset,
    PairingAnnounced,
    PairingApproved,
    PairingDenied,
    PairingExpired,
    PairingRequested,
    PairingRevoked,
    PolicyApplied,
)
from events.account.state import AccountState
from events.event import Event
from events.watermark import UnavailableFile, WatermarkAdvanced
from tests.events.account_story import AccountStory
from tests.events.builders import ALLOWLIST, HOUR_MS, NOW_MS, OPEN_DOOR

CODE = bytes(32)
LATER_MS = NOW_MS + HOUR_MS
OWED = (UnavailableFile("/shared/bob/chat"),)


def after(*events: Event) -> AccountState:
    story = AccountStory()
    story.happens(*events)
    return story.state


def requested(person: str = "bob", expires_ms: int = LATER_MS) -> PairingRequested:
    return PairingRequested(person, CODE, expires_ms)


def test_an_account_begins_with_nothing_known() -> None:
    assert after() == AccountState()
    assert not AccountState().online
    assert AccountState().policy is None
    assert AccountState().pairing("bob", NOW_MS) == "none"


def test_the_policy_in_force_is_the_one_applied_last() -> None:
    old = PolicyApplied(OPEN_DOOR.digest(), OPEN_DOOR, "mesh")
    new = PolicyApplied(ALLOWLIST.digest(), ALLOWLIST, "other")
    state = after(old, new)
    assert (state.policy, state.digest, state.mesh) == (ALLOWLIST, ALLOWLIST.digest(), "other")


def test_groups_count_as_turned_on_until_a_cursor_is_on_record() -> None:
    policies = (replace(OPEN_DOOR, enable_groups=on) for on in (False, True))
    off, on = (PolicyApplied(policy.digest(), policy, "mesh") for policy in policies)
    read = WatermarkAdvanced(NOW_MS)
    assert not after(on).groups_turned_on, "the first policy has a baseline of its own"
    assert after(off, on).groups_turned_on
    assert after(off, on, on).groups_turned_on
    assert not after(off, on, read).groups_turned_on
    assert not after(off, on, off).groups_turned_on
    assert not after(off, read).groups_turned_on


def test_health_is_what_was_said_last() -> None:
    assert after(AccountOnline("my-bot")).online
    assert not after(AccountOnline("my-bot"), AccountOffline("timeout")).online
    assert after(ChatAppDeaf(1)).deaf
    assert not after(ChatAppDeaf(1), ChatAppHealed(restarted=True)).deaf


def test_the_cursor_and_what_is_owed_move_together() -> None:
    state = after(WatermarkAdvanced(NOW_MS, OWED))
    assert (state.cursor, state.unavailable) == (NOW_MS, OWED)
    assert after(WatermarkAdvanced(NOW_MS, OWED), WatermarkAdvanced(LATER_MS)).unavailable == ()


def test_another_hub_takes_the_cursor_back_and_leaves_what_is_owed() -> None:
    state = after(WatermarkAdvanced(NOW_MS, OWED), FeedReset(NOW_MS, 0))
    assert (state.cursor, state.unavailable) == (1, OWED)


def test_an_event_that_changes_nothing_still_counts() -> None:
    state = after(AccountOnline("my-bot"), FeedBroken(3))
    assert (state.version, state.heard_ms, state.online) == (2, NOW_MS, True)


def test_a_request_is_pending_until_it_expires() -> None:
    state = after(requested())
    assert state.pairing("bob", LATER_MS - 1) == "pending"
    assert state.pairing("bob", LATER_MS) == "none"
    assert state.pairing("Bob", NOW_MS) == "none"


def test_a_request_remembers_which_event_made_it() -> None:
    story = AccountStory()
    story.happens(AccountOnline("my-bot"), requested())
    request = story.state.requests["bob"]
    [_, recorded] = story.recorded
    assert (request.version, request.seq) == (recorded.version, recorded.seq)
    assert (request.requested_ms, request.expires_ms) == (NOW_MS, LATER_MS)


def test_an_approval_replaces_the_request() -> None:
    state = after(requested(), PairingApproved(1, "bob", "socket"))
    assert state.pairing("bob", LATER_MS * 2) == "approved"
    assert not state.requests


def test_a_denied_or_expired_request_is_gone() -> None:
    assert after(requested(), PairingDenied(1, "bob", "socket")) == after_nothing(2)
    assert after(requested(), PairingExpired(1, "bob")) == after_nothing(2)


def test_a_revoked_approval_is_gone() -> None:
    state = after(requested(), PairingApproved(1, "bob", "socket"), PairingRevoked("bob", "socket"))
    assert state == after_nothing(3)


def test_a_ruling_on_one_person_leaves_the_others_alone() -> None:
    state = after(
        requested("bob"),
        requested("eve"),
        requested("joe"),
        PairingApproved(1, "bob", "socket"),
        PairingDenied(2, "eve", "socket"),
        PairingRevoked("joe", "socket"),
    )
    stands = {person: state.pairing(person, NOW_MS) for person in ("bob", "eve", "joe")}
    assert stands == {"bob": "approved", "eve": "none", "joe": "pending"}


def test_an_approval_is_announced_once_its_notice_is_queued() -> None:
    approved = (requested(), PairingApproved(1, "bob", "socket"))
    assert not after(*approved).approvals["bob"].announced
    assert after(*approved, PairingAnnounced("bob")).approvals["bob"].announced


def test_a_notice_that_comes_after_the_revocation_changes_nothing() -> None:
    state = after(PairingRevoked("bob", "socket"), PairingAnnounced("bob"))
    assert state == after_nothing(2)


def test_a_second_approval_is_to_be_announced_again() -> None:
    approved = (requested(), PairingApproved(1, "bob", "socket"))
    state = after(*approved, PairingAnnounced("bob"), PairingRevoked("bob", "socket"), *approved)
    assert not state.approvals["bob"].announced


def after_nothing(version: int) -> AccountState:
    return AccountState(version=version, heard_ms=NOW_MS)


PEOPLE = st.sampled_from(["bob", "eve", "joe"])
EVENTS = st.one_of(
    st.builds(AccountOnline, st.just("my-bot")),
    st.builds(AccountOffline, st.just("timeout")),
    st.builds(WatermarkAdvanced, st.integers(0, 9), st.sampled_from([(), OWED])),
    st.builds(FeedReset, st.integers(0, 9), st.integers(0, 9)),
    st.builds(requested, PEOPLE),
    st.builds(PairingApproved, st.just(1), PEOPLE, st.just("socket")),
    st.builds(PairingAnnounced, PEOPLE),
    st.builds(PairingDenied, st.just(1), PEOPLE, st.just("socket")),
    st.builds(PairingExpired, st.just(1), PEOPLE),
    st.builds(PairingRevoked, PEOPLE, st.just("socket")),
)


@given(st.lists(EVENTS, max_size=20), st.integers(0, 20))
def test_a_fold_may_stop_anywhere_and_go_on(events: list[Event], stop: int) -> None:
    story = AccountStory()
    story.happens(*events)
    halfway = account.fold(story.recorded[:stop])
    kept = account.fold(story.recorded[:stop])
    assert account.fold(story.recorded[stop:], halfway) == story.state
    assert halfway == kept, "a state that was handed out has changed"
