"""A message that was set aside: the operator has it answered after all, or has done with it."""

from msgspec.structs import replace

from events.conversation.events import (
    MessageDeadLettered,
    MessageDropped,
    MessageRetried,
    MessageSeen,
)
from events.policy.account_policy import ToolGrant
from tests.events.builders import CLOSED_DOOR, OPEN_DOOR, PEER, kinds
from tests.events.conversation_story import ConversationStory


def failed_for_good() -> ConversationStory:
    """A conversation at rest whose message 1 was set aside."""
    story = ConversationStory(PEER, replace(OPEN_DOOR, apology=""))
    story.says("hello")
    story.agent_fails(transient=False)
    assert story.state.at_rest
    return story


def test_a_message_set_aside_can_be_answered_after_all() -> None:
    story = failed_for_good()
    tools = ToolGrant(allow=("exec",))
    [retried, turn] = story.retry(1, tools)
    assert isinstance(retried, MessageRetried)
    assert (retried.message, retried.sender, retried.tools) == (1, "alice", tools)
    assert kinds([turn]) == ["Dispatched"]
    assert story.turn.messages == (story.state.version - 1,), "the retry stands for the message"
    assert kinds(story.agent_replies("hi")) == ["AgentReplied", "MessageQueued"]


def test_a_retried_message_that_fails_again_can_be_retried_again() -> None:
    story = failed_for_good()
    [retried, _] = story.retry(1)
    [_, aside, *_] = story.agent_fails(transient=False)
    assert isinstance(retried, MessageRetried)
    assert isinstance(aside, MessageDeadLettered)
    assert aside.message != 1
    [again, _] = story.retry(aside.message)
    assert isinstance(again, MessageRetried)
    assert again.message == aside.message


def test_a_retry_waits_for_the_turn_in_flight() -> None:
    story = failed_for_good()
    story.says("two")
    assert kinds(story.retry(1)) == ["MessageRetried"]
    story.agent_replies(silent=True)
    assert len(story.turn.messages) == 1


def test_a_message_of_somebody_who_is_not_let_in_any_more_is_not_retried() -> None:
    story = failed_for_good()
    story.stands(policy=CLOSED_DOOR)
    assert story.retry(1) == []
    assert story.state.at_rest


def test_a_dropped_message_is_on_the_record_and_calls_for_nothing() -> None:
    story = failed_for_good()
    assert story.drop(1) == [MessageDropped(1)]
    assert story.state.at_rest
    assert isinstance(story.recorded[0].event, MessageSeen)
