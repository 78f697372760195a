"""The promises, under any interleaving of arrivals, failures, crashes and rulings."""

from collections import Counter

import pytest

from events.conversation.events import (
    AgentReplied,
    Dispatched,
    MessageIgnored,
    MessageQueued,
    MessageSeen,
    PolicyDecided,
    ReplySent,
)
from events.conversation.outbox import wire_id
from events.conversation.state import fold
from events.policy.account_policy import AccountPolicy
from events.streams import ConversationId, GroupId, PeerId, conversation_stream
from tests.actors.simulation import ACCOUNT, World, peers

OPEN = AccountPolicy(
    "bot", dm_policy="allow", enable_groups=True, group_policy="open", attempts=1_000
)
PAIRING = AccountPolicy("bot", dm_policy="pairing", enable_groups=True, group_policy="open")
TEAM = GroupId(ACCOUNT, "anna", "team")


@pytest.fixture(autouse=True)
def _snapshot_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.runtime.event_sourced.SNAPSHOT_EVERY", 5)


def mix(world: World, steps: int, crash: float) -> None:
    """Traffic of three people in direct chats and a group, with crashes."""
    conversations: list[ConversationId] = [*peers("abc"), TEAM]
    for number in range(steps):
        draw = world.random.random()
        if draw < 0.03:
            conversation = world.random.choice(conversations)
            sender = world.random.choice("abc")
            if isinstance(conversation, PeerId):
                sender = conversation.name
            late_ms = world.random.choice([0, 0, 0, 5_000])
            world.say(conversation, sender, f"@bot message {number}", late_ms)
        elif draw < 0.1 and world.shown:
            world.offer(world.random.choice(world.shown).conversation)
        elif draw < 0.11:
            world.members[TEAM.creator, TEAM.group] = frozenset("abc")
        elif draw < 0.11 + crash:
            world.crash()
        else:
            world.step()
        world.now_ms += 1
    world.members[TEAM.creator, TEAM.group] = frozenset("abc")
    world.settle()


def check(world: World) -> None:
    """Seen = decided = answered, once each, in order."""
    note = f"seed {world.seed}, {world.crashes} crashes"
    seen: dict[bytes, tuple[str, int]] = {}
    for recorded in world.log.read():
        if isinstance(recorded.event, MessageSeen | MessageIgnored):
            assert recorded.event.identity not in seen, f"{note}: recorded twice"
            seen[recorded.event.identity] = (recorded.stream, recorded.version)
    assert set(seen) == {world.identity_of(message) for message in world.shown}, note
    assert list(world.log.open_work()) == [], note
    for stream in world.log.streams("account/"):
        if stream != f"account/{ACCOUNT}":
            check_conversation(world, stream, note)


def check_conversation(world: World, stream: str, note: str) -> None:
    events = list(world.log.read_stream(stream))
    assert fold(events).at_rest, note
    decided = Counter(e.event.message for e in events if isinstance(e.event, PolicyDecided))
    messages = [e.version for e in events if isinstance(e.event, MessageSeen)]
    assert decided == Counter(messages), note
    turns = [e.version for e in events if isinstance(e.event, Dispatched)]
    dispatched = [
        message for e in events if isinstance(e.event, Dispatched) for message in e.event.messages
    ]
    allowed = [
        e.event.message
        for e in events
        if isinstance(e.event, PolicyDecided) and e.event.action == "process"
    ]
    assert sorted(dispatched) == sorted(allowed), note
    replied = [e.event.turn for e in events if isinstance(e.event, AgentReplied)]
    assert replied == turns, f"{note}: turns overlap or lack an answer"
    ids = {
        e.version: wire_id(world.log.log_id, e.version, e.event)
        for e in events
        if isinstance(e.event, MessageQueued)
    }
    queued = list(ids)
    sent = [e.event.queued for e in events if isinstance(e.event, ReplySent)]
    assert sent == queued, f"{note}: sent out of order, or not all"
    in_files = [wire for of, wire in world.files if of == stream]
    assert in_files == list(ids.values()), note


@pytest.mark.parametrize("seed", range(60))
def test_everything_is_answered_once_whatever_the_order(seed: int) -> None:
    world = World(seed, OPEN, fail_asks=0.1, lose_posts=0.1)
    mix(world, 700, crash=0.0)
    check(world)


@pytest.mark.parametrize("seed", range(120))
def test_everything_is_answered_once_whenever_it_is_killed(seed: int) -> None:
    world = World(seed, OPEN, fail_asks=0.1, lose_posts=0.1)
    mix(world, 700, crash=0.02)
    check(world)


@pytest.mark.parametrize("seed", range(20))
def test_an_answer_is_asked_for_again_only_when_its_turn_was_cut_off(seed: int) -> None:
    world = World(seed, OPEN, fail_asks=0.3)
    mix(world, 500, crash=0.0)
    assert set(world.asked.values()) <= {1}
    check(world)


@pytest.mark.parametrize("seed", range(40))
def test_a_stranger_is_given_one_code_and_told_once_of_the_approval(seed: int) -> None:
    world = World(seed, PAIRING, lose_posts=0.1)
    peer = PeerId(ACCOUNT, "eve")
    for number in range(200):
        if number % 40 == 0:
            world.say(peer, "eve", f"let me in {number}")
        if number % 10 == 0:
            world.offer(peer)
        if world.random.random() < 0.05:
            world.crash()
        world.step()
    world.settle()
    stream = conversation_stream(peer)
    assert purposes(world, stream) == ["pairing"]
    world.rule("approve", "eve")
    for _ in range(100):
        world.step()
        if world.random.random() < 0.05:
            world.crash()
    world.settle()
    if "eve" not in world.account().approvals:  # killed before the ruling was durable
        world.rule("approve", "eve")
        world.settle()
    world.say(peer, "eve", "now then")
    world.settle()
    assert purposes(world, stream) == ["pairing", "approved", "reply"]


def test_a_fourth_stranger_gets_silence() -> None:
    world = World(1, PAIRING)
    for peer in peers("abcd"):
        world.say(peer, peer.name, "hello")
    world.settle()
    asked = [purposes(world, conversation_stream(peer)) for peer in peers("abcd")]
    assert sorted(asked) == [[], ["pairing"], ["pairing"], ["pairing"]]


def test_the_same_seed_gives_the_same_log() -> None:
    heads = []
    for _ in range(2):
        world = World(7, OPEN, fail_asks=0.1, lose_posts=0.1)
        mix(world, 500, crash=0.02)
        heads.append(world.log.head())
    assert heads[0] == heads[1]


def purposes(world: World, stream: str) -> list[str]:
    return [
        recorded.event.purpose
        for recorded in world.log.read_stream(stream)
        if isinstance(recorded.event, MessageQueued)
    ]


@pytest.mark.parametrize("seed", range(30))
def test_a_person_revoked_before_a_crash_is_not_served_after_it(seed: int) -> None:
    """The agent fails until then, so that the turn is still to be asked again."""
    world = World(seed, PAIRING, fail_asks=1.0)
    peer = PeerId(ACCOUNT, "eve")
    world.say(peer, "eve", "let me in")
    world.settle()
    world.rule("approve", "eve")
    world.settle()
    world.say(peer, "eve", "do something")
    world.offer(peer)
    for _ in range(world.random.randint(0, 40)):
        world.step()
    world.rule("revoke", "eve")
    while "eve" in world.account().approvals:
        world.step()
    world.crash()
    world.fail_asks = 0.0
    world.settle()
    assert "reply" not in purposes(world, conversation_stream(peer))
    assert list(world.log.open_work()) == []
