"""The whole actor system on one thread: real actors and rules, simulated mesh, agent, log and
time.

Everything that could happen next lies in one list; a seed draws from it. A crash drops the actors,
what the edges had under way and the appends that were not committed, and keeps the log, the mesh
and the agent's own memory, as a kill -9 does. The same seed gives the same trace.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from actors.account import AccountSettings
from actors.actor_system import ActorSystem
from actors.edge import TICK_S
from actors.messages import (
    AgentAnswered,
    AgentErred,
    CursorReached,
    ErasePerson,
    ErasureCutoffFound,
    GroupSeen,
    IncomingBatch,
    KeyDestroyed,
    KeysExpired,
    PairingDecision,
    Sent,
    Woken,
)
from actors.runtime.clocks import Clocks
from actors.runtime.dispatcher import SimulatedDispatcher
from actors.runtime.system import (
    AskTask,
    DestroyKey,
    ExpireKeys,
    FindErasureCutoff,
    SendTask,
    Task,
    WatchTask,
)
from events.account.state import AccountState, fold
from events.conversation.arrivals import Arrival
from events.conversation.events import MessageQueued
from events.conversation.identity import canonical, identity
from events.conversation.outbox import wire_id
from events.conversation.policy_context import GroupFacts
from events.conversation.turns import Failure, Reply
from events.event import Draft, Recorded
from events.gateway.events import GatewayStarted
from events.policy.account_policy import AccountPolicy
from events.streams import (
    GATEWAY,
    ConversationId,
    PeerId,
    account_stream,
    conversation_stream,
)
from store.log.log_clock import LogClock
from store.log.memory_log import MemoryLog
from store.read_models.erasure import newest_ms

ACCOUNT = "bot"
_MS = 1_000_000
TRANSIENT = Failure("AgentUnavailable", transient=True)


@dataclass(frozen=True)
class Shown:
    """A message that the mesh shows, since `available_ms`."""

    conversation: ConversationId
    sender: str
    text: str
    time_ms: int
    available_ms: int


@dataclass
class SimulatedReceipt:
    """What became of an offer. Confirmed means durable: the log must hold all of it by then, but
    for words that were given up."""

    world: "World"
    arrivals: tuple[Arrival, ...]
    settled: bool = False
    confirmed: bool = False
    then: Callable[[], None] = lambda: None

    def confirm(self) -> None:
        if self.settled:
            return
        self.settled = self.confirmed = True
        for arrival in self.arrivals:
            durable = self.world.log.seen(arrival.identity) or self.world.gave_up(arrival)
            assert durable, "confirmed before it was durable"
        self.then()

    def refuse(self) -> None:
        self.settled = True


@dataclass
class SimulatedAnswer:
    """What the operator hears: it goes to the `world`'s list."""

    world: "World"

    def give(self, value: Any) -> None:
        self.world.rulings.append(value)
        self.world.heads_at_rulings.append(self.world.log.head().seq)

    def fail(self, reason: str) -> None:
        self.world.refusals.append(reason)


@dataclass
class World:
    """One simulated daemon and its surroundings. `policy` is the account's, `failure` how the agent
    fails. What happens is drawn from `random`, which may be replaced; `seed` also gives entropy.
    `now_ms` is the true time, by which the mesh goes, and `clock_off_ms` how far the machine's
    clock is ahead of it."""

    seed: int
    policy: AccountPolicy
    fail_asks: float = 0.0
    failure: Failure = TRANSIENT
    lose_posts: float = 0.0
    now_ms: int = 1_700_000_000_000
    clock_off_ms: int = 0
    shown: list[Shown] = field(default_factory=list)
    posted: Counter[tuple[str, str]] = field(default_factory=Counter)
    files: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    known_failures: set[tuple[str, int, int]] = field(default_factory=set)
    members: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    rulings: list[str | None] = field(default_factory=list)
    heads_at_rulings: list[int] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    crashes: int = 0
    snapshots: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.entropy = self.random.randbytes
        self._possible: list[Callable[[], None]] = []
        self.log = MemoryLog(
            clock_ns=lambda: self.clock(),  # noqa: PLW0108 - another one after each boot
            entropy=self.entropy,
            schedule=self._possible.append,
        )
        self.boot()

    # Life and death

    def boot(self) -> None:
        """Start the daemon on the log as it is."""
        self._alive = True
        self._watching = False
        self._under_way: set[Any] = set()
        self._passed_on: dict[tuple[str, str], GroupFacts] = {}
        self.dispatcher = SimulatedDispatcher(self.random.getrandbits(32))
        self.clock = self._record_clock()
        self._heard_ms = self.account().heard_ms
        self._available: dict[Shown, int] = {}
        settings = AccountSettings(ACCOUNT, "mesh", self.policy, "echo")
        self.record_start()
        self.actors = ActorSystem(
            self.log,
            [settings],
            dispatcher=self.dispatcher,
            effects=SimulatedEffects(self),
            states=self,
            clocks=Clocks(
                record=self.record_ms,
                elapsed=lambda: self.now_ms,
                wall=self.wall_ms,
                mesh=self.mesh_ms,
            ),
            entropy=self.entropy,
        )
        self.actors.start()

    # Its clocks

    def wall_ms(self) -> int:
        """The machine's clock, as somebody set it."""
        return self.now_ms + self.clock_off_ms

    def mesh_ms(self) -> int:
        """The newest time that the hub gave: that of the newest message."""
        return max((message.available_ms for message in self.shown), default=0)

    def record_ms(self) -> int:
        """The time that goes on record."""
        return self.clock() // _MS

    def ahead_ms(self) -> int:
        return self.record_ms() - self.wall_ms()

    def _record_clock(self) -> LogClock:
        """As a daemon's that goes on from what is on record."""
        clock = LogClock(lambda: self.wall_ms() * _MS, lambda: self.now_ms * _MS)
        last = self.log.event(self.log.head().seq)
        clock.not_before(last.time if last else 0)
        return clock

    def record_start(self) -> None:
        """As a daemon does before its actors begin."""
        drafts = [Draft(GATEWAY, GatewayStarted("simulated", self.log.log_id))]
        self.log.append(drafts, expected={GATEWAY: self.log.version(GATEWAY)}, then=_ignore)
        self._possible.pop()()

    def crash(self) -> None:
        """kill -9: an append in flight may have become durable, but nobody was told."""
        self.crashes += 1
        pending = self._appends_in_flight()
        self._boot_after(pending[: self.random.randint(0, len(pending))])

    def restart(self, policy: AccountPolicy) -> None:
        """A clean stop, which lets appends in flight become durable, and a start by `policy`."""
        self.policy = policy
        self._boot_after(self._appends_in_flight())

    def _appends_in_flight(self) -> list[Callable[[], None]]:
        return [act for act in self._possible if _is_append(act)]

    def _boot_after(self, appends: Iterable[Callable[[], None]]) -> None:
        for append in appends:
            append()
        self.dispatcher.stop()
        self._possible.clear()
        self.boot()

    # The states: snapshots are taken often, kept over crashes, and lost now and then

    def load(
        self,
        stream: str,
        kind: type[Any],
        fold: Callable[[Iterable[Recorded], Any], Any],
        then: Callable[[Any], None],
        failed: Callable[[], None],
    ) -> None:
        def load() -> None:
            if stream in self.unreadable:
                failed()
                return
            version, snapshot = self.snapshots.get(stream, (0, b""))
            if version > self.log.version(stream):
                version = 0
            before = msgspec.msgpack.decode(snapshot, type=kind) if version else None
            then(fold(self.log.read_stream(stream, version), before))

        self.later(load)

    def keep(self, last: Recorded, state: Any) -> None:
        if self.random.random() < 0.8:
            self.snapshots[last.stream] = (last.version, msgspec.msgpack.encode(state))

    # What happens

    def later(self, act: Callable[[], None]) -> None:
        """Let `act` happen at some time from now on."""
        self._possible.append(act)

    def step(self) -> bool:
        """Let one thing happen. False when nothing can."""
        choices = len(self._possible) + 1
        chosen = self.random.randrange(choices)
        if chosen < len(self._possible):
            self._possible.pop(chosen)()
            return True
        if self.dispatcher.step():
            return True
        if self._possible:
            self._possible.pop(self.random.randrange(len(self._possible)))()
            return True
        return False

    def settle(self) -> None:
        """Let everything happen that can, time passing, until all that is shown is confirmed."""
        for _ in range(200):
            while self.step():
                self.now_ms += 1
            if not self.offer_everything():
                return
            self.now_ms += 40_000
            self.actors.tick()
        raise AssertionError(f"seed {self.seed}: the system does not come to rest")

    def offer_everything(self) -> bool:
        """Offer all that the mesh shows, as a whole list does; whether anything came of it."""
        before = self.log.head().seq
        for conversation in dict.fromkeys(message.conversation for message in self.shown):
            self.offer(conversation)
        while self.step():
            self.now_ms += 1
        return self.log.head().seq > before or any(True for _ in self.log.open_work())

    # The mesh

    def say(self, conversation: ConversationId, sender: str, text: str, late_ms: int = 0) -> None:
        """Somebody's message appears in the mesh."""
        self.now_ms += 1
        self.shown.append(Shown(conversation, sender, text, self.now_ms - late_ms, self.now_ms))

    def offer(self, conversation: ConversationId) -> SimulatedReceipt:
        """Show all messages of a conversation to the account, as reading its files does."""
        messages = [message for message in self.shown if message.conversation == conversation]
        messages.sort(key=lambda message: (message.time_ms, message.sender))
        arrivals = tuple(self._arrival(message) for message in messages)
        self._heard_ms = self.record_ms()
        receipt = SimulatedReceipt(self, arrivals)
        batch = IncomingBatch(arrivals, receipt)
        if self._watching:
            self._when_members_are_known(
                conversation, lambda: self.tell(conversation_stream(conversation), batch)
            )
        return receipt

    def _when_members_are_known(
        self, conversation: ConversationId, then: Callable[[], None]
    ) -> None:
        """As the intake does: the group's file first, and the messages when that was passed on."""
        if isinstance(conversation, PeerId):
            then()
            return
        key = (conversation.creator, conversation.group)
        facts = GroupFacts("Team", self.members.get(key))
        if self._passed_on.get(key) == facts:
            then()
            return

        def passed_on() -> None:
            self._passed_on[key] = facts
            then()

        receipt = SimulatedReceipt(self, (), then=passed_on)
        self.tell(account_stream(ACCOUNT), GroupSeen(*key, facts, receipt))

    def identity_of(self, message: Shown) -> bytes:
        """As the intake computes it."""
        return self._arrival(message).identity

    def _arrival(self, message: Shown) -> Arrival:
        key = self.log.key(f"{ACCOUNT}/{message.sender}")
        stream, content = conversation_stream(message.conversation), canonical(message.text)
        return Arrival(
            identity=identity(key.secret, stream, message.sender, message.time_ms, content, 0),
            key_id=key.id,
            sender=message.sender,
            sent_ms=message.time_ms,
            text=message.text,
            source="feed",
            available_ms=self._available_ms(message),
            salt=self.entropy(16),
        )

    def _available_ms(self, message: Shown) -> int:
        """Since when the mesh could have shown it, by the record's time, as the intake tells."""
        by_hub = message.available_ms + self.ahead_ms()
        found = min(self.record_ms(), max(by_hub, self._heard_ms))
        return self._available.setdefault(message, found)

    def rule(self, kind: Any, person: str) -> None:
        """The operator rules on a pairing."""
        self.tell(
            account_stream(ACCOUNT), PairingDecision(kind, person, "test", SimulatedAnswer(self))
        )

    def forget(self, person: str) -> None:
        """The operator has a person's words given up."""
        self.tell(account_stream(ACCOUNT), ErasePerson(person, "test", SimulatedAnswer(self)))

    def gave_up(self, arrival: Arrival) -> bool:
        """Whether it is on record that the words of `arrival` were given up."""
        erasure = self.account().erased.get(arrival.sender)
        return erasure is not None and arrival.sent_ms <= erasure.until_ms

    def tell(self, stream: str, message: Any) -> None:
        """Tell an actor, as the edges do."""
        self.actors.tell(stream, message)

    def account(self) -> AccountState:
        """The account as the log holds it."""
        return fold(self.log.read_stream(account_stream(ACCOUNT)))

    # The edges' work, in steps that a crash can fall between

    def watch(self) -> None:
        self._watching = True
        self.tell(account_stream(ACCOUNT), CursorReached(self.now_ms, ()))

    def ask(self, task: AskTask) -> None:
        if task in self._under_way:
            return
        self._under_way.add(task)
        key = (task.stream, task.turn, task.attempt)

        def answer() -> None:
            self.asked[key] += 1
            if self.random.random() < self.fail_asks:
                self.known_failures.add(key)
                failure = self.failure
                self.later(lambda: finish(AgentErred(task.turn, task.attempt, failure)))
            else:
                reply = Reply(f"answer to turn {task.turn}")
                self.later(lambda: finish(AgentAnswered(task.turn, task.attempt, reply)))

        def finish(message: Any) -> None:
            self._under_way.discard(task)
            self.tell(task.stream, message)

        self.later(answer)

    def send(self, task: SendTask) -> None:
        key = (task.stream, task.queued)
        if key in self._under_way:
            return
        self._under_way.add(key)
        queued = self.log.event(task.seq)
        assert queued is not None
        assert isinstance(queued.event, MessageQueued)
        wire = (task.stream, wire_id(self.log.log_id, task.queued, queued.event))

        def look(posts: int, *, doubtful: bool) -> None:
            if doubtful and wire in self.files:
                self.later(lambda: finish(posts))
            else:
                self.later(lambda: post(posts + 1))

        def post(posts: int) -> None:
            self.posted[wire] += 1
            if self.random.random() >= self.lose_posts:
                assert wire not in self.files, f"seed {self.seed}: {wire} was sent twice"
                self.files[wire] = task.seq
            self.later(lambda: look(posts, doubtful=True))

        def finish(posts: int) -> None:
            self._under_way.discard(key)
            self.tell(task.stream, Sent(task.queued, self.now_ms, posts == 0, posts))

        self.later(lambda: look(0, doubtful=task.doubtful))

    def destroy_key(self, key: str, stream: str, person: str) -> None:
        self.log.destroy(key)
        self.later(lambda: self.tell(stream, KeyDestroyed(person)))

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        at_ms = self.now_ms + round(seconds * 1_000)

        def ring() -> None:
            self.now_ms = max(self.now_ms, at_ms)
            call()

        self.later(ring)

    def wake(self, stream: str, at_ms: int) -> None:
        due_ms = self.now_ms + min(max(0, at_ms - self.record_ms()), round(TICK_S * 1_000))

        def ring() -> None:
            self.now_ms = max(self.now_ms, due_ms)
            self.tell(stream, Woken())

        self.later(ring)


class SimulatedEffects:
    """The edges as actors see them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def begin(self, task: Task) -> None:
        world = self._world
        match task:
            case AskTask():
                world.ask(task)
            case SendTask():
                world.send(task)
            case WatchTask():
                world.watch()
            case FindErasureCutoff(account, person):
                world.later(
                    lambda: world.tell(
                        task.stream,
                        ErasureCutoffFound(person, newest_ms(world.log, account, person)),
                    )
                )
            case DestroyKey(account, person):
                world.later(lambda: world.destroy_key(f"{account}/{person}", task.stream, person))
            case ExpireKeys(before):
                world.log.expire(before)
                world.tell(task.stream, KeysExpired(before))

    def wake(self, stream: str, at_ms: int) -> None:
        self._world.wake(stream, at_ms)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._world.call_later(seconds, call)


def _ignore(_: object) -> None:
    pass


def _is_append(act: Callable[[], None]) -> bool:
    return act.__qualname__.startswith("MemoryLog.append")


def peers(names: str) -> Iterator[PeerId]:
    """Peers by their names, one letter each."""
    return (PeerId(ACCOUNT, name) for name in names)
