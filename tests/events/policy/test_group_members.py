"""A group whose members nobody knows right now: its messages wait, they are not denied."""

import pytest
from msgspec.structs import replace

from events.conversation.effects import Ask
from events.conversation.events import Dispatched, MessageDeadLettered, PolicyDecided
from events.policy.account_policy import AccountPolicy
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
    assert [(event.action, event.rule) for event in decided] == [
        ("process", "creator"),
        ("ignore", "mention"),
        ("ignore", "not-a-member"),
    ]
    assert [event.inputs.membership for event in decided] == ["member", "member", "not-member"]
    assert story.group_is("alice", "bob") == []


def test_members_that_are_still_unknown_change_nothing() -> None:
    story = ConversationStory(GROUP)
    story.group_is_unknown()
    story.says("hello")
    assert story.look_again() == []
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
    assert (decided.action, decided.inputs.policy) == ("ignore", closed.digest())
    assert decided.inputs.now_ms == NOW_MS + SECOND_MS


def test_words_that_were_erased_meanwhile_mention_nobody() -> None:
    story = ConversationStory(GROUP, replace(OPEN_DOOR, require_mention=True))
    story.group_is_unknown()
    story.says("@my-bot hello")
    story.log.bodies.clear()
    [decided, _] = story.group_is("alice")
    assert isinstance(decided, PolicyDecided)
    assert (decided.mentioned, decided.reason) == (False, "mention_required")


def test_while_the_members_are_unknown_nobody_is_served_or_refused() -> None:
    story = ConversationStory(GROUP)
    story.says("one", sender="alice")
    story.says("two", sender="alice")
    story.group_is_unknown()
    assert story.look_again() == []
    assert not any(isinstance(effect, Ask) for effect in story.effects())
    assert not any(isinstance(event, Dispatched) for event in story.agent_replies("hi"))
    assert kinds(story.group_is("alice")) == ["Dispatched"]
    assert any(isinstance(effect, Ask) for effect in story.effects())


@pytest.mark.parametrize(
    "changed",
    [
        replace(OPEN_DOOR, group_policy="allowlist", creator_bypass=False),
        replace(OPEN_DOOR, group_policy="disabled", creator_bypass=False),
        replace(OPEN_DOOR, enable_groups=False),
    ],
    ids=["not listed", "disabled", "groups off"],
)
def test_open_work_of_a_group_is_not_served_under_a_policy_that_forbids_it(
    changed: AccountPolicy,
) -> None:
    story = ConversationStory(GROUP)
    story.group_is("alice", "bob")
    story.says("in flight", sender="bob")
    story.says("in the queue", sender="alice")
    story.crash()
    story.group_is_unknown()
    events = story.stands(policy=changed)
    assert not any(isinstance(effect, Ask) for effect in story.effects())
    events += story.group_is("alice", "bob")
    assert kinds(events) == [
        "TurnCancelled",
        "MessageDeadLettered",
        "MessageDeadLettered",
        "WatermarkAdvanced",
    ]
    assert story.state.at_rest


def test_with_groups_off_what_waits_is_ignored_without_a_look_at_the_members() -> None:
    story = ConversationStory(GROUP)
    story.group_is_unknown()
    story.says("hello", sender="bob")
    [decided, _] = story.stands(policy=replace(OPEN_DOOR, enable_groups=False))
    assert isinstance(decided, PolicyDecided)
    assert (decided.action, decided.rule) == ("ignore", "groups-disabled")


def test_what_waits_for_the_members_longer_than_anything_may_is_set_aside() -> None:
    story = ConversationStory(GROUP)
    story.says("in flight", sender="alice")
    story.says("in the queue", sender="alice")
    story.group_is_unknown()
    story.says("not judged", sender="alice")
    assert story.waited() == []
    story.passes(ms=OPEN_DOOR.answer_horizon_s * 1_000 + 1)
    events = story.waited()
    assert [event.reason for event in events if isinstance(event, MessageDeadLettered)] == [
        "too-late"
    ] * 3
    assert kinds(events).count("TurnCancelled") == 1
    assert story.state.at_rest


def test_nothing_is_too_late_while_the_members_are_known() -> None:
    story = ConversationStory(GROUP)
    story.says("in flight", sender="alice")
    story.passes(ms=OPEN_DOOR.answer_horizon_s * 1_000 + 1)
    assert story.waited() == []


def test_a_turn_of_somebody_who_is_no_member_any_more_is_cancelled() -> None:
    story = ConversationStory(GROUP)
    story.group_is("alice", "bob")
    story.says("hello", sender="bob")
    assert kinds(story.group_is("alice")) == [
        "TurnCancelled",
        "MessageDeadLettered",
        "WatermarkAdvanced",
    ]
