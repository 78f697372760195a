"""A crash at every single step of a scenario, one run each: the promises hold after all of them.

A step is whatever can happen next: a handler's turn, an append becoming durable (or not, or durable
with nobody told), a look, a post, an answer. So between any two effects there is a crash point.
"""

from collections.abc import Callable

import pytest

from events.conversation.events import MessageQueued
from events.policy.account_policy import AccountPolicy
from events.streams import GroupId, PeerId, conversation_stream
from tests.actors.simulation import ACCOUNT, World
from tests.actors.test_simulation import OPEN, check, purposes

ALICE = PeerId(ACCOUNT, "alice")
TEAM = GroupId(ACCOUNT, "alice", "team")

Act = Callable[[World], None]


def says(text: str) -> Act:
    return lambda world: world.say(ALICE, "alice", text)


def to_team(text: str) -> Act:
    return lambda world: world.say(TEAM, "alice", text)


def shows(world: World) -> None:
    for conversation in dict.fromkeys(message.conversation for message in world.shown):
        world.offer(conversation)


def knows_members(world: World) -> None:
    world.members["alice", "team"] = frozenset({"alice"})


def approves(world: World) -> None:
    world.rule("approve", "alice")


CONVERSATION = [says("one"), shows, says("two"), says("three"), shows]
GROUP = [to_team("@bot hello"), shows, knows_members, shows]
PAIRING = [says("let me in"), shows, approves, says("thanks"), shows]

SCENARIOS: dict[str, tuple[AccountPolicy, list[Act], float]] = {
    "conversation": (OPEN, CONVERSATION, 0.0),
    "failing agent and lost posts": (OPEN, CONVERSATION, 0.4),
    "group": (OPEN, GROUP, 0.0),
    "pairing": (AccountPolicy("bot", dm_policy="pairing"), PAIRING, 0.0),
}

STEPS_BETWEEN = 40


def play(name: str, seed: int, crash_at: int | None) -> tuple[World, int]:
    """Play a scenario, killed after `crash_at` steps; the world and how many steps there were."""
    policy, acts, trouble = SCENARIOS[name]
    world = World(seed, policy, fail_asks=trouble, lose_posts=trouble)
    steps = 0
    for act in acts:
        act(world)
        for _ in range(STEPS_BETWEEN):
            if steps == crash_at:
                world.crash()
            if not world.step():
                break
            steps += 1
            world.now_ms += 1
    world.settle()
    return world, steps


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_or_repeated_whatever_step_it_is_killed_at(name: str, seed: int) -> None:
    world, steps = play(name, seed, crash_at=None)
    assert steps > 30
    for crash_at in range(steps):
        world, _ = play(name, seed, crash_at)
        assert world.crashes == 1
        check(world) if name != "pairing" else check_pairing(world)


def check_pairing(world: World) -> None:
    """The code is sent once; the approval, if it was durable, is announced once."""
    sent = purposes(world, conversation_stream(ALICE))
    assert sent.count("pairing") == 1
    approved = "alice" in world.account().approvals
    assert sent.count("approved") == int(approved)
    queued = [
        record.version
        for record in world.log.read_stream(conversation_stream(ALICE))
        if isinstance(record.event, MessageQueued)
    ]
    assert len(world.files) == len(queued)
    assert list(world.log.open_work()) == []
