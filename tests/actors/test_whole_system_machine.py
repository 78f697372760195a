"""The whole actor system under anything that can happen to it: hypothesis draws what, and shrinks.

After every rule the new events of the log are read into books, which hold each against what came
before, in other words than the rules'. At the end all trouble ceases, and the books must balance.
"""

import logging
import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from actors.messages import UsersSeen
from events.conversation import state as conversation
from events.conversation.turns import Failure
from events.policy.account_policy import AccountPolicy, GroupPermission
from events.streams import (
    ConversationId,
    PeerId,
    account_stream,
    conversation_stream,
)
from tests.actors.conservation_checks import Books
from tests.actors.observed_world import TEAM, Failures, ObservedWorld
from tests.actors.simulation import ACCOUNT

SECOND_MS = 1_000
HOUR_MS = 3_600 * SECOND_MS
PEOPLE = ("anna", "ben", "eve")
TWINS = ("Anna", "BEN", "anna ", "anna\u200b")
"""Names that pass for a listed one if lists are read too forgivingly."""

SENDERS = (*PEOPLE, *TWINS)
CONVERSATIONS: tuple[ConversationId, ...] = (*(PeerId(ACCOUNT, name) for name in SENDERS), TEAM)
ALLOWED_FROM = st.sampled_from([(), ("anna",), ("ben",), ("*",)])
REQUIRES_MENTION = st.booleans()
SENDERS_OR_BOT = st.sampled_from([*SENDERS, "bot"])
TEXTS = st.sampled_from(["@bot hi", "hi", "@botany hi", "@bot, a longer word with it", " "])
SHARES = st.sampled_from([0.0, 0.5, 1.0])
STEPS = st.integers(0, 30)
RULINGS = st.sampled_from(["revoke", "approve", "deny"])
LATE_MS = st.sampled_from([0, 5 * SECOND_MS, 50 * HOUR_MS, -HOUR_MS])
GROUP_POLICIES = st.sampled_from(["open", "allowlist", "disabled"])

PERMISSIONS = st.builds(
    GroupPermission,
    creator=st.just(TEAM.creator),
    group=st.sampled_from([TEAM.group, "another"]),
    group_policy=GROUP_POLICIES,
    require_mention=REQUIRES_MENTION,
    allow_from=ALLOWED_FROM,
)
OPEN = AccountPolicy(
    "bot", dm_policy="allow", enable_groups=True, group_policy="open", require_mention=False
)
PAIRING = replace(OPEN, dm_policy="pairing")
POLICIES = st.sampled_from([OPEN, PAIRING]) | st.builds(
    AccountPolicy,
    username=st.just("bot"),
    dm_policy=st.sampled_from(["allow", "pairing", "deny"]),
    allow_from=ALLOWED_FROM,
    enable_groups=st.booleans(),
    group_policy=GROUP_POLICIES,
    require_mention=REQUIRES_MENTION,
    creator_bypass=st.sampled_from([True, False, ("anna",), ("ben",)]),
    group_permissions=st.just(()) | st.tuples(PERMISSIONS),
    attempts=st.sampled_from([5, 1, 2]),
    turn_budget=st.sampled_from([30, 1, 2]),
    max_message_chars=st.sampled_from([10_000, 20]),
    apology=st.sampled_from(["Sorry.", ""]),
    group_apology=st.sampled_from(["", "Sorry, all."]),
)


@pytest.fixture(autouse=True)
def _snapshot_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.runtime.event_sourced.SNAPSHOT_EVERY", 1)


class WholeSystem(RuleBasedStateMachine):
    """One account's daemon and what may happen around it; the order of things is drawn too."""

    world: ObservedWorld

    def __init__(self) -> None:
        super().__init__()
        self.unsound = True  # until a rule has gone well
        self.failures = Failures()
        logging.getLogger("pykka").addHandler(self.failures)

    @initialize(policy=POLICIES, chance=st.randoms(use_true_random=False))
    def begin(self, policy: AccountPolicy, chance: random.Random) -> None:
        self.world = ObservedWorld(1, policy)
        self.world.random = chance
        self.world.books = Books(self.world)
        self.world.failures = self.failures
        self.world.publish(frozenset(PEOPLE))

    # People and the mesh

    @rule(name=st.sampled_from(SENDERS), text=TEXTS, late_ms=LATE_MS)
    def somebody_writes_to_the_bot(self, name: str, text: str, late_ms: int) -> None:
        self.somebody_writes(PeerId(ACCOUNT, name), name, text, late_ms)

    @rule(sender=SENDERS_OR_BOT, text=TEXTS, late_ms=LATE_MS)
    def somebody_writes_to_the_group(self, sender: str, text: str, late_ms: int) -> None:
        self.somebody_writes(TEAM, sender, text, late_ms)

    def somebody_writes(self, where: ConversationId, sender: str, text: str, late_ms: int) -> None:
        """Nobody writes twice in the same ms to the same place, so that a message can be told."""
        written = {
            (message.conversation, message.sender, message.time_ms) for message in self.world.shown
        }
        if (where, sender, self.world.now_ms + 1 - late_ms) not in written:
            self.world.say(where, sender, text, late_ms)
            self.world.offer(where)

    @rule(where=st.sampled_from(CONVERSATIONS))
    def the_mesh_is_read(self, where: ConversationId) -> None:
        self.world.offer(where)

    @rule(members=st.none() | st.frozensets(st.sampled_from(PEOPLE)))
    def the_group_has_members(self, members: frozenset[str] | None) -> None:
        self.world.publish(members)
        self.world.offer(TEAM)

    @rule(twins=st.frozensets(st.sampled_from(TWINS)))
    def the_users_are_looked_at(self, twins: frozenset[str]) -> None:
        self.world.tell(account_stream(ACCOUNT), UsersSeen(frozenset(PEOPLE) | twins))

    @rule(asks=SHARES, transient=st.booleans(), posts=SHARES, kept=st.booleans())
    def something_fails(self, asks: float, transient: bool, posts: float, kept: bool) -> None:
        """From now on: so many asks, so many posts, and all snapshots unless they are `kept`."""
        self.world.fail_asks, self.world.lose_posts = asks, posts
        self.world.failure = Failure("AgentUnavailable", transient=transient)
        self.world.keeps_snapshots = kept
        self.world.snapshots.clear()

    # The operator

    @rule(kind=RULINGS, person=st.sampled_from(PEOPLE))
    def the_operator_rules(self, kind: str, person: str) -> None:
        self.world.rule(kind, person)

    @rule(person=st.sampled_from(PEOPLE), seed=st.integers(0, 99))
    def a_stranger_is_let_in(self, person: str, seed: int) -> None:
        self.somebody_writes(PeerId(ACCOUNT, person), person, "hi", 0)
        self.it_comes_to_rest(seed)
        self.world.rule("approve", person)

    @rule(person=st.sampled_from(PEOPLE))
    def words_are_given_up(self, person: str) -> None:
        self.world.forget(person)

    # The daemon and its time

    @rule(steps=STEPS)
    def it_goes_on(self, steps: int) -> None:
        for _ in range(steps):
            if not self.world.step():
                return
            self.world.now_ms += 1

    @rule(seed=st.integers(0, 99))
    def it_comes_to_rest(self, seed: int) -> None:
        """In an order that is not drawn thing by thing, which would take too many choices."""
        drawn, self.world.random = self.world.random, random.Random(seed)
        self.it_goes_on(300)
        self.world.random = drawn

    @rule(steps=STEPS)
    def it_is_killed(self, steps: int) -> None:
        self.it_goes_on(steps)
        self.world.crash()

    @rule(steps=STEPS, policy=st.none() | POLICIES)
    def it_is_restarted(self, steps: int, policy: AccountPolicy | None) -> None:
        self.it_goes_on(steps)
        self.world.restart(policy or self.world.policy)

    @rule(pause_ms=st.sampled_from([SECOND_MS, 61 * SECOND_MS, 2 * HOUR_MS, 25 * HOUR_MS]))
    def time_passes(self, pause_ms: int) -> None:
        self.world.now_ms += pause_ms
        self.world.actors.tick()

    # What holds

    @invariant()
    def the_books_are_right(self) -> None:
        self.unsound = True
        if hasattr(self, "world"):
            assert not self.failures.found, self.failures.found[0]
            self.world.books.catch_up()
            self.unsound = False

    def teardown(self) -> None:
        try:
            self.all_ends_well()
        finally:
            logging.getLogger("pykka").removeHandler(self.failures)

    def all_ends_well(self) -> None:
        if self.unsound:
            return
        self.trouble_ceases()
        self.open_work_is_done_without_a_new_message()
        self.world.publish(frozenset(PEOPLE))
        self.world.settle()
        self.the_books_are_right()
        self.the_books_balance()

    def trouble_ceases(self) -> None:
        world = self.world
        world.random = random.Random(1)
        world.fail_asks = world.lose_posts = 0.0
        world.steps_left = 12_000

    def open_work_is_done_without_a_new_message(self) -> None:
        """What was open at a crash is resumed by itself; only members may be waited for."""
        self.it_goes_on(20_000)
        self.the_books_are_right()
        assert all(page.waits_for_members_only for page in self.world.books.pages.values())

    def the_books_balance(self) -> None:
        world, books = self.world, self.world.books
        assert list(world.log.open_work()) == []
        for message in world.shown:
            times = books.shown[
                conversation_stream(message.conversation), message.sender, message.time_ms
            ]
            given_up = message.time_ms <= books.erased.get(message.sender, 0)
            assert times == 1 or (times == 0 and given_up), f"{message} was recorded {times} times"
        assert books.shown.total() <= len(world.shown)
        for stream, page in books.pages.items():
            assert page.waits_for_members_only
            assert not page.undecided
            assert conversation.fold(world.log.read_stream(stream)).at_rest
            files = [seq for (of, _), seq in world.files.items() if of == stream]
            assert files == page.queued, "in the mesh in another order, or not once each"


WholeSystem.TestCase.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


TestWholeSystem = WholeSystem.TestCase
