"""What follows when messages arrive: each is recorded once, and judged or ignored with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from events.conversation.arrivals import BASELINE_CHUNK, Arrival
from events.conversation.events import (
    BaselineTaken,
    Dispatched,
    MessageIgnored,
    MessageSeen,
    PolicyDecided,
)
from events.policy.account_policy import AccountPolicy
from events.policy.names import unmistakable
from events.projections import identities
from events.streams import PeerId
from events.watermark import WatermarkAdvanced
from tests.events.builders import (
    ALLOWLIST,
    CLOSED_DOOR,
    GROUP,
    HOUR_MS,
    LOG_ID,
    NOW_MS,
    OPEN_DOOR,
    PEER,
    STRANGERS_PAIR,
    arrival,
    kinds,
)
from tests.events.conversation_story import ConversationStory

DAY_MS = 24 * HOUR_MS


def the_reason(story: ConversationStory, message: Arrival) -> str:
    """Why `message` is ignored."""
    ignored = story.arrive(message)[0]
    assert isinstance(ignored, MessageIgnored), f"it was not ignored: {ignored}"
    assert (ignored.identity, ignored.sender) == (message.identity, message.sender)
    return ignored.reason


# --- once each ---------------------------------------------------------------------------------


def test_a_message_that_is_let_in_is_seen_decided_and_dispatched_at_once() -> None:
    story = ConversationStory(PEER, OPEN_DOOR)
    assert kinds(story.says("hello")) == ["MessageSeen", "PolicyDecided", "Dispatched"]


def test_a_message_that_is_refused_is_seen_decided_and_done() -> None:
    story = ConversationStory(PEER, CLOSED_DOOR)
    assert kinds(story.says("hello")) == ["MessageSeen", "PolicyDecided", "WatermarkAdvanced"]


def test_each_event_names_the_one_that_caused_it() -> None:
    story = ConversationStory()
    story.says("one")
    story.agent_replies("hi")
    causes = {type(record.event).__name__: record.cause for record in story.recorded}
    seqs = {type(record.event).__name__: record.seq for record in story.recorded}
    assert causes["MessageSeen"] == 0
    assert causes["PolicyDecided"] == seqs["MessageSeen"]
    assert causes["Dispatched"] == seqs["MessageSeen"]
    assert causes["AgentReplied"] == seqs["Dispatched"]
    assert causes["MessageQueued"] == seqs["Dispatched"]


def test_what_is_seen_keeps_the_words_beside_the_event() -> None:
    story = ConversationStory()
    message = replace(arrival("grüezi"), files=("abc",))
    [seen, *_] = story.arrive(message)
    assert isinstance(seen, MessageSeen)
    assert (seen.identity, seen.sender, seen.sent_ms) == (message.identity, "alice", NOW_MS)
    assert (seen.length, seen.files, seen.source) == (6, ("abc",), "feed")
    body = story.log.bodies[1, 0]
    assert (body.person, body.text, body.digest) == ("home/alice", "grüezi", seen.body)


def test_a_message_shown_again_is_nothing_new() -> None:
    story = ConversationStory()
    message = arrival()
    story.arrive(message)
    assert story.arrive(message) == []
    assert story.arrive(replace(message, source="chat")) == []


def test_a_message_shown_twice_at_once_is_recorded_once() -> None:
    story = ConversationStory()
    message = arrival()
    assert kinds(story.arrive(message, message)).count("MessageSeen") == 1


def test_two_messages_of_the_same_millisecond_are_both_answered() -> None:
    story = ConversationStory()
    events = story.arrive(arrival("one"), arrival("two"))
    assert kinds(events).count("PolicyDecided") == 2
    assert story.turn.messages == (1, 3)


def test_a_late_message_is_decided_once_and_leaves_the_watermark() -> None:
    story = ConversationStory(PEER, CLOSED_DOOR)
    story.arrive(arrival(sent_ms=NOW_MS))
    late = arrival(sent_ms=NOW_MS - DAY_MS, available_ms=NOW_MS)
    assert kinds(story.arrive(late)) == ["MessageSeen", "PolicyDecided"]
    assert story.state.watermark == NOW_MS
    assert story.arrive(late) == []


def test_a_message_ignored_once_is_not_looked_at_again() -> None:
    story = ConversationStory()
    blank = arrival(" ")
    story.arrive(blank)
    assert story.arrive(replace(blank, text="hello")) == []


# --- ignored -----------------------------------------------------------------------------------


def test_a_message_of_our_own_user_is_not_answered() -> None:
    assert the_reason(ConversationStory(), arrival(sender="my-bot")) == "self"


def test_what_this_daemon_sent_itself_leaves_no_trace() -> None:
    story = ConversationStory()
    assert story.arrive(arrival(sender="my-bot", wire_id=f"{LOG_ID}-12")) == []


def test_another_daemon_of_our_user_is_on_the_record() -> None:
    assert (
        the_reason(ConversationStory(), arrival(sender="my-bot", wire_id="feedf00d-12")) == "self"
    )


def test_our_id_in_somebody_elses_message_does_not_hide_it() -> None:
    story = ConversationStory()
    assert "Dispatched" in kinds(story.arrive(arrival(sender="alice", wire_id=f"{LOG_ID}-12")))


@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000", "\u200b", " \u2060\ufeff", "\u3164"])
def test_a_blank_message_is_ignored_unless_it_brings_files(text: str) -> None:
    assert the_reason(ConversationStory(), arrival(text)) == "blank"
    assert "Dispatched" in kinds(ConversationStory().arrive(arrival(text, files=("abc",))))


def test_a_message_of_the_longest_length_is_answered_and_a_longer_one_is_not() -> None:
    longest = OPEN_DOOR.max_message_chars
    assert "Dispatched" in kinds(ConversationStory().arrive(arrival("x" * longest)))
    assert the_reason(ConversationStory(), arrival("x" * (longest + 1))) == "oversize"


def test_what_nobody_could_mean_as_a_message_is_ignored() -> None:
    assert the_reason(ConversationStory(), arrival(malformed=True)) == "malformed"


def test_a_message_that_came_to_us_after_the_horizon_is_too_late() -> None:
    horizon_ms = OPEN_DOOR.answer_horizon_s * 1_000
    just_in_time = arrival(available_ms=NOW_MS - horizon_ms)
    assert "Dispatched" in kinds(ConversationStory().arrive(just_in_time))
    too_late = arrival(available_ms=NOW_MS - horizon_ms - 1)
    assert the_reason(ConversationStory(), too_late) == "too-late"


def test_the_horizon_counts_from_when_it_could_reach_us_not_from_the_senders_clock() -> None:
    message = arrival(sent_ms=NOW_MS - 30 * DAY_MS, available_ms=NOW_MS)
    assert "Dispatched" in kinds(ConversationStory().arrive(message))


def test_groups_are_not_answered_unless_they_are_enabled() -> None:
    disabled = replace(OPEN_DOOR, enable_groups=False)
    assert the_reason(ConversationStory(GROUP, disabled), arrival()) == "groups-disabled"
    assert "Dispatched" in kinds(ConversationStory(GROUP, OPEN_DOOR).arrive(arrival()))
    assert "Dispatched" in kinds(ConversationStory(PEER, disabled).arrive(arrival()))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(arrival("  "), id="blank"),
        pytest.param(arrival(malformed=True), id="malformed"),
        pytest.param(arrival(sender="my-bot"), id="self"),
    ],
)
def test_an_ignored_message_keeps_no_text_and_moves_the_watermark(message: Arrival) -> None:
    story = ConversationStory()
    assert kinds(story.arrive(message)) == ["MessageIgnored", "WatermarkAdvanced"]
    assert not story.log.bodies
    assert story.state.watermark == NOW_MS


# --- what the policy says ----------------------------------------------------------------------


def test_the_decision_carries_everything_it_was_made_by() -> None:
    story = ConversationStory(PEER, ALLOWLIST)
    story.policy_context = replace(
        story.policy_context, account_version=7, unmistakable=frozenset({"bob"})
    )
    [_, decided, *_] = story.says()
    assert isinstance(decided, PolicyDecided)
    inputs = decided.inputs
    assert (decided.action, decided.reason, decided.rule) == (
        "process",
        "whitelisted",
        "allow-from",
    )
    assert (inputs.now_ms, inputs.policy) == (NOW_MS, ALLOWLIST.digest())
    assert (inputs.own, inputs.account_version) == ("my-bot", 7)
    assert (inputs.membership, inputs.pairing) == ("direct", "none")
    assert inputs.ambiguous


def test_in_a_group_the_mention_counts_and_is_recorded() -> None:
    story = ConversationStory(GROUP, replace(OPEN_DOOR, require_mention=True))
    [_, without, *_] = story.says("hello all")
    [_, with_mention, *_] = story.says("@my-bot hello")
    assert isinstance(without, PolicyDecided)
    assert isinstance(with_mention, PolicyDecided)
    assert (without.action, without.reason, without.mentioned) == (
        "ignore",
        "mention_required",
        False,
    )
    assert (with_mention.action, with_mention.mentioned) == ("process", True)
    assert with_mention.tools


@pytest.mark.parametrize("policy", [CLOSED_DOOR, STRANGERS_PAIR])
def test_a_policy_that_does_not_let_in_never_leads_to_a_turn(policy: AccountPolicy) -> None:
    events = ConversationStory(PEER, policy).arrive(*[arrival(f"{n}") for n in range(30)])
    assert not any(isinstance(event, Dispatched) for event in events)


# --- baseline, and what broke its actor --------------------------------------------------------


def test_what_was_there_before_we_came_is_never_answered() -> None:
    story = ConversationStory()
    old = arrival()
    assert kinds(story.baseline(old.identity)) == ["BaselineTaken"]
    assert story.state.baseline
    assert story.arrive(old) == []


def test_an_empty_baseline_is_recorded_too() -> None:
    assert ConversationStory().baseline() == [BaselineTaken(())]


@given(st.integers(0, 3 * BASELINE_CHUNK + 1))
def test_a_large_baseline_is_recorded_in_pieces_whole(count: int) -> None:
    wanted = [number.to_bytes(16, "big") for number in range(count)]
    events = ConversationStory().baseline(*wanted)
    assert [identity for event in events for identity in identities(event)] == wanted
    assert all(len(identities(event)) <= BASELINE_CHUNK for event in events)


def test_a_message_that_broke_the_actor_is_set_aside_as_malformed() -> None:
    story = ConversationStory()
    poison, known = arrival("poison"), arrival("known")
    story.arrive(known)
    story.agent_replies(silent=True)
    events = story.set_aside(poison, poison, known)
    assert kinds(events) == ["MessageIgnored"]
    assert isinstance(events[0], MessageIgnored)
    assert (events[0].identity, events[0].reason) == (poison.identity, "malformed")
    assert story.arrive(poison) == []


# --- the watermark -----------------------------------------------------------------------------


def test_the_watermark_moves_only_when_everything_is_done() -> None:
    story = ConversationStory()
    story.says("hello")
    assert story.state.watermark == 0
    story.agent_replies("hi")
    assert story.state.watermark == 0
    assert story.sent()[-1] == WatermarkAdvanced(NOW_MS)
    assert story.state.at_rest


TWINS = ("Alice", "ALICE", "alice ", " alice", "aliſe", "alice\u200b")


@pytest.mark.parametrize("known", [(), ("alice", "bob"), ("bob",)])
@pytest.mark.parametrize("twin", TWINS)
def test_who_appears_after_the_last_look_at_the_users_does_not_pass_for_a_listed_one(
    known: tuple[str, ...], twin: str
) -> None:
    story = ConversationStory(PeerId(PEER.account, twin), ALLOWLIST)
    story.policy_context = replace(story.policy_context, unmistakable=unmistakable(known))
    [_, decided, *_] = story.says(sender=twin)
    assert isinstance(decided, PolicyDecided)
    assert (decided.action, decided.reason) == ("ignore", "denied")


@pytest.mark.parametrize("known", [(), ("alice",), ("alice", "Alice"), ("bob",)])
def test_the_listed_name_itself_is_let_in_whoever_else_is_known(known: tuple[str, ...]) -> None:
    story = ConversationStory(PEER, ALLOWLIST)
    story.policy_context = replace(story.policy_context, unmistakable=unmistakable(known))
    [_, decided, *_] = story.says()
    assert isinstance(decided, PolicyDecided)
    assert decided.action == "process"


def test_a_known_user_who_is_like_no_other_may_be_listed_in_another_case() -> None:
    story = ConversationStory(PEER, replace(ALLOWLIST, allow_from=(" ALICE ",)))
    story.policy_context = replace(story.policy_context, unmistakable=unmistakable(["alice"]))
    [_, decided, *_] = story.says()
    assert isinstance(decided, PolicyDecided)
    assert decided.action == "process"
