"""A group whose members nobody knows right now: its messages wait, they are not denied."""

from msgspec.structs import replace

from events.conversation_events import Dispatched, PolicyDecided
from tests.events.builders import GROUP, NOW_MS, OPEN_DOOR, SECOND_MS, arrival, kinds
from tests.events.conversation_story import ConversationStory


def test_while_the_members_are_unknown_messages_wait_undecided() -> None:
    story = ConversationStory(GROUP)
    story.group_is_unknown()
    assert kinds(story.says("hello")) == ["MessageSeen"]
    assert not story.state.at_rest
    assert story.state.watermark == 0


def test_what_waited_is_judged_once_the_members_are_known() -> None:
    story = ConversationStory(GROUP, replace(OPEN_DOOR, require_mention=True))
    story.group_is_unknown()
    story.arrive(
        arrival("@my-bot hello", sender="alice"),
        arrival("hello", sender="bob"),
        arrival("@my-bot hello", sender="eve"),
    )
    events = story.group_is("alice", "bob")
    decided = [event for event in events if isinstance(event, PolicyDecided)]
    assert [(one.action, one.rule) for one in decided] == [
        ("process", "creator"),
        ("ignore", "mention"),
        ("ignore", "not-a-member"),
    ]
    assert [one.considered.membership for one in decided] == ["member", "member", "not-member"]
    assert story.group_is("alice", "bob") == []


def test_members_that_are_still_unknown_change_nothing() -> None:
    story = ConversationStory(GROUP)
    story.group_is_unknown()
    story.says("hello")
    assert story.judge_waiting() == []
    assert len(story.state.waiting) == 1


def test_what_waits_survives_a_crash_and_is_judged_by_the_words_in_the_log() -> None:
    story = ConversationStory(GROUP, replace(OPEN_DOOR, require_mention=True))
    story.group_is_unknown()
    story.says("@my-bot hello")
    story.crash()
    assert kinds(story.group_is("alice")) == ["PolicyDecided", "Dispatched"]


def test_what_waits_is_judged_by_the_policy_of_that_later_moment() -> None:
    story = ConversationStory(GROUP, OPEN_DOOR)
    story.group_is_unknown()
    story.says("hello", sender="bob")
    closed = replace(OPEN_DOOR, group_policy="disabled")
    story.stands(policy=closed)
    story.passes(ms=SECOND_MS)
    [decided, _] = story.group_is("alice", "bob")
    assert isinstance(decided, PolicyDecided)
    assert (decided.action, decided.considered.policy) == ("ignore", closed.digest())
    assert decided.considered.now_ms == NOW_MS + SECOND_MS


def test_words_that_were_erased_meanwhile_mention_nobody() -> None:
    story = ConversationStory(GROUP, replace(OPEN_DOOR, require_mention=True))
    story.group_is_unknown()
    story.says("@my-bot hello")
    story.log.bodies.clear()
    [decided, _] = story.group_is("alice")
    assert isinstance(decided, PolicyDecided)
    assert (decided.mentioned, decided.reason) == (False, "mention_required")


def test_a_turn_in_flight_goes_on_while_the_members_are_unknown() -> None:
    story = ConversationStory(GROUP)
    story.says("one", sender="alice")
    story.says("two", sender="alice")
    story.group_is_unknown()
    assert story.stands() == []
    assert any(isinstance(event, Dispatched) for event in story.agent_replies("hi"))


def test_a_turn_of_somebody_who_is_no_member_any_more_is_cancelled() -> None:
    story = ConversationStory(GROUP)
    story.group_is("alice", "bob")
    story.says("hello", sender="bob")
    assert kinds(story.group_is("alice")) == [
        "TurnCancelled",
        "MessageSetAside",
        "WatermarkAdvanced",
    ]
