"""The actor of an account: policy, pairing, the feed's cursor, and the parent of its
conversations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pykka

from actors.erasures import Erasures
from actors.group import GroupActor
from actors.messages import (
    Announce,
    Announced,
    ChildFailed,
    ContextAck,
    CursorReached,
    Forget,
    Forward,
    GroupSeen,
    IncomingBatch,
    Observed,
    PairingCodeIssued,
    PairingCodeRequested,
    PairingCodeWithheld,
    PairingDecision,
    Passivate,
    PolicyContextChanged,
    ProcessBatch,
    Tick,
    UsersSeen,
    Woken,
)
from actors.peer import PeerActor
from actors.policy_contexts import PolicyContexts
from actors.runtime.children import Children
from actors.runtime.event_sourced import EventSourced
from actors.runtime.poison_messages import PoisonMessages, carried
from actors.runtime.system import System
from events.account.erasure import decide_erasure
from events.account.events import (
    AccountOffline,
    AccountOnline,
    ChatAppDeaf,
    ChatAppHealed,
    PairingAnnounced,
    PairingApproved,
    PairingExpired,
    PairingRevoked,
    PolicyApplied,
)
from events.account.pairing import (
    decide_approval,
    decide_denial,
    decide_expiry,
    decide_request,
    decide_revocation,
    withheld,
)
from events.account.state import AccountState, evolve, fold
from events.conversation.arrivals import Arrival
from events.conversation.policy_context import GroupFacts, PolicyContext, person_key
from events.event import Draft, Event, Recorded
from events.policy.account_policy import AccountPolicy
from events.streams import GroupId, PeerId, account_stream, conversation_stream, parse_stream
from events.watermark import WatermarkAdvanced
from store.read_models.erasure import ends, unfinished

RESTARTS = 5
"""How often a conversation is restarted at once; then it waits, and is tried again each time after
`RESTART_PAUSE_MS`."""

RESTART_PAUSE_MS = 30_000


@dataclass(frozen=True)
class AccountSettings:
    """What the configuration says of an account, as far as actors need it."""

    id: str
    mesh: str
    policy: AccountPolicy
    agent: str


class AccountActor(EventSourced[AccountState]):
    """One bot user of one mesh. `unfinished`: streams of its conversations with work left open."""

    def __init__(
        self,
        system: System,
        parent: "pykka.ActorRef[Any]",
        settings: AccountSettings,
        unfinished: Iterable[str],
    ) -> None:
        super().__init__(system, account_stream(settings.id), parent, fold, evolve)
        self.settings = settings
        self.children = Children(self._start_child, system.now_ms)
        self._unfinished = tuple(unfinished)
        self._strikes = PoisonMessages()
        self._failures: dict[str, int] = {}
        self._forgetting = Erasures()
        self._standings = PolicyContexts(
            settings.id, settings.policy, log_id=system.log.log_id, agent=settings.agent
        )

    # Beginning

    def on_ready(self) -> None:
        """Put the policy on record, resume what was left open, then take in what is new."""
        forgotten = unfinished(self.system.log, self.state, self.settings.id)
        drafts = ends(self.system.log, self.state, self.settings.id, forgotten)
        policy = self.settings.policy
        applied = PolicyApplied(policy.digest(), policy, self.settings.mesh)
        changed = self.state.digest != applied.digest or self.state.mesh != applied.mesh
        if changed:
            drafts += self._drafts(applied)
        self.append(drafts, lambda _: self._resume(forgotten))

    def _resume(self, forgotten: Iterable[str]) -> None:
        self._lose_keys(forgotten)
        for stream in self._unfinished:
            self.children.wake(stream)
        for person in self.state.approvals:
            self._announce(person)
        self.system.effects.watch(self.settings.id, self.state)

    # Messages

    def handle(self, message: Any) -> None:
        """Decide what follows from one message of an edge, a child, or the operator."""
        match message:
            case IncomingBatch():
                self._offer(message)
            case Forward(stream, inner):
                self.children.tell(stream, inner)
            case PairingCodeRequested():
                self._code_wanted(message)
            case ContextAck(stream, version):
                self._heard(stream, version)
            case Passivate(stream, received):
                self.children.may_stop(stream, received)
            case ChildFailed(stream, failed, _):
                self._child_failed(stream, failed)
            case GroupSeen(creator, group, facts):
                self._group_seen(creator, group, facts)
            case UsersSeen(users):
                self._standings.see_users(users | self.state.approvals.keys())
            case PairingDecision():
                self._rule(message)
            case Forget():
                self._forget(message)
            case Tick() | Woken():
                self.children.ask_idle_ones(round(self.system.idle_s * 1_000))
                self.append(decide_expiry(self.settings.id, self.state, self.system.now_ms()))
            case _:
                self.append(self._noted(message))

    def _noted(self, message: Any) -> list[Draft]:
        match message:
            case CursorReached(position, unavailable):
                state = self.state
                moved = (position, unavailable) != (
                    state.cursor,
                    state.unavailable,
                ) or state.groups_turned_on
                return self._drafts(WatermarkAdvanced(position, unavailable)) if moved else []
            case Observed(drafts):
                return [draft for draft in drafts if self._is_news(draft.event)]
            case Announced(person):
                approval = self.state.approvals.get(person)
                known = approval is None or approval.announced
                return [] if known else self._drafts(PairingAnnounced(person))
        msg = f"{self.stream} can't handle {message!r}"
        raise TypeError(msg)

    def _is_news(self, event: Event) -> bool:
        match event:
            case AccountOnline():
                return not self.state.online
            case AccountOffline():
                return self.state.online
            case ChatAppDeaf():
                return not self.state.deaf
            case ChatAppHealed():
                return self.state.deaf
        return True

    def on_applied(self, recorded: Sequence[Recorded]) -> None:
        """Let the conversations concerned know what has changed."""
        for record in recorded:
            match record.event:
                case PairingApproved(_, person, _):
                    self._refresh(PeerId(self.settings.id, person))
                    self._announce(person)
                case PairingRevoked(person) | PairingExpired(_, person):
                    self._refresh(PeerId(self.settings.id, person))
                case PolicyApplied():
                    self._refresh_all()

    # Conversations

    def _start_child(self, stream: str) -> "pykka.ActorRef[Any]":
        address = parse_stream(stream)
        match address:
            case PeerId():
                policy_context = self._standing(address)
                return PeerActor.start(self.system, self.actor_ref, address, policy_context)
            case GroupId():
                policy_context = self._standing(address)
                return GroupActor.start(self.system, self.actor_ref, address, policy_context)
        msg = f"{stream} is no conversation of {self.stream}"
        raise ValueError(msg)

    def _standing(self, address: PeerId | GroupId) -> PolicyContext:
        erased = self._forgetting.covering(self.state.erased)
        return self._standings.of(address, self.state, erased, self.system.now_ms())

    def _offer(self, offer: IncomingBatch) -> None:
        if any(self._is_forgotten(arrival) for arrival in offer.arrivals):
            offer.receipt.refuse()
            return
        policy_context = self._standing(offer.conversation)
        deliver = ProcessBatch(offer.arrivals, policy_context, offer.receipt, offer.baseline)
        self.children.tell(conversation_stream(offer.conversation), deliver)

    def _refresh(self, address: PeerId | GroupId) -> None:
        changed = PolicyContextChanged(self._standing(address))
        self.children.tell_if_live(conversation_stream(address), changed)

    def _refresh_all(self) -> None:
        for stream in self.children:
            address = parse_stream(stream)
            if isinstance(address, PeerId | GroupId):
                self._refresh(address)

    def _tell_peer(self, person: str, message: Any) -> None:
        self.children.tell(conversation_stream(PeerId(self.settings.id, person)), message)

    def _group_seen(self, creator: str, group: str, facts: GroupFacts) -> None:
        if self._standings.see_group(creator, group, facts):
            self._refresh(GroupId(self.settings.id, creator, group))

    # Pairing

    def _code_wanted(self, wanted: PairingCodeRequested) -> None:
        now = self.system.now_ms()
        reason = withheld(self.state, wanted.person, now)
        if reason in ("limit", "approved"):
            self.children.tell(wanted.stream, PairingCodeWithheld(reason))
        elif reason == "pending":
            self._pass_on_code(wanted)
        else:
            drafts = decide_request(
                self.settings.id,
                self.state,
                wanted.person,
                wanted.seq,
                now,
                self.system.entropy(32),
            )
            self.append(drafts, lambda _: self._pass_on_code(wanted))

    def _announce(self, person: str) -> None:
        """Have `person` told of an approval, unless the notice of it is on its way."""
        approval = self.state.approvals.get(person)
        if approval and not approval.announced:
            self._tell_peer(person, Announce(person, approval.seq))

    def _pass_on_code(self, wanted: PairingCodeRequested) -> None:
        request = self.state.requests[wanted.person]
        code = self.system.log.body(request.seq)
        if code is None:
            self.children.tell(wanted.stream, PairingCodeWithheld("pending"))
        else:
            self.children.tell(wanted.stream, PairingCodeIssued(wanted.message, request.seq, code))

    def _rule(self, ruling: PairingDecision) -> None:
        account, person, by = self.settings.id, ruling.person, ruling.by
        match ruling.kind:
            case "approve":
                now = self.system.now_ms()
                drafts = decide_approval(account, self.state, person, by, now)
                done = any(isinstance(draft.event, PairingApproved) for draft in drafts)
            case "deny":
                drafts = decide_denial(account, self.state, person, by)
                done = bool(drafts)
            case "revoke":
                drafts = decide_revocation(account, self.state, person, by)
                done = bool(drafts)
        self.append(drafts, lambda _: ruling.answer(person if done else None))

    # Erasure

    def _forget(self, forget: Forget) -> None:
        account, person = self.settings.id, forget.person
        key_id = self.system.log.key_id(person_key(account, person))
        if person in self._forgetting:
            self._forgetting.join(person, forget.answer)
        elif key_id is None:
            forget.answer(None)
        else:
            now_ms = self.system.now_ms()
            drafts = decide_erasure(account, person, key_id=key_id, now_ms=now_ms, by=forget.by)
            self.append(drafts, lambda _: self._withdraw(forget))

    def _withdraw(self, forget: Forget) -> None:
        version = self.state.version
        self._forgetting.begin(forget.person, version, self.children, forget.answer)
        self._refresh_all()
        self._finish_forgetting()

    def _heard(self, stream: str, version: int) -> None:
        self._forgetting.heard(stream, version)
        self._finish_forgetting()

    def _finish_forgetting(self) -> None:
        """Here an actor reads whole streams, and waits for the disk: it is seldom."""
        persons = self._forgetting.ready()
        if persons:
            drafts = ends(self.system.log, self.state, self.settings.id, persons)
            self.append(drafts, lambda _: self._forgotten(persons))

    def _forgotten(self, persons: Sequence[str]) -> None:
        self._lose_keys(persons)
        self._forgetting.done(persons)
        self._refresh_all()

    def _lose_keys(self, persons: Iterable[str]) -> None:
        for person in persons:
            self.system.log.destroy(person_key(self.settings.id, person))

    def _is_forgotten(self, arrival: Arrival) -> bool:
        """Whether an arrival is named by a key that goes, or is gone: the intake has to read it
        again, and to name it anew."""
        key_id = self.system.log.key_id(person_key(self.settings.id, arrival.sender))
        return arrival.sender in self._forgetting or arrival.key_id != key_id

    # Failure

    def _child_failed(self, stream: str, failed: Any) -> None:
        """Start the conversation again from the log, without the message that broke it."""
        instead = list(self._strikes.instead(stream, failed))
        kept = carried(instead)
        for receipt in self.children.lost(stream):
            if receipt not in kept:
                receipt.refuse()
        self._failures[stream] = self._failures.get(stream, 0) + 1
        if self._failures[stream] > RESTARTS and not instead:
            at_ms = self.system.now_ms() + RESTART_PAUSE_MS
            self.system.effects.wake(stream, at_ms)
            self._heard(stream, self.state.version)
            return
        self._start_again(stream, instead)

    def _start_again(self, stream: str, messages: Iterable[Any]) -> None:
        """Start a conversation that failed, and tell it `messages`, and what it may have missed."""
        self.children.wake(stream)
        address = parse_stream(stream)
        if not isinstance(address, PeerId | GroupId):
            return
        for message in messages:
            self.children.tell(stream, message)
        self._refresh(address)
        if isinstance(address, PeerId):
            self._announce(address.name)

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the conversations down too: the gateway starts the whole account again."""
        self.children.stop_all()
        super().on_failure(exception_type, exception_value, traceback)

    def on_stop(self) -> None:
        """Stop the conversations with their parent."""
        self.children.stop_all()

    def _drafts(self, event: Event) -> list[Draft]:
        return [Draft(self.stream, event)]
