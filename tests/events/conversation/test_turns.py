"""What follows from a turn: the agent's answer, or its failure."""

import pytest
from msgspec.structs import replace

from events.back_off import PAUSES_S
from events.conversation.effects import Ask, Wake
from events.conversation.events import AgentFailed, AgentReplied, MessageDeadLettered, MessageQueued
from events.conversation.notices import CUT_SHORT
from events.conversation.turns import MAX_RETRY_AFTER_MS, Reply, decide_reply
from events.event import Event
from events.streams import ConversationId
from events.watermark import WatermarkAdvanced
from tests.events.builders import (
    GROUP,
    NOW_MS,
    OPEN_DOOR,
    PEER,
    SECOND_MS,
    kinds,
)
from tests.events.conversation_story import ConversationStory

PERSISTENT = replace(OPEN_DOOR, attempts=100)


def asked() -> ConversationStory:
    """A conversation with a turn in flight."""
    story = ConversationStory()
    story.says("hello")
    return story


def delay_ms(events: list[Event], now_ms: int) -> int:
    """When the agent is asked again, from now; it must be asked again."""
    [failed] = [event for event in events if isinstance(event, AgentFailed)]
    assert failed.retry_ms, "it is never asked again"
    return failed.retry_ms - now_ms


# --- replies -----------------------------------------------------------------------------------


def test_a_reply_is_recorded_and_queued_for_the_wire() -> None:
    story = asked()
    turn = story.turn.version
    events = story.agent_replies("hi there")
    assert kinds(events) == ["AgentReplied", "MessageQueued"]
    [replied, queued] = events
    assert isinstance(replied, AgentReplied)
    assert isinstance(queued, MessageQueued)
    assert (replied.turn, replied.attempt, replied.length, replied.silent) == (turn, 1, 8, False)
    assert (queued.purpose, queued.answers, queued.part, queued.parts) == ("reply", turn, 1, 1)
    assert story.texts(events) == ["hi there", "hi there"]


def test_the_words_of_a_reply_belong_to_the_person_it_answers() -> None:
    story = asked()
    story.agent_replies("hi")
    assert {body.person for body in story.log.bodies.values()} == {"home/alice"}


def test_no_two_bodies_share_a_salt() -> None:
    story = asked()
    story.agent_replies("hi")
    story.says("hello")
    story.agent_replies("hi")
    salts = [body.salt for body in story.log.bodies.values()]
    assert len(set(salts)) == len(salts) == 6


def test_what_a_reply_cost_is_kept() -> None:
    story = asked()
    reply = Reply("hi", elapsed_ms=120, model="small", tokens_in=10, tokens_out=20)
    [replied, _] = story.follow(decide_reply(story.context, story.turn.version, 1, reply))
    assert isinstance(replied, AgentReplied)
    assert (replied.elapsed_ms, replied.model) == (120, "small")
    assert (replied.tokens_in, replied.tokens_out) == (10, 20)


@pytest.mark.parametrize("text", ["", " \n", "NO_REPLY"])
def test_a_silent_reply_sends_nothing_and_ends_the_turn(text: str) -> None:
    events = asked().agent_replies(text, silent=True)
    assert kinds(events) == ["AgentReplied", "WatermarkAdvanced"]
    assert isinstance(events[0], AgentReplied)
    assert events[0].silent


def test_a_long_reply_is_queued_in_parts_each_once_in_order() -> None:
    story = asked()
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 300 for number in range(8))
    [_, *queued] = story.agent_replies(text)
    parts = [event for event in queued if isinstance(event, MessageQueued)]
    assert [part.part for part in parts] == list(range(1, len(parts) + 1))
    assert {part.parts for part in parts} == {len(parts)}
    assert len(parts) > 2
    assert "".join("".join(story.texts(queued)).split()) == "".join(text.split())


def test_what_would_destroy_a_message_is_taken_out_and_counted() -> None:
    story = asked()
    events = story.agent_replies("hi\x01\x02 there")
    assert story.texts(events) == ["hi\x01\x02 there", "hi there"]
    assert isinstance(events[1], MessageQueued)
    assert events[1].changed == 2


@pytest.mark.parametrize(
    "text",
    ["", " \n", "\x01\x02", "\x1b[31m\x1b[0m", "\u200b\u2060", "\u3164", " \x00\u202e "],
    ids=["empty", "blanks", "controls", "colours", "zero width", "filler", "all of them"],
)
def test_a_reply_of_which_nothing_can_be_sent_is_no_reply(text: str) -> None:
    story = asked()
    for _ in range(OPEN_DOOR.attempts - 1):
        [failed] = story.agent_replies(text)
        assert isinstance(failed, AgentFailed)
        assert (failed.error, failed.transient) == ("EmptyReply", True)
    events = story.agent_replies(text)
    assert kinds(events) == ["AgentFailed", "MessageDeadLettered", "MessageQueued"]
    assert story.texts(events) == [OPEN_DOOR.apology]


def test_a_reply_that_was_cut_short_is_sent_with_a_mark_and_recorded_without() -> None:
    story = asked()
    reply = Reply("The tram lea", cut_short=True)
    events = story.follow(decide_reply(story.context, story.turn.version, 1, reply))
    assert isinstance(events[0], AgentReplied)
    assert events[0].cut_short
    assert story.texts(events) == ["The tram lea", "The tram lea" + CUT_SHORT]


def test_a_reply_counts_once() -> None:
    story = asked()
    turn = story.turn
    story.agent_replies("hi")
    assert story.replies_to(turn, "hi") == []


def test_a_reply_to_an_attempt_that_failed_meanwhile_does_not_count() -> None:
    story = asked()
    first = story.turn
    story.agent_fails()
    assert story.replies_to(first, "hi") == []
    assert story.turn.attempt == 2


def test_a_reply_after_a_crash_still_counts_once() -> None:
    story = asked()
    turn = story.turn
    story.crash()
    assert kinds(story.replies_to(turn, "hi")) == ["AgentReplied", "MessageQueued"]
    story.crash()
    assert story.replies_to(turn, "hi") == []


# --- failures ----------------------------------------------------------------------------------


def test_after_each_failure_the_agent_is_asked_again_a_little_later() -> None:
    story = ConversationStory(PEER, PERSISTENT)
    story.says("hello")
    delays = []
    for _ in range(11):
        delay = delay_ms(story.agent_fails(), story.now_ms)
        delays.append(delay // SECOND_MS)
        story.passes(ms=delay)
    assert delays == [1, 1, 2, 3, 5, 8, 13, 21, 30, 30, 30]
    assert delays[: len(PAUSES_S)] == list(PAUSES_S)


@pytest.mark.parametrize(("jitter", "longest_ms"), [(0.0, 1_000), (0.5, 1_125), (1.0, 1_250)])
def test_jitter_spreads_attempts_by_a_quarter_at_most(jitter: float, longest_ms: int) -> None:
    story = asked()
    assert delay_ms(story.agent_fails(jitter=jitter), story.now_ms) == longest_ms


def test_an_agent_that_says_when_to_come_again_is_not_asked_before() -> None:
    story = asked()
    assert delay_ms(story.agent_fails(retry_after_ms=60_000), story.now_ms) == 60_000
    story.passes(ms=60_000)
    assert delay_ms(story.agent_fails(retry_after_ms=10), story.now_ms) == 1_000


@pytest.mark.parametrize(
    ("retry_after_ms", "waits"),
    [(MAX_RETRY_AFTER_MS, True), (MAX_RETRY_AFTER_MS + 1, False), (86_400_000, False)],
)
def test_an_agent_that_wants_to_be_left_alone_for_long_is_not_waited_for(
    retry_after_ms: int, waits: bool
) -> None:
    story = asked()
    story.says("still there?")
    events = story.agent_fails(retry_after_ms=retry_after_ms)
    if waits:
        assert delay_ms(events, story.now_ms) == retry_after_ms
        return
    assert kinds(events) == ["AgentFailed", "MessageDeadLettered", "MessageQueued", "Dispatched"]
    assert events[1] == MessageDeadLettered(1, "agent")
    assert story.texts(events) == [OPEN_DOOR.apology]
    assert Ask(story.turn.version, 1) in story.effects()


def test_the_next_attempt_is_due_when_its_time_has_come() -> None:
    story = asked()
    turn = story.turn.version
    assert story.effects() == [Ask(turn, 1)]
    story.agent_fails()
    assert story.effects() == [Wake(NOW_MS + SECOND_MS)]
    story.passes(ms=SECOND_MS - 1)
    assert story.effects() == [Wake(NOW_MS + SECOND_MS)]
    story.passes(ms=1)
    assert story.effects() == [Ask(turn, 2)]


def test_after_the_last_attempt_the_messages_are_set_aside_with_an_apology() -> None:
    story = asked()
    for _ in range(OPEN_DOOR.attempts - 1):
        assert kinds(story.agent_fails()) == ["AgentFailed"]
    events = story.agent_fails()
    assert kinds(events) == ["AgentFailed", "MessageDeadLettered", "MessageQueued"]
    assert isinstance(events[0], AgentFailed)
    assert (events[0].attempt, events[0].transient, events[0].retry_ms) == (5, True, 0)
    assert events[1] == MessageDeadLettered(1, "agent")
    assert story.texts(events) == [OPEN_DOOR.apology]
    assert story.sent()[-1] == WatermarkAdvanced(NOW_MS)


def test_a_failure_that_can_not_pass_ends_the_turn_at_once() -> None:
    events = asked().agent_fails(transient=False)
    assert kinds(events) == ["AgentFailed", "MessageDeadLettered", "MessageQueued"]


def test_the_agent_is_not_asked_again_beyond_the_answer_horizon() -> None:
    horizon_ms = PERSISTENT.answer_horizon_s * 1_000
    in_time, too_late = ConversationStory(PEER, PERSISTENT), ConversationStory(PEER, PERSISTENT)
    for story, age_ms in ((in_time, horizon_ms - 1), (too_late, horizon_ms)):
        story.says("hello")
        story.passes(ms=age_ms)
        story.agent_fails()
    assert in_time.turn.attempt == 2
    assert not too_late.state.turn


def test_every_message_of_a_failed_turn_is_set_aside_with_one_apology() -> None:
    story = asked()
    story.says("two")
    story.says("three")
    story.agent_replies(silent=True)
    events = story.agent_fails(transient=False)
    assert kinds(events).count("MessageDeadLettered") == 2
    assert kinds(events).count("MessageQueued") == 1


@pytest.mark.parametrize(
    ("address", "apology", "group_apology", "told"),
    [
        (PEER, OPEN_DOOR.apology, "", [OPEN_DOOR.apology]),
        (PEER, "", "All sorry.", []),
        (GROUP, OPEN_DOOR.apology, "", []),
        (GROUP, "", "All sorry.", ["All sorry."]),
    ],
)
def test_an_apology_is_made_where_the_policy_has_one_for_it(
    address: ConversationId, apology: str, group_apology: str, told: list[str]
) -> None:
    policy = replace(OPEN_DOOR, apology=apology, group_apology=group_apology)
    story = ConversationStory(address, policy)
    story.says("hello")
    assert story.texts(story.agent_fails(transient=False)) == told


def test_by_default_peers_get_an_apology_and_groups_do_not() -> None:
    assert OPEN_DOOR.apology
    assert not OPEN_DOOR.group_apology


def test_the_conversation_goes_on_after_a_turn_that_failed() -> None:
    story = asked()
    story.says("two")
    events = story.agent_fails(transient=False)
    assert kinds(events)[-1] == "Dispatched"
    assert story.effects()[0] == Ask(story.turn.version, 1)


def test_an_attempt_survives_a_crash_with_its_number() -> None:
    story = asked()
    story.agent_fails()
    story.crash()
    story.passes(ms=SECOND_MS)
    assert story.effects() == [Ask(story.turn.version, 2)]
