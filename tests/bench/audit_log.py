"""A log like one of a busy bot: peers, groups, strangers who pair, policies that change.

    python tests/bench/audit_log.py FOLDER [events] [seed]

Every event is decided by the same rules as in the daemon, from a mesh that is made up under a
seed; only clocks and sequences are the generator's own. It knows each sequence before the event is
recorded, for nobody else writes; so many appends go into one commit.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace

from events.account import state as account
from events.account.events import PairingRequested, PolicyApplied
from events.account.pairing import decide_approval, decide_request, withheld
from events.conversation.arrivals import Arrival, decide_arrivals
from events.conversation.decision_builder import DecisionContext
from events.conversation.identity import canonical, identity
from events.conversation.outbox import decide_code, decide_no_code, decide_sent
from events.conversation.policy_context import GroupFacts, PolicyContext
from events.conversation.state import ConversationState, evolve
from events.conversation.turns import Failure, Reply, decide_failure, decide_reply
from events.event import Draft, Recorded
from events.policy.account_policy import AccountPolicy, GroupPermission
from events.streams import GroupId, PeerId, account_stream, conversation_stream
from events.watermark import WatermarkAdvanced
from store.log.event_log import EventLog
from store.log.lmdb_log import LmdbLog

START_MS = 1_790_000_000_000
COMMIT_EVENTS = 100
TEXT = (
    "can you tell me when the next train to the coast leaves please it rains again @my-bot and"
    " what about tomorrow thanks a lot see you later did you read the plan yet 你好 привет ok"
)
WORDS = TEXT.split()

FIRST = AccountPolicy(
    username="my-bot",
    dm_policy="pairing",
    allow_from=("user1", "user2", "user3"),
    enable_groups=True,
    group_policy="open",
    turn_budget=1_000_000,
    group_permissions=(
        GroupPermission("user1", "team", "allowlist", allow_from=("user2", "user4")),
        GroupPermission("user2", "club", "disabled"),
    ),
)
POLICIES = (
    FIRST,
    replace(FIRST, dm_policy="allow"),
    replace(FIRST, dm_policy="deny", allow_from=("*",)),
    replace(FIRST, require_mention=False, creator_bypass=False),
    replace(FIRST, enable_groups=False, max_message_chars=60),
)


class World:
    """The bot `account` with `people` users, and the log in the making; deterministic in `seed`."""

    def __init__(self, log: EventLog, seed: int = 1, people: int = 200) -> None:
        self.log = log
        self.chance = Random(seed)
        self.account = "main"
        self.now_ms = START_MS
        self.policy = FIRST
        self.state = account.AccountState()
        self.conversations: dict[PeerId | GroupId, ConversationState] = {}
        self._pending: list[Draft] = []
        self._expected: dict[str, int] = {}
        self._seq = log.head().seq
        self._people = [f"user{number}" for number in range(people)]
        self._keys = {person: self.chance.randbytes(32) for person in self._people}
        self._groups = [
            GroupId(self.account, f"user{number % 7}", name)
            for number, name in enumerate(("team", "club", "family", "work"), 1)
        ]
        self.apply(FIRST)

    def apply(self, policy: AccountPolicy) -> None:
        """From here on `policy` is in force."""
        self.policy = policy
        applied = PolicyApplied(policy.digest(), policy, "mesh")
        self._record([Draft(account_stream(self.account), applied)])

    def run(self, events: int) -> None:
        """Let things happen until about `events` more are recorded."""
        goal = self._seq + events
        while self._seq < goal:
            self.message()
        self.flush()

    def message(self) -> None:
        """Somebody writes, and whatever follows from it happens."""
        self.now_ms += self.chance.randrange(1, 3_000)
        address, sender = self._somewhere()
        words = self.chance.choices(WORDS, k=self.chance.randrange(0, 25))
        self.say(address, sender, " ".join(words))

    def say(self, address: PeerId | GroupId, sender: str, text: str) -> None:
        """`sender` writes `text` there."""
        sent_ms = self.now_ms - self.chance.randrange(2_000)
        chat = conversation_stream(address)
        name = identity(
            self._keys.setdefault(sender, self.chance.randbytes(32)),
            chat,
            sender,
            sent_ms,
            canonical(text),
            self._seq,
        )
        arrival = Arrival(
            name, sender, sent_ms, text, "feed", self.now_ms, self.chance.randbytes(16), bytes(8)
        )
        self._record(decide_arrivals(self._moment(address), [arrival], ()))
        for drafts in self._consequences(address):
            self._record(drafts)
        if self.chance.random() < 0.3:
            advanced = WatermarkAdvanced(self.now_ms)
            self._record([Draft(account_stream(self.account), advanced)])

    def flush(self) -> None:
        """Commit what is recorded so far."""
        if self._pending:
            self.log.commit(self._pending, expected=self._expected)
        self._pending, self._expected = [], {}

    def _consequences(self, address: PeerId | GroupId) -> Iterator[list[Draft]]:
        while self.conversations[address].uncoded:
            yield from self._pair(address)
        while (turn := self.conversations[address].turn) is not None:
            self.now_ms += self.chance.randrange(200, 4_000)
            if self.chance.random() < 0.02:
                failure = Failure("timeout", transient=True)
                yield decide_failure(self._moment(address), turn.version, turn.attempt, failure)
            text = " ".join(self.chance.choices(WORDS, k=30))
            attempt = self.conversations[address].turn
            reply = Reply(text, elapsed_ms=900, model="echo", tokens_in=40, tokens_out=30)
            number = attempt.attempt if attempt else 1
            yield decide_reply(self._moment(address), turn.version, number, reply)
        for queued in self.conversations[address].outbox:
            context = self._moment(address)
            now = self.now_ms
            yield decide_sent(context, queued.version, sent_ms=now, reconciled=False, posts=1)

    def _pair(self, address: PeerId | GroupId) -> Iterator[list[Draft]]:
        stranger = self.conversations[address].uncoded[0]
        person = stranger.sender
        entropy = self.chance.randbytes(32)
        reason = withheld(self.state, person, self.now_ms)
        if reason is not None:
            yield decide_no_code(self._moment(address), reason)
            return
        asked = decide_request(self.account, self.state, person, stranger.seq, self.now_ms, entropy)
        yield asked
        code = next(
            record.bodies[0] for record in asked if isinstance(record.event, PairingRequested)
        )
        request = self.state.requests[person]
        yield decide_code(self._moment(address), stranger.version, request.seq, code.text)
        if self.chance.random() < 0.5:
            yield decide_approval(self.account, self.state, person, "operator", self.now_ms)

    def _somewhere(self) -> tuple[PeerId | GroupId, str]:
        """Few write much, many write little."""
        rank = int(len(self._people) * self.chance.random() ** 3)
        sender = self._people[rank]
        if self.chance.random() < 0.25:
            return self.chance.choice(self._groups), sender
        return PeerId(self.account, sender), sender

    def policy_context(self, address: PeerId | GroupId) -> PolicyContext:
        """What the account's actor would say now."""
        group = None
        if isinstance(address, GroupId):
            group = GroupFacts(address.group.title(), frozenset(self._people[:60]))
        else:
            pairing = self.state.pairing(address.name, self.now_ms)
        return PolicyContext(
            account=self.account,
            log_id=self.log.log_id,
            agent="echo",
            policy=self.policy,
            digest=self.state.digest,
            account_version=self.state.version,
            pairing="none" if isinstance(address, GroupId) else pairing,
            group=group,
        )

    def _moment(self, address: PeerId | GroupId) -> DecisionContext:
        state = self.conversations.setdefault(address, ConversationState())
        entropy = self.chance.randbytes(32)
        return DecisionContext(state, address, self.policy_context(address), self.now_ms, entropy)

    def _record(self, drafts: list[Draft]) -> None:
        for draft in drafts:
            self._seq += 1
            cause = draft.cause if draft.cause >= 0 else self._seq + draft.cause
            self._evolve(draft, cause)
        self._pending += drafts
        if len(self._pending) >= COMMIT_EVENTS:
            self.flush()

    def _evolve(self, draft: Draft, cause: int) -> None:
        stream, time = draft.stream, self.now_ms * 1_000_000
        state: Any
        if stream == account_stream(self.account):
            state = self.state
            self._expected.setdefault(stream, state.version)
            recorded = Recorded(self._seq, stream, state.version + 1, time, cause, draft.event)
            self.state = account.evolve(state, recorded)
            return
        address = next(_address for _address in self._addresses(stream))
        state = self.conversations[address]
        self._expected.setdefault(stream, state.version)
        recorded = Recorded(self._seq, stream, state.version + 1, time, cause, draft.event)
        self.conversations[address] = evolve(state, recorded)

    def _addresses(self, stream: str) -> Iterator[PeerId | GroupId]:
        match stream.split("/"):
            case [_, account_id, "peer", name]:
                yield PeerId(account_id, name)
            case [_, account_id, "group", creator, group]:
                yield GroupId(account_id, creator, group)


def write_log(folder: Path, events: int, seed: int = 1, people: int = 200) -> None:
    """A new log of about `events` events in `folder`; the policy changes at each fifth of it."""
    clock_ms = START_MS
    log = LmdbLog.open(folder, clock_ns=lambda: clock_ms * 1_000_000)
    try:
        world = World(log, seed, people)
        for policy in POLICIES:
            world.apply(policy)
            end = log.head().seq + events // len(POLICIES)
            while log.head().seq < end:
                world.run(min(500, end - log.head().seq))
                clock_ms = world.now_ms
    finally:
        log.close()


if __name__ == "__main__":
    count, number = [*sys.argv[2:], *("1000000", "1")[len(sys.argv) - 2 :]]
    write_log(Path(sys.argv[1]), int(count), int(number), people=2_000)
