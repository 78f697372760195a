"""Books of what the log says, kept event by event, each held against what came before.

They know the rules in other words than the rules themselves.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from events.account.events import (
    ErasureEnded,
    PairingApproved,
    PairingRevoked,
    PersonErased,
    PolicyApplied,
)
from events.conversation.events import (
    AgentFailed,
    AgentReplied,
    Dispatched,
    MessageDeadLettered,
    MessageIgnored,
    MessageQueued,
    MessageSeen,
    PairingWithheld,
    PolicyDecided,
    ReplySent,
    TurnCancelled,
)
from events.event import Recorded
from events.gateway.events import GatewayStarted
from events.policy.account_policy import AccountPolicy, GroupPermission
from events.streams import ConversationId, GroupId, PeerId, parse_stream
from store.verify.judge import Judge
from tests.actors.simulation import World


def lets_in(policy: AccountPolicy, address: ConversationId, sender: str, *, paired: bool) -> bool:
    """Who is let in, in other words than the rules'; a mention granted, a member taken for one."""
    if isinstance(address, PeerId):
        return paired or policy.dm_policy == "allow" or bool({sender, "*"} & {*policy.allow_from})
    if not policy.enable_groups:
        return False
    if sender == address.creator and policy.creator_bypass in (True, (sender,)):
        return True
    entry = entry_of(policy, address)
    listed = {sender, "*"} & {*entry.allow_from}
    return entry.group_policy == "open" or (entry.group_policy == "allowlist" and bool(listed))


def entry_of(policy: AccountPolicy, group: GroupId) -> GroupPermission:
    default = GroupPermission(
        group.creator, group.group, policy.group_policy, policy.require_mention
    )
    return next(
        (
            group_permission
            for group_permission in policy.group_permissions
            if group_permission.group == group.group
        ),
        default,
    )


@dataclass
class Page:
    """One conversation in the books: what is open in it, and what was ever queued or answered."""

    address: ConversationId
    seen: dict[int, MessageSeen] = field(default_factory=dict)
    undecided: set[int] = field(default_factory=set)
    uncoded: set[int] = field(default_factory=set)
    allowed: set[int] = field(default_factory=set)
    unserved: set[int] = field(default_factory=set)
    turn: tuple[int, int] | None = None
    turns: dict[int, Dispatched] = field(default_factory=dict)
    over: set[tuple[int, int]] = field(default_factory=set)
    replied: set[int] = field(default_factory=set)
    outbox: list[int] = field(default_factory=list)
    queued: list[int] = field(default_factory=list)
    purposes: Counter[tuple[str, int, int]] = field(default_factory=Counter)

    @property
    def waits_for_members_only(self) -> bool:
        """What may wait while nobody can tell who belongs to a group does; nothing else."""
        may_wait = self.undecided or self.allowed or self.turn
        open_otherwise = self.uncoded or self.unserved or self.outbox
        return not open_otherwise and (isinstance(self.address, GroupId) or not may_wait)


class Books:
    """What the log says, read once and in its order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.read = 0
        self.pages: dict[str, Page] = {}
        self.shown: Counter[tuple[str, str, int]] = Counter()
        self.policies: dict[bytes, AccountPolicy] = {}
        self.in_force = world.policy
        self.approved: set[str] = set()
        self.approved_in_this_life: set[str] = set()
        self.erased: dict[str, int] = {}
        self.ever_members: set[str] = set()
        self.told: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._judge = Judge(world.log, self._names.__getitem__, before=1, bodies=True)

    def catch_up(self) -> None:
        for record in self.world.log.read(self.read):
            self.read = record.seq
            self._judge.learn(self._number(record.stream), record.version, record.event)
            address = parse_stream(record.stream)
            if isinstance(address, PeerId | GroupId):
                page = self.pages.setdefault(record.stream, Page(address))
                self._of_conversation(page, record)
            else:
                self._of_account(record.event)

    def may_be_served(self, address: ConversationId, sender: str) -> bool:
        """Whether this life of the daemon has any reason to serve `sender`: it begins with all that
        is on record, and hears of a revocation a little later than the log does. Of a group it
        knows nothing until it was told the members."""
        paired = sender in self.approved_in_this_life
        told = isinstance(address, PeerId) or sender in self.told
        return told and lets_in(self.in_force, address, sender, paired=paired)

    def _of_account(self, event: Any) -> None:
        match event:
            case GatewayStarted():
                self.approved_in_this_life = set(self.approved)
            case PolicyApplied(digest, policy, _):
                self.policies[digest] = self.in_force = policy
            case PairingApproved(_, person, _):
                self.approved.add(person)
                self.approved_in_this_life.add(person)
            case PairingRevoked(person):
                self.approved.remove(person)
            case PersonErased(person, _, until_ms, _) | ErasureEnded(person, until_ms):
                self.erased[person] = max(until_ms, self.erased.get(person, 0))

    def _of_conversation(self, page: Page, record: Recorded) -> None:
        match record.event:
            case MessageSeen():
                self._first_time(record)
                page.seen[record.version] = record.event
                page.undecided.add(record.version)
            case MessageIgnored():
                self._first_time(record)
            case PolicyDecided():
                self._decided(page, record, record.event)
            case PairingWithheld(message):
                page.uncoded.remove(message)
            case MessageDeadLettered(message):
                holders = (page.undecided, page.uncoded, page.allowed, page.unserved)
                assert sum(message in each for each in holders) == 1, "set aside without need"
                for each in holders:
                    each.discard(message)
            case MessageQueued():
                self._queued(page, record, record.event)
            case ReplySent(queued):
                assert page.outbox.pop(0) == queued, "sent out of order, or twice"
                sent = page.queued[len(page.queued) - len(page.outbox) - 1]
                assert sent in self.world.files.values(), "recorded as sent, and stands nowhere"
            case _:
                self._of_turn(page, record)

    def _of_turn(self, page: Page, record: Recorded) -> None:
        match record.event:
            case Dispatched():
                self._dispatched(page, record, record.event)
            case AgentReplied(turn, attempt):
                self._turn_over(page, (turn, attempt))
                page.replied.add(turn)
            case AgentFailed(turn, attempt, _, _, retry_ms):
                self._turn_over(page, (turn, attempt))
                if retry_ms:
                    page.turn = (turn, attempt + 1)
                else:
                    page.unserved.update(page.turns[turn].messages)
            case TurnCancelled(turn):
                assert page.turn is not None
                assert page.turn[0] == turn
                page.turn = None
                page.unserved.update(page.turns[turn].messages)

    def _first_time(self, record: Recorded) -> None:
        event: Any = record.event
        place = (record.stream, event.sender, event.sent_ms)
        self.shown[place] += 1
        assert self.shown[place] == 1, f"{place} was recorded twice"

    def _decided(self, page: Page, record: Recorded, event: PolicyDecided) -> None:
        page.undecided.remove(event.message)
        seen, inputs = page.seen[event.message], event.inputs
        text = self.text(record.stream, event.message)
        number = self._number(record.stream)
        self._judge.seen(number, event.message, seen, text)
        assert self._judge.decided(number, event) is None, "decided again, it is another decision"
        paired = inputs.pairing == "approved"
        policy = self.policies[inputs.policy]
        expected = lets_in(policy, page.address, seen.sender, paired=paired)
        if isinstance(page.address, GroupId):
            assert text is None or event.mentioned == text.startswith(("@bot ", "@bot,"))
            member = inputs.membership == "member"
            assert seen.sender in self.ever_members or not member, "never was a member"
            named = event.mentioned or not entry_of(policy, page.address).require_mention
            expected = expected and named and (member or seen.sender == page.address.creator)
        assert (event.action == "process") == expected
        if event.action == "process":
            page.allowed.add(event.message)
        elif event.action == "pairing" and inputs.pairing == "none":
            page.uncoded.add(event.message)

    def _dispatched(self, page: Page, record: Recorded, event: Dispatched) -> None:
        assert page.turn is None, "turns overlap"
        assert event.messages
        for message in event.messages:
            page.allowed.remove(message)
            assert page.seen[message].sender == event.sender
        assert self.may_be_served(page.address, event.sender), "a turn for one not let in"
        page.turn = (record.version, 1)
        page.turns[record.version] = event

    def _turn_over(self, page: Page, attempt: tuple[int, int]) -> None:
        assert page.turn == attempt, f"{attempt} ends, and {page.turn} is in flight"
        page.turn = None
        page.over.add(attempt)

    def _queued(self, page: Page, record: Recorded, event: MessageQueued) -> None:
        page.outbox.append(record.version)
        page.queued.append(record.seq)
        match event.purpose:
            case "reply":
                assert event.answers in page.replied
                page.purposes["reply", event.answers, event.part] += 1
            case "pairing" | "approved":
                page.purposes[event.purpose, record.cause, event.part] += 1
                page.uncoded.discard(event.answers)
            case "notice" if event.answers:
                page.purposes["notice", event.answers, event.part] += 1
        assert not page.purposes or max(page.purposes.values()) == 1, "told twice"

    def text(self, stream: str, version: int) -> str | None:
        recorded = next(self.world.log.read_stream(stream, version - 1))
        return self.world.log.body(recorded.seq)

    def _number(self, stream: str) -> int:
        number = self._numbers.setdefault(stream, len(self._numbers))
        self._names[number] = stream
        return number
