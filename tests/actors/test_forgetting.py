"""What is forgotten stays so, and is answered once, whatever happens in that very moment."""

from collections import Counter
from typing import Any

import pytest

from events.conversation.events import AgentReplied, Dispatched, MessageSeen
from events.event import Draft
from events.policy.account_policy import AccountPolicy
from events.streams import GroupId, PeerId, conversation_stream
from tests.actors.simulation import ACCOUNT, World

ANNA = PeerId(ACCOUNT, "anna")
TEAM = GroupId(ACCOUNT, "ben", "team")
OPEN = AccountPolicy(
    "bot", dm_policy="allow", enable_groups=True, group_policy="open", require_mention=False
)
PERSON = f"{ACCOUNT}/anna"
HOUR_MS = 3_600_000


def acquainted(seed: int) -> World:
    """A world in which anna was answered, directly and in a group."""
    world = World(seed, OPEN)
    world.members["ben", "team"] = frozenset({"anna", "ben"})
    world.say(ANNA, "anna", "one")
    world.say(TEAM, "anna", "two")
    world.say(TEAM, "ben", "three")
    world.settle()
    return world


def seen(world: World) -> Counter[tuple[str, int]]:
    """How often each message of anna was recorded as seen."""
    recorded = ((record.stream, record.event) for record in world.log.read())
    return Counter(
        (stream, event.sent_ms)
        for stream, event in recorded
        if isinstance(event, MessageSeen) and event.sender == "anna"
    )


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_a_message_of_that_moment_is_not_taken_for_new(seed: int, *, crashes: bool) -> None:
    world = acquainted(seed)
    ahead_ms = world.random.choice([0, 0, HOUR_MS])
    world.forget("anna")
    for number in range(3):
        for _ in range(world.random.randint(0, 4)):
            world.step()
        world.say(ANNA, "anna", f"in that moment {number}", -ahead_ms)
        world.say(TEAM, "anna", f"in that moment, to all {number}", -ahead_ms)
        world.offer(ANNA)
        world.offer(TEAM)
    if crashes:
        for _ in range(world.random.randint(0, 20)):
            world.step()
        world.crash()
    world.settle()
    assert max(seen(world).values()) == 1


@pytest.mark.parametrize("seed", range(20))
def test_what_the_erasure_reaches_cannot_be_read_and_the_rest_was_answered(seed: int) -> None:
    world = acquainted(seed)
    world.forget("anna")
    for number in range(3):
        for _ in range(world.random.randint(0, 6)):
            world.step()
        world.say(ANNA, "anna", f"in that moment {number}")
        world.offer(ANNA)
    world.settle()
    assert world.rulings == ["anna"]
    erased = world.account().erased["anna"]
    assert world.log.key_id(PERSON) != erased.key_id
    sent = {message.time_ms for message in world.shown if message.sender == "anna"}
    for stream, sent_ms in seen(world):
        words = [
            world.log.body(record.seq)
            for record in world.log.read_stream(stream)
            if isinstance(record.event, MessageSeen) and record.event.sent_ms == sent_ms
        ]
        assert (words == [None]) == (sent_ms <= erased.until_ms)
        sent.discard(sent_ms)
    assert all(sent_ms <= erased.until_ms for sent_ms in sent), "a later one was missed"


def test_the_cutoff_reaches_as_far_as_the_newest_message_that_is_known() -> None:
    world = acquainted(1)
    world.say(ANNA, "anna", "from tomorrow", -24 * HOUR_MS)
    world.settle()
    newest = max(message.time_ms for message in world.shown)
    world.forget("anna")
    world.settle()
    assert world.account().erased["anna"].until_ms == newest


def test_a_crash_between_the_erasure_and_the_end_of_the_key_is_made_good() -> None:
    world = acquainted(4)
    world.say(ANNA, "anna", "from tomorrow", -24 * HOUR_MS)
    world.settle()
    world.forget("anna")
    while not world.account().erased:
        world.step()
    assert world.log.key_id(PERSON) == world.account().erased["anna"].key_id
    world.crash()
    world.settle()
    assert world.log.key_id(PERSON) != world.account().erased["anna"].key_id
    assert max(seen(world).values()) == 1


@pytest.mark.parametrize("seed", range(25))
def test_a_turn_begun_before_a_crash_is_not_asked_about_words_that_are_gone(seed: int) -> None:
    world = acquainted(seed)
    world.say(ANNA, "anna", "in that moment")
    world.offer(ANNA)
    for _ in range(world.random.randint(0, 6)):
        world.step()
    world.forget("anna")
    while not world.account().erased:
        world.step()
    for _ in range(world.random.randint(0, 6)):
        world.step()
    world.crash()
    world.settle()
    recorded = {
        record.version: record for record in world.log.read_stream(conversation_stream(ANNA))
    }
    for record in recorded.values():
        if isinstance(record.event, AgentReplied) and world.log.body(record.seq) is not None:
            turn = recorded[record.event.turn].event
            assert isinstance(turn, Dispatched)
            words = [world.log.body(recorded[message].seq) for message in turn.messages]
            assert None not in words, "an answer to words that were given up is kept"


@pytest.mark.parametrize("seed", range(25))
def test_nothing_that_waits_is_asked_while_the_erasure_is_under_way(seed: int) -> None:
    world = acquainted(seed)
    for number in range(3):
        world.say(TEAM, "anna", f"from tomorrow {number}", -24 * HOUR_MS)
        world.say(TEAM, "ben", f"today {number}")
        world.offer(TEAM)
    for _ in range(world.random.randint(0, 12)):
        world.step()
    world.forget("anna")
    world.settle()
    events = [record.event for record in world.log.read_stream(conversation_stream(TEAM))]
    heard = [getattr(event, "reason", "") == "erased" for event in events]
    later = events[heard.index(True) :] if any(heard) else []
    assert not [
        event for event in later if isinstance(event, Dispatched) and event.sender == "anna"
    ]


def test_forgetting_twice_at_once_is_forgetting_once() -> None:
    world = acquainted(2)
    world.forget("anna")
    world.forget("anna")
    world.settle()
    assert world.rulings == ["anna", "anna"]


@pytest.mark.parametrize("seed", range(20))
def test_conversations_that_break_do_not_hold_up_the_erasure(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> list[Draft]:
        raise ZeroDivisionError("this conversation can't ever look at its standing")

    world = acquainted(seed)
    monkeypatch.setattr("actors.conversation.decide_policy_context", breaks)
    world.say(ANNA, "anna", "four")
    world.offer(ANNA)
    world.forget("anna")
    for _ in range(3_000):
        world.step()
    assert world.rulings == ["anna"]
    assert world.log.key_id(PERSON) is None


PAIRING = AccountPolicy("bot", dm_policy="pairing")


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_a_stranger_who_was_forgotten_gets_a_new_code(seed: int, *, crashes: bool) -> None:
    world = World(seed, PAIRING)
    world.settle()
    world.say(ANNA, "anna", "let me in")
    world.offer(ANNA)
    for _ in range(world.random.randint(0, 30)):
        world.step()
    world.forget("anna")
    for _ in range(world.random.randint(0, 30)):
        world.step()
    if crashes:
        world.crash()
    world.settle()
    world.say(ANNA, "anna", "let me in, please")
    world.settle()
    request = world.account().requests["anna"]
    assert world.log.body(request.seq), "a request whose code nobody can read"
    world.rule("approve", "anna")
    world.settle()
    world.say(ANNA, "anna", "thank you")
    world.settle()
    assert [event.sender for event in events(world, Dispatched)] == ["anna"]


@pytest.mark.parametrize("seed", range(60))
def test_a_strangers_request_ends_with_an_erasure_that_a_crash_interrupted(seed: int) -> None:
    world = World(seed, PAIRING)
    while world.step():
        pass
    world.say(ANNA, "anna", "let me in")
    world.offer(ANNA)
    for _ in range(world.random.randint(0, 15)):
        world.step()
    world.forget("anna")
    while "anna" not in world.account().erased:
        assert world.step()
    world.crash()
    for _ in range(400):
        world.step()
    assert world.log.key_id(PERSON) != world.account().erased["anna"].key_id
    request = world.account().requests.get("anna")
    assert request is None, "a code for a message that was given up"


def events(world: World, kind: type[Any]) -> list[Any]:
    return [record.event for record in world.log.read() if isinstance(record.event, kind)]
