"""The machine's clock is set back, or far ahead, at every single step of a scenario: nothing is
lost, nothing is repeated, and nobody waits for the clock to be right again."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from events.account.events import PairingExpired, PersonErased
from events.conversation.events import (
    AgentFailed,
    MessageDeadLettered,
    MessageIgnored,
    PolicyDecided,
)
from events.event import Event
from events.policy.account_policy import AccountPolicy
from events.streams import PeerId, conversation_stream
from tests.actors.simulation import ACCOUNT, World
from tests.actors.test_every_crash_point import SCENARIOS, STEPS_BETWEEN, check_pairing
from tests.actors.test_simulation import OPEN, check

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
STEPS_MS = [-60 * DAY_MS, -DAY_MS, -HOUR_MS, HOUR_MS, 2 * DAY_MS, 60 * DAY_MS]
ALICE = PeerId(ACCOUNT, "alice")
MINUTES_MS = 5 * 60_000
"""More than any pause, and less than any step."""


def play(name: str, at: int, then: Callable[[World], None]) -> World:
    """Play a scenario; after `at` steps, `then` happens to the world."""
    policy, acts, trouble = SCENARIOS[name]
    world = World(1, policy, fail_asks=trouble, lose_posts=trouble)
    steps = 0
    for act in acts:
        act(world)
        for _ in range(STEPS_BETWEEN):
            if steps == at:
                then(world)
            if not world.step():
                break
            steps += 1
            world.now_ms += 1
    world.settle()
    return world


def clock_set(by_ms: int) -> Callable[[World], None]:
    def step(world: World) -> None:
        world.clock_off_ms += by_ms

    return step


def clock_set_and_killed(by_ms: int) -> Callable[[World], None]:
    def step(world: World) -> None:
        world.clock_off_ms += by_ms
        world.crash()

    return step


@pytest.mark.parametrize("by_ms", STEPS_MS)
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "pairing"])
def test_everything_is_answered_once_whenever_the_clock_is_set(name: str, by_ms: int) -> None:
    for at in range(0, 90, 6):
        check_soon(play(name, at, clock_set(by_ms)))
        check_soon(play(name, at, clock_set_and_killed(by_ms)))


def check_soon(world: World) -> None:
    check(world)
    lasted_ms = world.now_ms - min(message.available_ms for message in world.shown)
    assert lasted_ms < MINUTES_MS, "it waited for the clock"
    assert not of_kind(world, MessageIgnored), "too late by the machine's clock alone"


@pytest.mark.parametrize("by_ms", [step for step in STEPS_MS if step < 0])
def test_a_stranger_gets_one_code_and_one_notice_whenever_the_clock_is_set_back(by_ms: int) -> None:
    for at in range(0, 90, 6):
        check_pairing(play("pairing", at, clock_set(by_ms)))
        check_pairing(play("pairing", at, clock_set_and_killed(by_ms)))


def of_kind(world: World, kind: type[Event]) -> list[Event]:
    return [record.event for record in world.log.read() if isinstance(record.event, kind)]


def begun(policy: AccountPolicy = OPEN, **options: Any) -> World:
    """A world whose daemon has nothing left to do."""
    world = World(1, policy, **options)
    world.settle()
    return world


def says(world: World, text: str) -> None:
    world.say(ALICE, "alice", text)
    world.offer(ALICE)


def go_on_for(world: World, ms: int) -> None:
    """Whatever happens within so much true time."""
    until_ms = world.now_ms + ms
    while world.now_ms < until_ms:
        if not world.step():
            world.now_ms += 1_000
            world.actors.tick()
        world.now_ms += 1


@pytest.mark.parametrize("by_ms", STEPS_MS)
def test_a_pause_after_a_failure_lasts_as_long_whatever_the_clock_says(by_ms: int) -> None:
    world = begun(fail_asks=1.0)
    says(world, "hello")
    while not of_kind(world, AgentFailed):
        assert world.step()
    world.fail_asks = 0.0
    world.clock_off_ms += by_ms
    began_ms = world.now_ms
    world.settle()
    check(world)
    assert world.now_ms - began_ms < MINUTES_MS


@pytest.mark.parametrize("by_ms", STEPS_MS)
def test_a_budget_is_given_again_after_its_window_though_the_clock_was_wrong_for_a_while(
    by_ms: int,
) -> None:
    """The turns of that time bear a wrong time, and so do those after it."""
    policy = replace(OPEN, turn_budget=2, turn_window_s=600)
    world = begun(policy)
    world.clock_off_ms = by_ms
    for number in range(2):
        says(world, f"while it is wrong {number}")
        world.settle()
    world.clock_off_ms = 0
    go_on_for(world, 700_000)
    for number in range(2):
        says(world, f"when it is right {number}")
        world.settle()
    assert not of_kind(world, MessageDeadLettered)
    says(world, "one too many")
    world.settle()
    assert len(of_kind(world, MessageDeadLettered)) == 1


@pytest.mark.parametrize("by_ms", STEPS_MS)
def test_a_code_is_valid_for_its_hour_though_the_clock_was_set_right(by_ms: int) -> None:
    world = begun(AccountPolicy("bot", dm_policy="pairing"))
    world.clock_off_ms = by_ms
    says(world, "let me in")
    world.settle()
    world.clock_off_ms = 0
    go_on_for(world, HOUR_MS // 2)
    assert ALICE.name in world.account().requests
    if by_ms > 0:  # set ahead it would end the hour, as a step ahead can't be told from a pause
        go_on_for(world, HOUR_MS)
        assert of_kind(world, PairingExpired)


@pytest.mark.parametrize("by_ms", STEPS_MS)
def test_what_was_written_while_the_daemon_was_down_is_answered_whatever_the_clock_says(
    by_ms: int,
) -> None:
    world = begun()
    says(world, "hello")
    world.settle()
    world.now_ms += 3 * HOUR_MS
    world.say(ALICE, "alice", "are you there?")
    world.clock_off_ms = by_ms
    world.crash()
    world.settle()
    check(world)


def test_what_is_too_late_by_the_hubs_clock_too_is_not_answered() -> None:
    world = begun()
    says(world, "hello")
    world.settle()
    world.say(ALICE, "alice", "are you there?")
    world.now_ms += 2 * DAY_MS
    world.crash()
    world.say(PeerId(ACCOUNT, "ben"), "ben", "by which the hub's clock is known")
    world.settle()
    ignored = of_kind(world, MessageIgnored)
    assert [event.reason for event in ignored if isinstance(event, MessageIgnored)] == ["too-late"]


@pytest.mark.parametrize("by_ms", STEPS_MS)
def test_who_was_forgotten_while_the_clock_was_wrong_is_heard_again_soon(by_ms: int) -> None:
    world = begun()
    says(world, "hello")
    world.settle()
    world.clock_off_ms = by_ms
    world.forget("alice")
    world.settle()
    world.clock_off_ms = 0
    world.now_ms += DAY_MS + HOUR_MS
    says(world, "it's me again")
    world.settle()
    assert world.log.seen(world.identity_of(world.shown[-1]))
    assert len(of_kind(world, PersonErased)) == 1


def test_the_record_never_goes_back_and_never_stands_still() -> None:
    world = begun()
    for number, by_ms in enumerate([*STEPS_MS, *reversed(STEPS_MS)]):
        world.clock_off_ms += by_ms
        says(world, f"message {number}")
        world.settle()
    assert is_rising(record.time for record in world.log.read())
    turns = [record.time for record in world.log.read() if isinstance(record.event, PolicyDecided)]
    assert len(set(turns)) == len(turns)


def is_rising(times: Iterable[int]) -> bool:
    found = [*times]
    return found == sorted(found)


def test_what_waits_in_a_conversation_is_looked_at_again_long_before_its_time() -> None:
    """Whatever time it was told to wait for."""
    world = begun()
    stream = conversation_stream(ALICE)
    says(world, "hello")
    world.settle()
    began_ms = world.now_ms
    world.wake(stream, world.record_ms() + DAY_MS)
    while world.step():
        pass
    assert world.now_ms - began_ms <= 30_000
