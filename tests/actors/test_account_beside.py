"""The account is an aggregate beside its conversations: on nobody's road, asked only for codes."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.messages import CursorReached
from events.account.events import PairingRequested
from events.account.pairing import PENDING_LIMIT
from events.conversation.events import (
    AgentReplied,
    Dispatched,
    MessageQueued,
    MessageSeen,
    PolicyDecided,
    ReplySent,
    TurnCancelled,
)
from events.event import Event
from events.policy.account_policy import AccountPolicy
from events.streams import GroupId, PeerId, account_stream, conversation_stream
from tests.actors.simulation import ACCOUNT, World

OPEN = AccountPolicy("bot", dm_policy="allow")
GROUPS = AccountPolicy(
    "bot", dm_policy="allow", enable_groups=True, group_policy="open", require_mention=False
)
ALICE = PeerId(ACCOUNT, "alice")
TEAM = GroupId(ACCOUNT, "ben", "team")


def of(world: World, conversation: PeerId | GroupId, kind: type[Event]) -> list[Any]:
    events = (record.event for record in world.log.read_stream(conversation_stream(conversation)))
    return [event for event in events if isinstance(event, kind)]


def hold_commits_of_the_account(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> list[Callable[[], None]]:
    """From now on what the account appends is put into this list, and goes no further."""
    held: list[Callable[[], None]] = []
    append = world.log.append

    def hold(drafts: Any, *, expected: Any, then: Any) -> None:
        if account_stream(ACCOUNT) in expected:
            held.append(lambda: append(drafts, expected=expected, then=then))
        else:
            append(drafts, expected=expected, then=then)

    monkeypatch.setattr(world.log, "append", hold)
    return held


@pytest.mark.parametrize("seed", range(10))
def test_arrivals_answers_and_sends_do_not_wait_for_an_account_that_commits(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed, OPEN)
    world.say(ALICE, "alice", "hello")
    world.settle()
    held = hold_commits_of_the_account(world, monkeypatch)
    world.tell(account_stream(ACCOUNT), CursorReached(world.now_ms, ()))
    for number in range(3):
        world.say(ALICE, "alice", f"and now {number}")
        world.offer(ALICE)
        while world.step():
            world.now_ms += 1
    assert held, "the account had nothing to commit"
    assert len(of(world, ALICE, AgentReplied)) > 1
    assert len(of(world, ALICE, ReplySent)) == len(of(world, ALICE, AgentReplied))
    assert len(of(world, ALICE, MessageSeen)) == 4


@pytest.mark.parametrize("seed", range(20))
def test_a_new_members_first_message_is_not_judged_by_the_old_list(seed: int) -> None:
    world = World(seed, GROUPS)
    world.members["ben", "team"] = frozenset({"ben"})
    world.say(TEAM, "ben", "hello")
    world.settle()
    world.members["ben", "team"] = frozenset({"ben", "zoe"})
    world.say(TEAM, "zoe", "I am new here")
    world.offer(TEAM)
    world.settle()
    assert [event.action for event in of(world, TEAM, PolicyDecided)] == ["process", "process"]


def test_nobody_is_served_after_their_revocation_was_answered() -> None:
    """Whichever of the many orders: some of these messages come before the revocation, and are
    answered; some come between its record and the moment at which the conversation knows."""
    rounds = [revoked_while_writing(seed) for seed in range(200)]
    assert any(served for served, _ in rounds)
    assert not [seed for seed, (_, after) in enumerate(rounds) if after]


def revoked_while_writing(seed: int) -> tuple[int, int]:
    """How many turns began once the revocation was asked for; how many after it was answered."""
    world = World(seed, AccountPolicy("bot", dm_policy="pairing"))
    world.say(ALICE, "alice", "hello")
    world.settle()
    world.rule("approve", "alice")
    world.settle()
    before = world.log.head().seq
    world.rule("revoke", "alice")
    for number in range(3):
        world.say(ALICE, "alice", f"and now {number}")
        world.offer(ALICE)
        for _ in range(world.random.randint(0, 4)):
            world.step()
    world.settle()
    answered = world.heads_at_rulings[-1]
    records = world.log.read_stream(conversation_stream(ALICE))
    turns = [record.seq for record in records if isinstance(record.event, Dispatched)]
    return sum(turn > before for turn in turns), sum(turn > answered for turn in turns)


@pytest.mark.parametrize("seed", range(20))
def test_strangers_who_ask_at_the_same_time_get_no_more_codes_than_the_limit(seed: int) -> None:
    world = World(seed, AccountPolicy("bot", dm_policy="pairing"))
    strangers = [PeerId(ACCOUNT, name) for name in ("anna", "ben", "carl", "dora", "eve")]
    for stranger in strangers:
        world.say(stranger, stranger.name, "let me in")
    for stranger in strangers:
        world.offer(stranger)
    world.settle()
    requested = [
        record.event
        for record in world.log.read_stream(account_stream(ACCOUNT))
        if isinstance(record.event, PairingRequested)
    ]
    codes = [len(of(world, stranger, MessageQueued)) for stranger in strangers]
    assert len(requested) == sum(codes) == PENDING_LIMIT
    assert max(codes) == 1


def test_the_next_message_after_a_request_has_expired_gets_a_new_code() -> None:
    """Though the account has not looked at the time since."""
    world = World(1, AccountPolicy("bot", dm_policy="pairing"))
    world.say(ALICE, "alice", "let me in")
    world.settle()
    world.now_ms += 2 * 3_600_000
    world.say(ALICE, "alice", "let me in, please")
    world.offer(ALICE)
    while world.step():
        world.now_ms += 1
    assert len(of(world, ALICE, MessageQueued)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_a_groups_interrupted_turn_waits_until_its_members_are_known(seed: int) -> None:
    world = World(seed, GROUPS)
    world.members["ben", "team"] = frozenset({"ben", "zoe"})
    run_dry(world)
    world.say(TEAM, "zoe", "hello")
    world.offer(TEAM)
    while not of(world, TEAM, Dispatched):
        assert world.step()
    asked_before = world.asked.copy()
    world.crash()
    run_dry(world)
    assert world.asked == asked_before, "asked before the members were known"
    world.members["ben", "team"] = frozenset({"ben"})
    world.settle()
    assert [event.reason for event in of(world, TEAM, TurnCancelled)] == ["revoked"]
    assert not of(world, TEAM, AgentReplied)


def run_dry(world: World) -> None:
    """Let everything happen that needs nothing new from the mesh."""
    while world.step():
        world.now_ms += 1
