"""What was given up is neither taken in again nor answered; what comes later is."""

import pytest
from msgspec.structs import replace

from events.account import state as account
from events.account.erasure import decide_end, decide_erasure
from events.account.events import ErasureEnded, PersonErased
from events.account.state import UNDER_WAY, Erasure
from events.conversation import turns
from events.event import Draft, Event
from events.streams import account_stream
from tests.events.account_story import AccountStory
from tests.events.builders import (
    ACCOUNT,
    GROUP,
    HOUR_MS,
    NOW_MS,
    OPEN_DOOR,
    PEER,
    SECOND_MS,
    arrival,
    kinds,
)
from tests.events.conversation_story import ConversationStory

KEY = b"key-name"


def erase(story: ConversationStory, person: str = "alice", *, until_ms: int = 0) -> list[Event]:
    """The account gives up a person's words, now."""
    seq = max((record.seq for record in story.log.recorded), default=0)
    erasure = Erasure(KEY, seq, max(until_ms, story.now_ms))
    story.policy_context = replace(story.policy_context, erased={person: erasure})
    return story.follow(turns.decide_policy_context(story.context))


def test_an_old_message_that_the_mesh_still_shows_is_not_taken_in() -> None:
    story = ConversationStory()
    old = arrival("my secret", sent_ms=NOW_MS - HOUR_MS)
    story.arrive(old)
    story.agent_replies()
    story.sent()
    erase(story)
    again = replace(old, identity=b"another key make", salt=b"another salt mak")
    assert story.arrive(again) == []


def test_a_message_from_before_that_was_never_seen_is_not_taken_in_either() -> None:
    story = ConversationStory()
    erase(story)
    assert story.arrive(arrival(sent_ms=story.now_ms)) == []


def test_what_they_write_afterwards_is_answered() -> None:
    story = ConversationStory()
    erase(story)
    story.passes(ms=1)
    assert "Dispatched" in kinds(story.says("hello again"))


def test_a_clock_that_is_ahead_brings_nothing_back() -> None:
    story = ConversationStory()
    ahead = NOW_MS + HOUR_MS
    erase(story, until_ms=ahead)
    assert story.arrive(arrival(sent_ms=ahead)) == []
    assert story.arrive(arrival(sent_ms=ahead + 1)) != []


def test_others_in_the_same_group_are_not_touched() -> None:
    story = ConversationStory(GROUP)
    story.group_is("alice", "bob")
    erase(story, "alice")
    assert story.says(sender="alice") == []
    assert "PolicyDecided" in kinds(story.says(sender="bob"))


def test_a_turn_in_flight_is_ended_and_its_answer_not_kept() -> None:
    story = ConversationStory()
    story.says("my secret")
    turn = story.turn
    assert kinds(erase(story)) == ["TurnCancelled", "MessageDeadLettered", "WatermarkAdvanced"]
    assert story.replies_to(turn, "about your secret") == []
    assert story.state.at_rest


def test_messages_that_wait_for_their_turn_are_set_aside() -> None:
    story = ConversationStory(policy=replace(OPEN_DOOR, username="my-bot"))
    story.says("one")
    story.passes(ms=1)
    story.says("two")
    events = erase(story)
    assert kinds(events).count("MessageDeadLettered") == 2
    assert story.state.at_rest


def test_a_turn_begun_after_the_erasure_goes_on() -> None:
    story = ConversationStory()
    erase(story)
    story.passes(ms=1)
    story.says("hello again")
    turn = story.turn
    assert story.follow(turns.decide_policy_context(story.context)) == []
    assert story.turn == turn


def test_the_account_remembers_the_last_erasure_of_each() -> None:
    story = AccountStory()
    drafts = decide_erasure(ACCOUNT, "alice", key_id=KEY, until_ms=NOW_MS, by="operator")
    assert [draft.stream for draft in drafts] == [account_stream(ACCOUNT)]
    first, later = drafts[0].event, PersonErased("alice", b"later id", NOW_MS + 9, "operator")
    story.happens(first, later)
    assert story.state.erased["alice"].until_ms == NOW_MS + 9
    assert story.state.erased["alice"].key_id == b"later id"
    assert account.AccountState().erased == {}


@pytest.mark.parametrize("newest_ms", [0, NOW_MS, NOW_MS + 5])
def test_an_erasure_reaches_as_far_as_what_was_recorded_before_the_key_went(newest_ms: int) -> None:
    erasure = Erasure(KEY, seq=1, until_ms=NOW_MS)
    until_ms = max(NOW_MS, newest_ms)
    (draft,) = decide_end(ACCOUNT, "alice", erasure, newest_ms)
    assert draft == Draft(account_stream(ACCOUNT), ErasureEnded("alice", until_ms))
    story = AccountStory()
    story.happens(PersonErased("alice", KEY, NOW_MS, "operator"), draft.event)
    assert story.state.erased["alice"] == Erasure(KEY, seq=2, until_ms=until_ms)


def test_a_later_erasure_does_not_take_the_cutoff_back() -> None:
    story = AccountStory()
    story.happens(PersonErased("alice", KEY, NOW_MS, "operator"))
    story.happens(ErasureEnded("alice", NOW_MS + HOUR_MS))
    story.happens(PersonErased("alice", b"later id", NOW_MS + 1, "operator"))
    assert story.state.erased["alice"] == Erasure(b"later id", seq=3, until_ms=NOW_MS + HOUR_MS)


def test_an_erasure_that_is_under_way_covers_what_is_recorded_meanwhile() -> None:
    story = ConversationStory(policy=replace(OPEN_DOOR, username="my-bot"))
    story.says("one")
    ahead = arrival("two", sent_ms=story.now_ms + HOUR_MS)
    story.arrive(ahead)
    erasure = Erasure(KEY, seq=UNDER_WAY, until_ms=story.now_ms)
    story.passes(ms=SECOND_MS)
    story.policy_context = replace(story.policy_context, erased={"alice": erasure})
    assert kinds(story.look_again()).count("MessageDeadLettered") == 2
    assert story.state.at_rest


def test_a_standing_says_whose_words_are_gone() -> None:
    story = ConversationStory(PEER)
    erase(story)
    assert story.policy_context.is_erased("alice", story.now_ms)
    assert not story.policy_context.is_erased("bob", story.now_ms)
