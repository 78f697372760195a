"""The account's pairing desk: a code once, the operator decides, all of it on the record."""

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.account.events import (
    PairingApproved,
    PairingDenied,
    PairingExpired,
    PairingRequested,
    PairingRevoked,
)
from events.account.pairing import CODE_ALPHABET, CODE_LENGTH, PENDING_LIMIT, code_from
from events.event import Body
from tests.events.account_story import AccountStory
from tests.events.builders import HOUR_MS, NOW_MS, kinds


def pending(*people: str) -> AccountStory:
    """An account that has given these people a code each."""
    story = AccountStory()
    for person in people:
        story.code_wanted(person)
    return story


# --- codes -------------------------------------------------------------------------------------


@given(st.binary(min_size=CODE_LENGTH, max_size=32))
def test_a_code_is_eight_characters_that_are_not_taken_for_one_another(entropy: bytes) -> None:
    code = code_from(entropy)
    assert len(code) == 8
    assert set(code) <= set(CODE_ALPHABET)
    assert not set(code) & set("01IOl")
    assert code == code.upper()


def test_every_character_of_a_code_is_equally_likely() -> None:
    drawn = Counter("".join(code_from(bytes([byte]) * CODE_LENGTH)[0] for byte in range(256)))
    assert len(drawn) == 32
    assert set(drawn.values()) == {8}


@given(st.sets(st.binary(min_size=8, max_size=8), min_size=2, max_size=2))
def test_each_byte_of_the_entropy_counts(pair: set[bytes]) -> None:
    one, other = pair
    same = all(a % 32 == b % 32 for a, b in zip(one, other, strict=True))
    assert (code_from(one) == code_from(other)) == same


def test_a_stranger_gets_a_code_for_an_hour() -> None:
    story = AccountStory()
    [requested] = story.code_wanted("bob")
    assert isinstance(requested, PairingRequested)
    assert (requested.person, requested.expires_ms) == ("bob", NOW_MS + HOUR_MS)
    assert story.stands("bob") == "pending"


def test_the_code_is_a_body_of_the_person_and_the_event_only_proves_it() -> None:
    story = pending("bob")
    body = story.log.bodies[1, 0]
    event = story.recorded[0].event
    assert body.person == "home/bob"
    assert event == PairingRequested("bob", body.digest, NOW_MS + HOUR_MS)
    assert body.text.encode() not in event.code


def test_the_salt_does_not_give_the_code_away() -> None:
    # The salt is derived from entropy that no character of the code was drawn from.
    entropy = bytes(range(32))
    same_code = entropy[:CODE_LENGTH] + bytes(24)
    salts = set()
    for drawn in (entropy, same_code):
        story = AccountStory()
        story.code_wanted("bob", drawn)
        salts.add(story.log.bodies[1, 0].salt)
        assert story.code_of("bob") == code_from(entropy)
    assert len(salts) == 2
    assert Body.derived("home/bob", "", entropy[CODE_LENGTH:]).salt in salts


def test_the_request_names_the_message_that_caused_it() -> None:
    story = AccountStory()
    story.code_wanted("bob", cause=0)
    assert story.recorded[0].cause == 0
    story.code_wanted("eve", cause=1)
    assert story.recorded[1].cause == 1


# --- once, and not for everybody ---------------------------------------------------------------


def test_a_person_with_a_pending_request_gets_no_second_code() -> None:
    story = pending("bob")
    assert story.withheld("bob") == "pending"
    assert story.code_wanted("bob") == []


def test_an_approved_person_gets_no_code() -> None:
    story = pending("bob")
    story.approve("bob")
    assert story.withheld("bob") == "approved"
    assert story.code_wanted("bob") == []


def test_the_fourth_stranger_gets_silence() -> None:
    story = pending("bob", "eve", "joe")
    assert PENDING_LIMIT == 3
    assert story.withheld("mia") == "limit"
    assert story.code_wanted("mia") == []
    assert story.withheld("bob") == "pending", "the limit does not hide who has a code"


@pytest.mark.parametrize("ruling", ["approve", "deny"])
def test_a_ruling_makes_room_for_the_next_stranger(ruling: str) -> None:
    story = pending("bob", "eve", "joe")
    story.approve("bob") if ruling == "approve" else story.deny("bob")
    assert kinds(story.code_wanted("mia")) == ["PairingRequested"]


def test_people_already_let_in_do_not_count_towards_the_limit() -> None:
    story = AccountStory()
    for person in ("a", "b", "c", "d"):
        story.code_wanted(person)
        story.approve(person)
    assert story.withheld("bob") is None


# --- expiry ------------------------------------------------------------------------------------


def test_a_request_is_valid_up_to_its_last_millisecond() -> None:
    story = pending("bob")
    story.passes(ms=HOUR_MS - 1)
    assert story.withheld("bob") == "pending"
    assert story.clear_expired() == []
    story.passes(ms=1)
    assert story.withheld("bob") is None
    assert story.clear_expired() == [PairingExpired(1, "bob")]
    assert story.clear_expired() == []


def test_after_expiry_the_next_message_gets_a_new_code() -> None:
    story = pending("bob")
    old = story.code_of("bob")
    story.passes(ms=HOUR_MS)
    events = story.code_wanted("bob")
    assert kinds(events) == ["PairingExpired", "PairingRequested"]
    assert story.code_of("bob") != old
    assert story.stands("bob") == "pending"


def test_an_expired_request_makes_room_even_before_that_is_recorded() -> None:
    story = pending("bob", "eve", "joe")
    story.passes(ms=HOUR_MS)
    assert story.withheld("mia") is None
    assert kinds(story.code_wanted("mia")) == ["PairingExpired"] * 3 + ["PairingRequested"]
    assert story.state.requests.keys() == {"mia"}


def test_an_expired_request_can_not_be_approved() -> None:
    story = pending("bob")
    story.passes(ms=HOUR_MS)
    assert story.approve("bob") == [PairingExpired(1, "bob")]
    assert story.stands("bob") == "none"


# --- the operator ------------------------------------------------------------------------------


def test_an_approval_lets_the_person_in_and_names_the_request_and_the_way() -> None:
    story = pending("bob")
    assert story.approve("bob") == [PairingApproved(1, "bob", "socket")]
    assert story.recorded[-1].cause == story.recorded[0].seq
    assert story.stands("bob") == "approved"
    story.passes(ms=10 * HOUR_MS)
    assert story.stands("bob") == "approved"


def test_a_person_is_approved_once() -> None:
    story = pending("bob")
    story.approve("bob")
    assert story.approve("bob") == []


def test_nobody_is_approved_who_did_not_ask() -> None:
    story = pending("bob")
    assert story.approve("eve") == []
    assert story.approve("Bob") == []
    assert story.stands("eve") == "none"


def test_a_refused_person_may_ask_again() -> None:
    story = pending("bob")
    assert story.deny("bob") == [PairingDenied(1, "bob", "socket")]
    assert story.deny("bob") == []
    assert kinds(story.code_wanted("bob")) == ["PairingRequested"]


def test_a_revoked_person_is_a_stranger_again() -> None:
    story = pending("bob")
    story.approve("bob")
    assert story.revoke("bob") == [PairingRevoked("bob", "socket")]
    assert story.recorded[-1].cause == story.recorded[1].seq
    assert story.revoke("bob") == []
    assert story.stands("bob") == "none"
    assert kinds(story.code_wanted("bob")) == ["PairingRequested"]


@given(st.data())
def test_there_are_never_more_than_three_valid_codes(data: st.DataObject) -> None:
    story = AccountStory()
    people = st.sampled_from([sha256(bytes([n])).hexdigest()[:4] for n in range(8)])
    steps = st.lists(
        st.tuples(st.sampled_from(["want", "approve", "deny", "revoke", "tick"]), people),
        max_size=40,
    )
    for step, person in data.draw(steps):
        match step:
            case "want":
                reason = story.withheld(person)
                given_out = "PairingRequested" in kinds(story.code_wanted(person))
                assert given_out == (reason is None)
            case "approve":
                was = story.stands(person)
                approved = "PairingApproved" in kinds(story.approve(person))
                assert approved == (was == "pending")
            case "deny":
                story.deny(person)
                assert story.stands(person) != "pending"
            case "revoke":
                story.revoke(person)
                assert story.stands(person) != "approved"
            case "tick":
                story.passes(ms=HOUR_MS // 3)
        valid = [
            request
            for request in story.state.requests.values()
            if request.expires_ms > story.now_ms
        ]
        assert len(valid) <= PENDING_LIMIT
        assert not story.state.requests.keys() & story.state.approvals.keys()
