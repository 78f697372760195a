"""What a state calls for in the world: the same after a commit and after a crash."""

from events.conversation.effects import Ask, RequestCode, Send, Wake, due
from events.conversation.state import ConversationState, Queued, Turn, Waiting
from tests.events.builders import GROUP, NOW_MS, PEER, SECOND_MS
from tests.events.conversation_story import ConversationStory

TURN = Turn(version=3, seq=30, messages=(1,), sender="alice", began_ms=NOW_MS)
FIRST, SECOND = (Queued(version, version, "notice", 0, NOW_MS) for version in (4, 5))
STRANGER, ANOTHER = (Waiting(version, version, "bob", NOW_MS) for version in (6, 7))


def called_for(state: ConversationState, now_ms: int = NOW_MS) -> list[object]:
    return list(due(state, now_ms))


def test_at_rest_nothing_is_called_for() -> None:
    assert called_for(ConversationState()) == []
    assert ConversationState().at_rest


def test_a_turn_is_asked_at_once() -> None:
    assert called_for(ConversationState(turn=TURN)) == [Ask(3, 1)]


def test_a_turn_that_failed_is_asked_again_not_before_its_time() -> None:
    again_ms = NOW_MS + SECOND_MS
    state = ConversationState(turn=Turn(3, 30, (1,), "alice", NOW_MS, attempt=2, retry_ms=again_ms))
    assert called_for(state, again_ms - 1) == [Wake(again_ms)]
    assert called_for(state, again_ms) == [Ask(3, 2)]
    assert called_for(state, again_ms + SECOND_MS) == [Ask(3, 2)]


def test_one_message_is_sent_at_a_time() -> None:
    assert called_for(ConversationState(outbox=(FIRST, SECOND))) == [Send(4)]


def test_one_code_is_asked_for_at_a_time() -> None:
    assert called_for(ConversationState(uncoded=(STRANGER, ANOTHER))) == [RequestCode(6)]


def test_a_turn_does_not_hold_up_the_outbox_nor_a_code() -> None:
    state = ConversationState(turn=TURN, outbox=(FIRST,), uncoded=(STRANGER,))
    assert called_for(state) == [Ask(3, 1), Send(4), RequestCode(6)]


def test_messages_that_wait_for_members_call_for_nothing() -> None:
    story = ConversationStory(GROUP)
    story.group_is_unknown()
    story.says("hello")
    assert story.effects() == []
    assert not story.state.at_rest


def test_a_crash_changes_nothing_of_what_is_called_for() -> None:
    story = ConversationStory(PEER)
    story.says("hello")
    story.announce(1)
    before = story.effects()
    story.crash()
    assert story.effects() == before == [Ask(3, 1), Send(4)]
