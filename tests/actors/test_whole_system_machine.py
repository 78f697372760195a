"""The whole system under a machine that looks for an order of things that breaks a promise.

What happens is hypothesis' choice: what is said, when it is read, how far the system comes, when it
is killed, what fails, what the operator rules, and how the configuration changes. It shrinks what
it finds to the few steps that matter.
"""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from actors.messages import Tick
from events.account_events import PairingApproved, PolicyApplied
from events.conversation_events import (
    AgentReplied,
    Dispatched,
    MessageIgnored,
    MessageQueued,
    MessageSeen,
    MessageSetAside,
    PolicyDecided,
    ReplySent,
    TurnCancelled,
    WatermarkAdvanced,
)
from events.event import Recorded
from events.gateway import GatewayStarted
from events.outbox import wire_id
from events.policy import AccountPolicy, GroupPermission
from events.streams import GATEWAY, Group, Peer, account_stream, parse_stream
from store.audit.judge import Judge
from tests.actors.simulation import ACCOUNT, World

PEOPLE = ("anna", "ben", "eve")
TEAM = Group(ACCOUNT, "anna", "team")
DAY_MS = 86_400_000

people = st.sampled_from(PEOPLE)
names = st.lists(people, unique=True, max_size=2).map(tuple)
permissions = st.builds(
    GroupPermission,
    creator=st.just(TEAM.creator),
    group=st.just(TEAM.group),
    group_policy=st.sampled_from(["open", "disabled", "allowlist"]),
    require_mention=st.booleans(),
    allow_from=names,
)
open_to_all = st.just(
    AccountPolicy(
        "bot", dm_policy="allow", enable_groups=True, group_policy="open", require_mention=False
    )
)
policies = open_to_all | st.builds(
    AccountPolicy,
    username=st.just("bot"),
    dm_policy=st.sampled_from(["allow", "deny", "pairing"]),
    allow_from=names,
    enable_groups=st.booleans(),
    group_policy=st.sampled_from(["open", "disabled", "allowlist"]),
    require_mention=st.booleans(),
    creator_bypass=st.booleans() | names,
    group_permissions=st.lists(permissions, max_size=1).map(tuple),
    turn_budget=st.sampled_from([1, 2, 100]),
    attempts=st.integers(1, 3),
    apology=st.sampled_from(["", "sorry"]),
)
texts = st.sampled_from(["hello", "@bot hello", "@botany hello", " "])


@pytest.fixture(autouse=True)
def _snapshot_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.event_sourced.SNAPSHOT_EVERY", 5)


class WholeSystem(RuleBasedStateMachine):
    """One account's daemon and what may happen around it."""

    world: World

    @initialize(seed=st.integers(0, 2**32), policy=policies)
    def begin(self, seed: int, policy: AccountPolicy) -> None:
        self.world = World(seed, policy)

    # People

    @rule(person=people, text=texts, late_ms=st.sampled_from([0, 5_000, 3 * DAY_MS]))
    def somebody_writes_to_the_bot(self, person: str, text: str, late_ms: int) -> None:
        self.world.say(Peer(ACCOUNT, person), person, text, late_ms)
        self.world.offer(Peer(ACCOUNT, person))

    @rule(person=people, text=texts, late_ms=st.sampled_from([0, 5_000]))
    def somebody_writes_to_the_group(self, person: str, text: str, late_ms: int) -> None:
        self.world.say(TEAM, person, text, late_ms)

    @rule(members=st.none() | st.frozensets(people))
    def the_group_has_members(self, members: frozenset[str] | None) -> None:
        if members is None:
            self.world.members.pop((TEAM.creator, TEAM.group), None)
        else:
            self.world.members[TEAM.creator, TEAM.group] = members

    # The operator

    @rule(kind=st.sampled_from(["approve", "deny", "revoke"]), person=people)
    def the_operator_rules(self, kind: str, person: str) -> None:
        self.world.rule(kind, person)

    @rule(policy=policies)
    def the_configuration_changes(self, policy: AccountPolicy) -> None:
        """It is read at start."""
        self.world.policy = policy
        self.world.crash()

    # The system

    @rule(steps=st.integers(1, 60))
    def it_goes_on(self, steps: int) -> None:
        """Each step is one of those that could be next, drawn from the seed."""
        for _ in range(steps):
            if not self.world.step():
                break
            self.world.now_ms += 1

    @precondition(lambda self: self.world.shown)
    @rule(data=st.data())
    def a_conversation_is_read(self, data: st.DataObject) -> None:
        chats = list(dict.fromkeys(one.conversation for one in self.world.shown))
        self.world.offer(data.draw(st.sampled_from(chats)))

    @rule(steps=st.integers(0, 60))
    def it_is_killed(self, steps: int) -> None:
        self.it_goes_on(steps)
        self.world.crash()

    @rule(pause_ms=st.sampled_from([1_000, 60_000, DAY_MS // 12, 2 * DAY_MS]))
    def time_passes(self, pause_ms: int) -> None:
        self.world.now_ms += pause_ms
        self.world.tell(GATEWAY, Tick())

    @rule(share=st.sampled_from([0.0, 0.5, 1.0]))
    def the_agent_fails(self, share: float) -> None:
        self.world.fail_asks = share

    @rule(share=st.sampled_from([0.0, 0.5]))
    def the_mesh_loses_messages(self, share: float) -> None:
        self.world.lose_posts = share

    @rule()
    def the_snapshots_are_lost(self) -> None:
        self.world.snapshots.clear()

    # What must hold in the end

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.fail_asks = world.lose_posts = 0.0
        world.members.setdefault((TEAM.creator, TEAM.group), frozenset(PEOPLE))
        world.settle()
        events = list(world.log.read())
        check_that_all_is_recorded_once(world, events)
        check_that_all_would_be_decided_so_again(world, events)
        check_that_only_who_is_let_in_is_served(events)
        assert list(world.log.open_work()) == []
        for stream in world.log.streams(f"{account_stream(ACCOUNT)}/"):
            check_conversation(world, stream)
        if Counter(type(one.event) for one in events)[GatewayStarted] == 1:
            assert set(world.asked.values()) <= {1}, "asked again without a reason"


def check_that_all_is_recorded_once(world: World, events: list[Recorded]) -> None:
    found = Counter(
        one.event.identity for one in events if isinstance(one.event, MessageSeen | MessageIgnored)
    )
    assert found == Counter({world.identity_of(one) for one in world.shown})


def check_that_all_would_be_decided_so_again(world: World, events: list[Recorded]) -> None:
    streams = list(world.log.streams())
    judge = Judge(world.log, streams.__getitem__, before=1, words=True)
    for one in events:
        stream, event = streams.index(one.stream), one.event
        judge.learn(stream, one.version, event)
        if isinstance(event, MessageSeen):
            judge.seen(stream, one.version, event, world.log.body(one.seq))
        elif isinstance(event, PolicyDecided):
            assert judge.decided(stream, event) is None


def check_that_only_who_is_let_in_is_served(events: list[Recorded]) -> None:
    """In direct chats: by the policy in force, or by a pairing that was approved before."""
    policy, approved = AccountPolicy("bot"), set()
    for one in events:
        match parse_stream(one.stream), one.event:
            case _, PolicyApplied(policy=applied):
                policy = applied
            case _, PairingApproved(person=person):
                approved.add(person)
            case Peer(_, name), Dispatched():
                listed = name in policy.allow_from or policy.dm_policy == "allow"
                assert listed or name in approved, f"{name} was not let in"


def check_conversation(world: World, stream: str) -> None:
    """Each message let in is dispatched or set aside, once; each turn ends; each word is sent; the
    watermark is where the newest message is."""
    events = list(world.log.read_stream(stream))

    def of(kind: type[Any]) -> list[tuple[int, Any]]:
        return [(one.version, one.event) for one in events if isinstance(one.event, kind)]

    decided = [event for _, event in of(PolicyDecided)]
    aside = {event.message for _, event in of(MessageSetAside)}
    undecided = aside - {one.message for one in decided}  # their group was unknown for too long
    judged = Counter(one.message for one in decided) + Counter(undecided)
    assert judged == Counter(at for at, _ in of(MessageSeen))
    let_in = {one.message for one in decided if one.action == "process"}
    dispatched = Counter(message for _, turn in of(Dispatched) for message in turn.messages)
    aside -= undecided
    assert set(dispatched.values()) <= {1}
    assert set(dispatched) | aside == let_in
    replied = Counter(event.turn for _, event in of(AgentReplied))
    cancelled = {event.turn for _, event in of(TurnCancelled)}
    assert set(replied.values()) <= {1}
    assert not cancelled & set(replied)
    answered = {m for at, turn in of(Dispatched) if at in replied for m in turn.messages}
    assert not answered & aside
    assert answered | aside == let_in
    newest = max((event.sent_ms for _, event in of(MessageSeen)), default=0)
    assert max((event.position for _, event in of(WatermarkAdvanced)), default=0) >= newest
    queued = [(at, wire_id(world.log.log_id, at, event)) for at, event in of(MessageQueued)]
    assert [event.queued for _, event in of(ReplySent)] == [at for at, _ in queued]
    assert [wire for where, wire in world.files if where == stream] == [wire for _, wire in queued]


TestWholeSystem = WholeSystem.TestCase
TestWholeSystem.settings = settings(
    max_examples=400,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
