"""One conversation's trouble is its own: actors that fail are started again from the log."""

import gc
from collections.abc import Container, Sequence
from typing import Any

import pytest

from actors.account import AccountActor
from actors.conversation import ConversationActor
from actors.messages import Tick, Woken
from actors.runtime.event_sourced import EventSourced
from events.account.events import PairingRevoked
from events.conversation.arrivals import Arrival, decide_arrivals
from events.conversation.events import (
    AgentReplied,
    Dispatched,
    MessageDeadLettered,
    MessageIgnored,
    MessageSeen,
)
from events.event import Draft, Event
from events.policy.account_policy import AccountPolicy
from events.streams import PeerId, account_stream, conversation_stream
from tests.actors.simulation import ACCOUNT, World

OPEN = AccountPolicy("bot", dm_policy="allow")
ALICE, BOB = PeerId(ACCOUNT, "alice"), PeerId(ACCOUNT, "bob")


@pytest.fixture
def world() -> World:
    return World(1, OPEN)


def of(world: World, peer: PeerId, kind: type[Event]) -> list[Any]:
    events = (record.event for record in world.log.read_stream(conversation_stream(peer)))
    return [event for event in events if isinstance(event, kind)]


def break_on(monkeypatch: pytest.MonkeyPatch, what: str, times: int) -> None:
    """Make handlers raise on messages whose repr holds `what`."""
    original = ConversationActor.handle
    left = times

    def handle(self: ConversationActor, message: Any) -> None:
        nonlocal left
        if left and what in str(message):
            left -= 1
            raise RuntimeError("broken on purpose")
        original(self, message)

    monkeypatch.setattr(ConversationActor, "handle", handle)


@pytest.mark.parametrize("seed", range(40))
def test_a_ruling_in_the_moment_of_a_failure_is_heard(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed, AccountPolicy("bot", dm_policy="pairing"))
    world.say(ALICE, "alice", "hello")
    world.settle()
    break_on(monkeypatch, "in that moment", times=1)
    world.say(ALICE, "alice", "in that moment")
    world.offer(ALICE)
    for _ in range(world.random.randint(0, 3)):
        world.step()
    world.rule("approve", "alice")
    world.settle()
    assert world.account().approvals["alice"].announced
    world.say(ALICE, "alice", "and now")
    break_on(monkeypatch, "and now", times=1)
    world.offer(ALICE)
    for _ in range(world.random.randint(0, 6)):
        world.step()
    world.rule("revoke", "alice")
    world.settle()
    recorded = list(world.log.read())
    assert any(isinstance(record.event, PairingRevoked) for record in recorded)
    revoked = world.heads_at_rulings[-1]
    turns = [
        record
        for record in recorded
        if isinstance(record.event, Dispatched) and record.seq > revoked
    ]
    answered = {event.turn for event in of(world, ALICE, AgentReplied)}
    assert not answered & {turn.version for turn in turns}, "a person was served who was let out"


def test_a_conversation_that_can_not_be_read_holds_up_nobody_and_goes_on_when_it_can(
    world: World,
) -> None:
    world.settle()
    world.say(ALICE, "alice", "hello")
    world.unreadable.add(conversation_stream(ALICE))
    world.say(BOB, "bob", "hi")
    world.offer(ALICE)
    world.offer(BOB)
    world.forget("alice")
    for _ in range(3_000):
        world.step()
    assert world.rulings == ["alice"]
    assert len(of(world, BOB, AgentReplied)) == 1
    assert of(world, ALICE, MessageSeen) == []
    world.unreadable.clear()
    world.say(ALICE, "alice", "hello again")
    world.settle()
    assert len(of(world, ALICE, AgentReplied)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_what_an_account_is_told_while_it_fails_does_not_break_the_gateway(seed: int) -> None:
    world = World(seed, OPEN)
    for _ in range(4):
        world.tell(account_stream(ACCOUNT), "what no account can handle")
        for _ in range(world.random.randint(0, 9)):
            world.step()
        world.actors.tick()
    world.say(ALICE, "alice", "hello")
    world.settle()
    assert len(of(world, ALICE, AgentReplied)) == 1


def test_a_chance_failure_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_on(monkeypatch, "hello", times=1)
    world.say(ALICE, "alice", "hello")
    world.say(BOB, "bob", "hi")
    world.settle()
    assert len(of(world, ALICE, AgentReplied)) == len(of(world, BOB, AgentReplied)) == 1
    assert "broken on purpose" in caplog.text


def test_a_poisonous_message_is_set_aside_and_its_conversation_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(moment: Any, arrivals: Sequence[Arrival], known: Container[bytes]) -> list[Draft]:
        if any(arrival.text == "poison" for arrival in arrivals):
            raise RuntimeError("broken on purpose")
        return decide_arrivals(moment, arrivals, known)

    monkeypatch.setattr("actors.conversation.decide_arrivals", decide)
    for text in ("before", "poison", "after"):
        world.say(ALICE, "alice", text)
    world.settle()
    ignored = of(world, ALICE, MessageIgnored)
    assert [event.reason for event in ignored] == ["malformed"]
    assert len(of(world, ALICE, MessageSeen)) == 2
    assert len(of(world, ALICE, AgentReplied)) >= 1
    assert list(world.log.open_work()) == []


def test_an_unusable_answer_ends_its_turn_instead_of_being_asked_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_on(monkeypatch, "AgentAnswered", times=1_000)
    world.say(ALICE, "alice", "hello")
    world.settle()
    assert [event.reason for event in of(world, ALICE, MessageDeadLettered)] == ["agent"]
    assert sum(world.asked.values()) <= 3


def test_an_account_that_fails_is_started_again_and_its_conversations_go_on_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.say(ALICE, "alice", "one")
    world.settle()
    failed: list[Any] = []
    original = AccountActor.handle

    def handle(self: AccountActor, message: Any) -> None:
        if isinstance(message, Tick) and not failed:
            failed.append(message)
            raise RuntimeError("broken on purpose")
        original(self, message)

    monkeypatch.setattr(AccountActor, "handle", handle)
    world.actors.tick()
    world.say(ALICE, "alice", "two")
    world.settle()
    assert failed
    assert world.actors.router.restarts[account_stream(ACCOUNT)].total == 1
    assert len(of(world, ALICE, AgentReplied)) == 2


def test_idle_conversations_are_stopped_and_come_back(world: World) -> None:
    for name in "abcdef":
        world.say(PeerId(ACCOUNT, name), name, "hello")
    world.settle()
    assert live(world) > 2
    for _ in range(3):
        world.now_ms += 200_000
        world.actors.tick()
        while world.step():
            pass
    assert live(world) == 2, "only the gateway and the account stay"
    world.say(PeerId(ACCOUNT, "a"), "a", "again")
    world.settle()
    assert len(of(world, PeerId(ACCOUNT, "a"), AgentReplied)) == 2


def test_a_message_for_no_account_of_ours_harms_nobody(world: World) -> None:
    world.tell("account/other", Woken())
    world.tell("account/other/peer/x", Woken())
    world.say(ALICE, "alice", "hello")
    world.settle()
    assert len(of(world, ALICE, AgentReplied)) == 1
    assert account_stream("other") not in set(world.log.streams())


def live(world: World) -> int:
    """How many actors of the simulated daemon are alive."""
    actors = (candidate for candidate in gc.get_objects() if isinstance(candidate, EventSourced))
    return sum(
        actor.system.log is world.log and not actor.actor_stopped.is_set() for actor in actors
    )
