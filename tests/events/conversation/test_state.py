"""The state of a conversation is what its stream folds to; to everybody outside it is a value."""

import copy

import pytest
from msgspec.structs import replace

from events.conversation import state as conversation
from events.conversation.events import (
    AgentFailed,
    AgentReplied,
    MessageDeadLettered,
    MessageSeen,
    PolicyDecided,
)
from events.conversation.state import (
    SAID_LIMIT,
    SPENT_LIMIT,
    ConversationState,
    Queued,
    Turn,
    Waiting,
    evolve,
    fold,
)
from events.event import Event, Recorded
from tests.events.builders import (
    CLOSED_DOOR,
    GROUP,
    NOW_MS,
    NS_PER_MS,
    OPEN_DOOR,
    PEER,
    SECOND_MS,
    STRANGERS_PAIR,
    arrival,
)
from tests.events.conversation_story import ConversationStory
from tests.events.sample_events import SAMPLES


def a_full_story() -> ConversationStory:
    """Most of what can happen, once."""
    story = ConversationStory(GROUP, OPEN_DOOR)
    story.baseline(b"0" * 16)
    story.group_is_unknown()
    story.says("waits", sender="bob")
    story.arrive(arrival(" "))
    story.group_is("alice", "bob")
    story.agent_fails()
    story.says("two", sender="alice")
    story.agent_replies("hi")
    story.agent_fails(transient=False)
    story.sent()
    story.announce(1)
    story.unsendable()
    story.says("three", sender="bob")
    story.group_is("alice")
    story.stands()
    return story


def test_a_fold_may_stop_anywhere_and_go_on() -> None:
    story = a_full_story()
    for stop in range(len(story.recorded) + 1):
        halfway = fold(story.recorded[:stop])
        before = copy.deepcopy(halfway)
        assert fold(story.recorded[stop:], halfway) == story.state
        assert halfway == before, "a state that was handed out has changed"


def test_folding_in_place_and_evolving_one_by_one_come_to_the_same() -> None:
    story = a_full_story()
    state = ConversationState()
    for record in story.recorded:
        before = copy.deepcopy(state)
        after = evolve(state, record)
        assert state == before, "a state that was handed out has changed"
        state = after
    assert state == fold(story.recorded) == story.state


def test_nothing_is_shared_between_two_states_from_nothing() -> None:
    story = ConversationStory()
    story.says("hello")
    assert story.state.spent
    assert ConversationState().spent == []
    assert fold([]).spent == []


def test_an_event_of_another_stream_only_counts() -> None:
    recorded = Recorded(1, "account/home", 1, NOW_MS * NS_PER_MS, 0, SAMPLES["AccountOnline"])
    assert fold([recorded]) == ConversationState(version=1)


# --- the way of a message ----------------------------------------------------------------------


def test_a_message_waits_until_it_is_decided() -> None:
    story = ConversationStory(GROUP)
    story.group_is_unknown()
    story.says("hello")
    assert story.state.waiting == (Waiting(1, 1, "alice", NOW_MS, seen_ms=NOW_MS),)
    assert story.state.newest_ms == NOW_MS


def test_a_message_let_in_goes_by_the_queue_with_its_tools_into_a_turn() -> None:
    story = ConversationStory(PEER, OPEN_DOOR)
    story.says("one")
    assert story.turn == Turn(3, 3, (1,), "alice", NOW_MS, attempt=1, retry_ms=0)
    story.says("two")
    [queued] = story.state.queue
    decided = story.recorded[-1].event
    assert isinstance(decided, PolicyDecided)
    assert (queued.version, queued.tools) == (decided.message, decided.tools)


def test_a_refused_message_leaves_no_trace_in_the_state() -> None:
    story = ConversationStory(PEER, CLOSED_DOOR)
    story.says("hello")
    assert story.state == ConversationState(version=3, newest_ms=NOW_MS, watermark=NOW_MS)


def test_a_strangers_message_waits_for_a_code_unless_one_is_pending() -> None:
    story = ConversationStory(PEER, STRANGERS_PAIR)
    story.says("hello")
    assert [stranger.version for stranger in story.state.uncoded] == [1]
    pending = ConversationStory(PEER, STRANGERS_PAIR)
    pending.stands(pairing="pending")
    pending.says("hello")
    assert pending.state.uncoded == ()


def test_a_failed_attempt_keeps_the_turn_with_the_next_number() -> None:
    story = ConversationStory()
    story.says("hello")
    before = story.turn
    [failed] = story.agent_fails()
    assert isinstance(failed, AgentFailed)
    assert (story.turn.version, story.turn.attempt) == (before.version, 2)
    assert story.turn.retry_ms == failed.retry_ms


def test_what_is_queued_remembers_what_for_and_since_when() -> None:
    story = ConversationStory()
    story.says("hello")
    story.passes(ms=SECOND_MS)
    story.agent_replies("hi")
    queued_ms = NOW_MS + SECOND_MS
    assert story.state.outbox == (Queued(5, 5, "reply", answers=3, queued_ms=queued_ms),)


@pytest.mark.parametrize("place", ["waiting", "uncoded", "queue"])
def test_a_message_can_be_set_aside_wherever_it_waits(place: str) -> None:
    kept, gone = (Waiting(version, version, "alice", NOW_MS) for version in (1, 2))
    state = ConversationState(version=2, **{place: (kept, gone)})  # type: ignore[arg-type]
    aside = Recorded(3, "s", 3, NOW_MS * NS_PER_MS, 0, MessageDeadLettered(2, "operator"))
    assert getattr(evolve(state, aside), place) == (kept,)


# --- what is remembered ------------------------------------------------------------------------


def test_the_newest_time_is_the_highest_ever_seen_or_ignored() -> None:
    story = ConversationStory(PEER, CLOSED_DOOR)
    story.arrive(arrival(sent_ms=NOW_MS), arrival(sent_ms=NOW_MS - SECOND_MS))
    assert story.state.newest_ms == NOW_MS
    story.arrive(arrival(" ", sent_ms=NOW_MS + SECOND_MS))
    assert story.state.newest_ms == NOW_MS + SECOND_MS


def test_the_request_and_the_approval_last_passed_on_are_remembered() -> None:
    story = ConversationStory(PEER, STRANGERS_PAIR)
    story.says("hello")
    story.code_issued(1)
    story.announce(2)
    assert (story.state.coded, story.state.announced) == (1, 2)


def test_the_turns_remembered_for_the_budget_are_bounded() -> None:
    story = ConversationStory(PEER, OPEN_DOOR)
    turn = SAMPLES["Dispatched"]
    recorded = [
        Recorded(number, story.stream, number, number * NS_PER_MS, 0, turn)
        for number in range(1, 5 * SPENT_LIMIT)
    ]
    state = ConversationState()
    for record in recorded:
        state = evolve(state, record)
        assert len(state.spent) <= 2 * SPENT_LIMIT
        newest = [when for _, when in state.spent[-SPENT_LIMIT:]]
        assert newest == [
            n for n in range(record.version - SPENT_LIMIT + 1, record.version + 1) if n > 0
        ]
    assert conversation.fold(recorded) == state


def test_the_state_holds_nobodys_words() -> None:
    story = ConversationStory()
    for word in ("xyzzy one", "xyzzy two"):
        story.says(word)
        story.agent_replies("xyzzy reply")
    story.announce(1)
    assert "xyzzy" not in repr(story.state)
    assert "xyzzy" not in repr(story.recorded)


def test_a_turn_is_told_what_was_let_in_and_answered_before_it_less_what_it_asks() -> None:
    story = ConversationStory(PEER, CLOSED_DOOR)
    story.says("refused")
    story.stands(policy=OPEN_DOOR)
    story.says("one")
    first = story.turn
    story.says("two")
    assert first.context == ()
    story.agent_replies("hi")
    [refused, one, two] = places(story, MessageSeen)
    [reply] = places(story, AgentReplied)
    assert two not in story.turn.context
    assert story.turn.context == (one, reply)
    assert refused not in story.state.said


def test_a_message_decided_late_stands_where_it_was_said() -> None:
    story = ConversationStory(GROUP, OPEN_DOOR)
    story.group_is("alice", "bob")
    story.says("one")
    story.group_is_unknown()
    story.says("two", sender="bob")
    story.agent_replies("hi")
    story.group_is("alice", "bob")
    [one, two] = places(story, MessageSeen)
    [reply] = places(story, AgentReplied)
    assert two < reply < story.turn.seq
    assert story.state.said == (one, two, reply)
    assert story.turn.context == (one, reply)


def test_silence_is_not_said() -> None:
    story = ConversationStory(PEER, OPEN_DOOR)
    story.says("one")
    story.agent_replies(silent=True)
    assert story.state.said == tuple(places(story, MessageSeen))


def test_only_the_newest_of_what_was_said_is_remembered() -> None:
    story = ConversationStory(PEER, replace(OPEN_DOOR, turn_budget=SAID_LIMIT))
    for number in range(SAID_LIMIT):
        story.says(str(number))
        story.agent_replies("hi")
    assert len(story.state.said) == SAID_LIMIT
    assert story.state.said[-1] == places(story, AgentReplied)[-1]


def places(story: ConversationStory, kind: type[Event]) -> list[int]:
    return [record.seq for record in story.recorded if isinstance(record.event, kind)]
