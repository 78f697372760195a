"""Which messages become a turn, and which are set aside instead: collecting, revocation, budget."""

import pytest
from msgspec.structs import replace

from events.conversation import notices
from events.conversation.decision_builder import COLLECTED
from events.conversation.events import Dispatched, MessageDeadLettered, MessageQueued, MessageSeen
from events.event import Event
from events.policy.account_policy import GroupPermission, ToolGrant, ToolPolicy
from tests.events.builders import (
    CLOSED_DOOR,
    GROUP,
    OPEN_DOOR,
    PEER,
    SECOND_MS,
    STRANGERS_PAIR,
    arrival,
    kinds,
)
from tests.events.conversation_story import ConversationStory

GROUP_WITH_TOOLS = replace(
    OPEN_DOOR,
    group_permissions=(
        GroupPermission(
            creator="alice",
            group="team",
            group_policy="open",
            require_mention=False,
            tools=ToolPolicy(allow=("exec",)),
        ),
    ),
)

TWO_TURNS = replace(OPEN_DOOR, turn_budget=2)
WINDOW_MS = OPEN_DOOR.turn_window_s * 1_000


def senders_of(story: ConversationStory) -> list[str]:
    """Who wrote the messages of the turn in flight."""
    messages = {record.version: record.event for record in story.recorded}
    seen = [messages[version] for version in story.turn.messages]
    return [event.sender for event in seen if isinstance(event, MessageSeen)]


def set_aside(events: list[Event]) -> list[str]:
    """Why messages were set aside, one by one."""
    return [event.reason for event in events if isinstance(event, MessageDeadLettered)]


def converse(story: ConversationStory, sender: str = "alice") -> list[Event]:
    """One message, answered in silence; what followed from the message."""
    events = story.says("hello", sender=sender)
    if story.state.turn:
        story.agent_replies(silent=True)
    return events


# --- collecting --------------------------------------------------------------------------------


def test_what_arrives_during_a_turn_is_collected_into_the_next_one() -> None:
    story = ConversationStory()
    story.says("one")
    assert kinds(story.says("two")) == ["MessageSeen", "PolicyDecided"]
    story.says("three")
    events = story.agent_replies("hi")
    assert kinds(events) == ["AgentReplied", "MessageQueued", "Dispatched"]
    seen = [record.version for record in story.recorded if isinstance(record.event, MessageSeen)]
    assert story.turn.messages == tuple(seen[1:])


def test_a_turn_takes_the_messages_of_one_sender_only() -> None:
    story = ConversationStory(GROUP)
    story.group_is("alice", "bob")
    story.arrive(*[arrival(sender=sender) for sender in ("alice", "bob", "alice")])
    assert senders_of(story) == ["alice", "alice"]
    story.agent_replies()
    assert senders_of(story) == ["bob"]


def test_a_turn_takes_messages_with_the_same_tools_only() -> None:
    story = ConversationStory(GROUP, GROUP_WITH_TOOLS)
    story.says("one")
    first_turn = story.turn
    story.says("two")
    story.stands(policy=OPEN_DOOR)
    story.says("three")
    story.agent_replies()
    [second] = story.turn.messages
    story.agent_replies()
    [third] = story.turn.messages
    turns = [record.event for record in story.recorded if isinstance(record.event, Dispatched)]
    assert first_turn.messages[0] < second < third
    assert [turn.tools.allow for turn in turns] == [
        ("exec",),
        ("exec",),
        ("group:messaging", "group:sessions"),
    ]


def test_a_turn_takes_a_bounded_number_of_messages_oldest_first() -> None:
    story = ConversationStory()
    story.arrive(*[arrival(f"{number}") for number in range(COLLECTED + 5)])
    assert len(story.turn.messages) == COLLECTED
    assert max(story.turn.messages) < min(waiting.version for waiting in story.state.queue)
    story.agent_replies()
    assert len(story.turn.messages) == 5


def test_a_turn_names_the_agent_and_the_tools_that_were_granted() -> None:
    [_, _, turn] = ConversationStory(GROUP, GROUP_WITH_TOOLS).says()
    assert turn == Dispatched((1,), "alice", "echo", ToolGrant(allow=("exec",)))


# --- revoked meanwhile -------------------------------------------------------------------------


def test_a_person_revoked_while_a_turn_is_in_flight_is_not_served() -> None:
    story = ConversationStory(PEER, STRANGERS_PAIR)
    story.stands(pairing="approved")
    story.says("one")
    story.says("two")
    events = story.stands(pairing="none")
    assert kinds(events) == [
        "TurnCancelled",
        "MessageDeadLettered",
        "MessageDeadLettered",
        "WatermarkAdvanced",
    ]
    assert set_aside(events) == ["revoked", "revoked"]
    assert story.effects() == []


def test_what_the_agent_answers_to_a_cancelled_turn_is_not_awaited() -> None:
    story = ConversationStory(PEER, OPEN_DOOR)
    story.says("one")
    turn = story.turn
    story.stands(policy=CLOSED_DOOR)
    assert story.replies_to(turn, "hi") == []
    assert not story.state.outbox


def test_a_change_that_still_lets_the_sender_in_leaves_the_turn_alone() -> None:
    story = ConversationStory(PEER, OPEN_DOOR)
    story.says("one")
    assert story.stands(policy=replace(CLOSED_DOOR, allow_from=("alice",))) == []
    assert story.turn.messages == (1,)


def test_who_waits_behind_a_turn_is_looked_at_again_before_the_next_one() -> None:
    story = ConversationStory(GROUP)
    story.group_is("alice", "bob")
    story.says("one", sender="alice")
    story.says("two", sender="bob")
    story.group_is("alice")
    events = story.agent_replies(silent=True)
    assert kinds(events) == ["AgentReplied", "MessageDeadLettered", "WatermarkAdvanced"]
    assert set_aside(events) == ["revoked"]


def test_one_senders_revocation_does_not_hold_up_the_next_one() -> None:
    story = ConversationStory(GROUP)
    story.group_is("alice", "bob", "eve")
    for sender in ("alice", "bob", "eve", "bob"):
        story.says("hello", sender=sender)
    story.group_is("alice", "eve")
    events = story.agent_replies(silent=True)
    assert set_aside(events) == ["revoked", "revoked"]
    assert senders_of(story) == ["eve"]


def test_a_mention_once_granted_is_not_asked_for_again() -> None:
    story = ConversationStory(GROUP, replace(OPEN_DOOR, require_mention=True))
    story.says("@my-bot one")
    story.says("@my-bot two")
    assert "Dispatched" in kinds(story.agent_replies())


# --- the budget of turns -----------------------------------------------------------------------


def test_beyond_the_budget_messages_are_set_aside_with_one_notice() -> None:
    story = ConversationStory(PEER, TWO_TURNS)
    assert "Dispatched" in kinds(converse(story))
    assert "Dispatched" in kinds(converse(story))
    third = converse(story)
    assert kinds(third) == ["MessageSeen", "PolicyDecided", "MessageQueued", "MessageDeadLettered"]
    assert set_aside(third) == ["budget"]
    assert story.texts(third) == ["hello", notices.BUDGET_SPENT]
    assert set_aside(fourth := converse(story)) == ["budget"]
    assert "MessageQueued" not in kinds(fourth)


def test_after_the_window_there_are_turns_again() -> None:
    story = ConversationStory(PEER, TWO_TURNS)
    converse(story)
    story.passes(ms=SECOND_MS)
    converse(story)
    story.passes(ms=WINDOW_MS - SECOND_MS - 1)
    assert set_aside(converse(story)) == ["budget"]
    story.passes(ms=1)
    assert "Dispatched" in kinds(converse(story)), "the first turn has left the window"
    assert set_aside(converse(story)) == ["budget"], "the second has not"


def test_a_new_window_brings_a_new_notice() -> None:
    story = ConversationStory(PEER, replace(OPEN_DOOR, turn_budget=0))
    assert "MessageQueued" in kinds(converse(story))
    story.passes(ms=WINDOW_MS - 1)
    assert "MessageQueued" not in kinds(converse(story))
    story.passes(ms=1)
    assert "MessageQueued" in kinds(converse(story))


def test_the_budget_counts_turns_not_messages() -> None:
    story = ConversationStory(PEER, replace(OPEN_DOOR, turn_budget=1))
    events = story.arrive(*[arrival(f"{number}") for number in range(5)])
    assert kinds(events).count("Dispatched") == 1
    assert len(story.turn.messages) == 5


def test_each_sender_of_a_group_has_a_budget_of_their_own() -> None:
    story = ConversationStory(GROUP, TWO_TURNS)
    story.group_is("alice", "bob")
    for _ in range(2):
        converse(story, "alice")
    assert set_aside(converse(story, "alice")) == ["budget"]
    assert "Dispatched" in kinds(converse(story, "bob"))


def test_the_budget_is_remembered_across_a_crash() -> None:
    story = ConversationStory(PEER, TWO_TURNS)
    converse(story)
    converse(story)
    story.crash()
    assert set_aside(converse(story)) == ["budget"]


@pytest.mark.parametrize("turns", [30])
def test_by_default_thirty_turns_in_ten_minutes_are_served(turns: int) -> None:
    story = ConversationStory(PEER, OPEN_DOOR)
    served = [kinds(converse(story)).count("Dispatched") for _ in range(turns + 1)]
    assert served == [1] * turns + [0]
    queued = [record.event for record in story.recorded if isinstance(record.event, MessageQueued)]
    assert [event.purpose for event in queued] == ["notice"]
    assert WINDOW_MS == 600 * SECOND_MS
