"""The derived indexes: what is known of a log without folding it."""

import pytest

from events.conversation.events import (
    AgentFailed,
    BaselineTaken,
    DecisionInputs,
    MessageQueued,
    PolicyDecided,
)
from events.policy.account_policy import Action, ToolGrant
from events.projections import closes, identities, opens
from tests.events.builders import CLOSED_DOOR, GROUP, NOW_MS, PEER, STRANGERS_PAIR
from tests.events.conversation_story import ConversationStory
from tests.events.sample_events import SAMPLES

OPENING = {"MessageSeen", "MessageRetried", "Dispatched", "MessageQueued"}
KNOWING = {"MessageSeen", "MessageIgnored", "BaselineTaken"}
CLOSING = {
    "PairingWithheld": (1,),
    "Dispatched": (1, 2),
    "TurnCancelled": (3,),
    "AgentReplied": (3,),
    "ReplySent": (5,),
    "ReplyFailed": (5,),
    "MessageDeadLettered": (1,),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_work_begins_with_these_events_only(name: str) -> None:
    assert opens(SAMPLES[name]) == (name in OPENING)


@pytest.mark.parametrize("name", SAMPLES)
def test_messages_are_known_by_these_events_only(name: str) -> None:
    assert identities(SAMPLES[name]) == ((bytes(range(16)),) if name in KNOWING else ())


@pytest.mark.parametrize("name", SAMPLES)
def test_work_ends_with_these_events_only(name: str) -> None:
    assert closes(SAMPLES[name]) == CLOSING.get(name, ())


def test_a_baseline_makes_all_of_it_known() -> None:
    everything = (b"a" * 16, b"b" * 16)
    assert identities(BaselineTaken(everything)) == everything


@pytest.mark.parametrize(
    ("action", "pairing", "ended"),
    [
        ("process", "none", ()),
        ("process", "approved", ()),
        ("ignore", "none", (7,)),
        ("pairing", "none", ()),
        ("pairing", "pending", (7,)),
    ],
)
def test_a_decision_ends_a_message_unless_more_must_follow(
    action: Action, pairing: str, ended: tuple[int, ...]
) -> None:
    facts = DecisionInputs(NOW_MS, bytes(16), 1, "my-bot", 1, pairing=pairing)  # type: ignore[arg-type]
    decided = PolicyDecided(7, action, "allowed", "dm-policy", False, ToolGrant(), facts)
    assert closes(decided) == ended


def test_a_failed_attempt_ends_the_turn_only_if_it_was_the_last() -> None:
    assert closes(AgentFailed(3, 1, "timeout", transient=True, retry_ms=NOW_MS)) == ()
    assert closes(AgentFailed(3, 5, "timeout", transient=True, retry_ms=0)) == (3,)


def test_only_a_code_ends_the_message_that_it_answers() -> None:
    assert closes(MessageQueued("pairing", bytes(32), 2, answers=1)) == (1,)
    for purpose in ("reply", "approved", "notice"):
        assert closes(MessageQueued(purpose, bytes(32), 2, answers=1)) == ()


# --- against the state -------------------------------------------------------------------------


def open_work(story: ConversationStory) -> set[int]:
    """What the index holds of the story's log."""
    work: set[int] = set()
    for record in story.recorded:
        work.difference_update(closes(record.event))
        work.update([record.version] * opens(record.event))
    return work


def test_a_message_stays_open_until_the_reply_to_it_is_sent() -> None:
    story = ConversationStory(PEER)
    story.says("hello")
    assert open_work(story) == {story.turn.version}
    story.agent_replies("hi")
    assert open_work(story) == {story.state.outbox[0].version}
    story.sent()
    assert open_work(story) == set()


def test_a_refused_message_is_not_left_open() -> None:
    story = ConversationStory(PEER, CLOSED_DOOR)
    story.says("hello")
    assert open_work(story) == set()


def test_a_strangers_message_is_open_until_it_has_a_code_or_a_reason() -> None:
    story = ConversationStory(PEER, STRANGERS_PAIR)
    story.says("one")
    story.says("two")
    assert open_work(story) == {1, 3}
    story.code_issued(1)
    assert open_work(story) == {story.state.outbox[0].version}


def test_a_message_that_waits_for_members_is_open() -> None:
    story = ConversationStory(GROUP)
    story.group_is_unknown()
    story.says("hello")
    assert open_work(story) == {1}
