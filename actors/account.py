"""The actor of an account: policy, pairing, the feed's cursor, people.

It stands beside its conversations, not between them and the world: they are told what it knows (a
policy context) whenever that changes, and ask it only for what it alone may give, pairing codes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

from actors.acknowledgements import Acknowledgements
from actors.erasures import Erasures
from actors.messages import (
    Announce,
    Announced,
    ContextAck,
    ConversationLost,
    CursorReached,
    ErasePerson,
    ErasureCutoffFound,
    GroupSeen,
    KeyDestroyed,
    Observed,
    PairingCodeIssued,
    PairingCodeRequested,
    PairingCodeWithheld,
    PairingDecision,
    PolicyContextChanged,
    TaskFailed,
    Tick,
    UsersSeen,
    Woken,
)
from actors.policy_contexts import PolicyContexts
from actors.runtime.event_sourced import EventSourced
from actors.runtime.system import DestroyKey, FindErasureCutoff, System, WatchTask
from events.account.erasure import decide_end, decide_erasure
from events.account.events import (
    AccountOffline,
    AccountOnline,
    ChatAppDeaf,
    ChatAppHealed,
    PairingAnnounced,
    PairingApproved,
    PairingDenied,
    PairingExpired,
    PairingRequested,
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
from events.conversation.policy_context import person_key
from events.event import Draft, Event, Recorded
from events.policy.account_policy import AccountPolicy
from events.streams import (
    ConversationId,
    GroupId,
    PeerId,
    account_stream,
    conversation_stream,
    parse_stream,
)
from events.watermark import WatermarkAdvanced


@dataclass(frozen=True)
class AccountSettings:
    """What the configuration says of an account, as far as actors need it."""

    id: str
    mesh: str
    policy: AccountPolicy
    agent: str


class AccountActor(EventSourced[AccountState]):
    """One bot user of one mesh. `contexts` is where it publishes what conversations decide by;
    `unfinished`: streams of its conversations with work left open by an earlier process."""

    def __init__(
        self,
        system: System,
        settings: AccountSettings,
        contexts: PolicyContexts,
        unfinished: Iterable[str],
    ) -> None:
        super().__init__(system, account_stream(settings.id), fold, evolve)
        self.settings = settings
        self._contexts = contexts
        self._unfinished = tuple(unfinished)
        self._acknowledgements = Acknowledgements()
        self._erasures = Erasures()

    # Beginning

    def on_ready(self) -> None:
        """Put the policy on record, finish erasures, resume what was left open, then watch."""
        policy = self.settings.policy
        applied = PolicyApplied(policy.digest(), policy, self.settings.mesh)
        changed = self.state.digest != applied.digest or self.state.mesh != applied.mesh
        self._record([applied] if changed else [], self._resume)

    def _resume(self) -> None:
        unfinished = self._unfinished_erasures()
        for person in unfinished:
            self._erasures.begin(person)
        self._tell_of_erasures(unfinished)
        for stream in self._unfinished:
            self.system.router.wake(stream)
        self._announce_approvals()
        self._watch()

    def _watch(self) -> None:
        self.system.effects.begin(WatchTask(self.settings.id, self.state))

    # Messages

    def handle(self, message: Any) -> None:
        """Decide what follows from one message of an edge, a conversation, or the operator."""
        match message:
            case PairingCodeRequested():
                self._code_requested(message)
            case GroupSeen():
                self._group_seen(message)
            case UsersSeen(users):
                if self._contexts.see_users(users | self.state.approvals.keys()):
                    self._push_to_all()
            case PairingDecision():
                self._decide_pairing(message)
            case Tick() | Woken():
                now_ms = self.system.now_ms()
                self._append(decide_expiry(self.settings.id, self.state, now_ms))
                self._announce_approvals()
            case TaskFailed(WatchTask()):
                self._watch()
            case TaskFailed(task):
                self.system.effects.begin(task)
            case ContextAck(conversation, version):
                self._acknowledgements.acknowledged(conversation, version)
            case ConversationLost(conversation):
                self._acknowledgements.lost(conversation)
            case CursorReached() | Observed() | Announced():
                self._record(self._noted(message))
            case _:
                self._erasure_goes_on(message)

    def _noted(self, message: Any) -> list[Event]:
        match message:
            case CursorReached(position, unavailable):
                state = self.state
                moved = (position, unavailable) != (state.cursor, state.unavailable)
                news = moved or state.groups_turned_on
                return [WatermarkAdvanced(position, unavailable)] if news else []
            case Observed(drafts):
                return [draft.event for draft in drafts if self._is_news(draft.event)]
            case Announced(person):
                approval = self.state.approvals.get(person)
                known = approval is None or approval.announced
                return [] if known else [PairingAnnounced(person)]
        return []

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

    # Recording

    def _record(self, events: Sequence[Event], then: Callable[[], None] | None = None) -> None:
        self._append([Draft(self.stream, event) for event in events], then)

    def _append(self, drafts: Sequence[Draft], then: Callable[[], None] | None = None) -> None:
        """Append, and let the conversations concerned know before `then`: whoever hears that it is
        done may count on that."""

        def after(recorded: Sequence[Recorded]) -> None:
            self._let_know(recorded)
            if then:
                then()

        self.append(drafts, after)

    def _let_know(self, recorded: Sequence[Recorded]) -> None:
        if recorded and self._contexts.published:
            self._publish()
        for record in recorded:
            match record.event:
                case PairingApproved(_, person, _):
                    self._push(self._peer(person))
                    self._announce(person)
                case (
                    PairingRequested(person)
                    | PairingRevoked(person)
                    | PairingExpired(_, person)
                    | PairingDenied(_, person)
                ):
                    self._push(self._peer(person))

    def _publish(self) -> None:
        self._contexts.publish(self.state, self._erasures.as_seen(self.state.erased))

    # Conversations

    def _peer(self, person: str) -> PeerId:
        return PeerId(self.settings.id, person)

    def _live_conversations(self) -> list[str]:
        return self.system.router.live(f"{self.stream}/")

    def _push(self, conversation: ConversationId) -> None:
        """Tell a live conversation its policy context; one that begins later reads the newest."""
        context = self._contexts.of(conversation, self.system.now_ms())
        stream = conversation_stream(conversation)
        self.system.router.tell_if_live(stream, PolicyContextChanged(context))

    def _push_to_all(self) -> None:
        for stream in self._live_conversations():
            conversation = parse_stream(stream)
            if isinstance(conversation, PeerId | GroupId):
                self._push(conversation)

    def _tell(self, conversation: str, message: Any) -> None:
        self.system.router.tell(conversation, message)

    def _group_seen(self, seen: GroupSeen) -> None:
        if self._contexts.see_group(seen.creator, seen.group, seen.facts):
            self._push(GroupId(self.settings.id, seen.creator, seen.group))
        seen.receipt.confirm()

    # Pairing

    def _code_requested(self, request: PairingCodeRequested) -> None:
        now_ms = self.system.now_ms()
        reason = withheld(self.state, request.person, now_ms)
        if self._erasures.cover(request.person, request.seq, self.state.erased):
            self._tell(request.stream, PairingCodeWithheld("erased"))
        elif reason in ("limit", "approved"):
            self._tell(request.stream, PairingCodeWithheld(reason))
        elif reason == "pending":
            self._pass_on_code(request)
        else:
            drafts = decide_request(
                self.settings.id,
                self.state,
                request.person,
                request.seq,
                now_ms,
                self.system.entropy(32),
            )
            self._append(drafts, lambda: self._pass_on_code(request))

    def _pass_on_code(self, request: PairingCodeRequested) -> None:
        pending = self.state.requests[request.person]
        code = self.system.log.body(pending.seq)
        if code is None:
            self._tell(request.stream, PairingCodeWithheld("pending"))
        else:
            self._tell(request.stream, PairingCodeIssued(request.message, pending.seq, code))

    def _announce(self, person: str) -> None:
        """Have `person` told of an approval, unless the notice of it is on its way."""
        approval = self.state.approvals.get(person)
        if approval and not approval.announced:
            self._tell(conversation_stream(self._peer(person)), Announce(person, approval.seq))

    def _announce_approvals(self) -> None:
        """Those that a conversation was not told of, or lost, are announced again."""
        for person in self.state.approvals:
            self._announce(person)

    def _decide_pairing(self, decision: PairingDecision) -> None:
        account, person, by = self.settings.id, decision.person, decision.by
        match decision.kind:
            case "approve":
                now_ms = self.system.now_ms()
                drafts = decide_approval(account, self.state, person, by, now_ms)
                done = any(isinstance(draft.event, PairingApproved) for draft in drafts)
            case "deny":
                drafts = decide_denial(account, self.state, person, by)
                done = bool(drafts)
            case "revoke":
                drafts = decide_revocation(account, self.state, person, by)
                done = bool(drafts)
        self._append(drafts, lambda: self._answer_decision(decision, done=done))

    def _answer_decision(self, decision: PairingDecision, *, done: bool) -> None:
        """When the person's conversation knows of it: from then on nothing is decided by what was
        true before."""
        stream = conversation_stream(self._peer(decision.person))
        live = [stream] if done and self.system.router.is_live(stream) else []
        outcome = decision.person if done else None
        self._acknowledgements.when_known(
            self.state.version,
            live,
            lambda: decision.answer.give(outcome),
            lambda: decision.answer.fail("it is recorded, but the account failed just then"),
        )

    # Erasure

    def _erasure_goes_on(self, message: Any) -> None:
        match message:
            case ErasePerson():
                self._erase(message)
            case ErasureCutoffFound(person, newest_ms):
                self._end_erasure(person, newest_ms)
            case KeyDestroyed(person):
                self._erased(person)
            case _:
                msg = f"{self.stream} can't handle {message!r}"
                raise TypeError(msg)

    def _unfinished_erasures(self) -> list[str]:
        """Those on record whose key is still there: an earlier process did not come to its end."""
        return [
            person
            for person, erasure in self.state.erased.items()
            if self._key_id(person) == erasure.key_id
        ]

    def _key_id(self, person: str) -> bytes | None:
        return self.system.log.key_id(person_key(self.settings.id, person))

    def _erase(self, request: ErasePerson) -> None:
        account, person = self.settings.id, request.person
        key_id = self._key_id(person)
        if person in self._erasures:
            self._erasures.join(person, request.answer)
        elif key_id is None:
            request.answer.give(None)
        else:
            until_ms = self.system.clocks.proved_wall_ms()
            drafts = decide_erasure(
                account, person, key_id=key_id, until_ms=until_ms, by=request.by
            )
            self._append(drafts, lambda: self._begin_erasure(request))

    def _begin_erasure(self, request: ErasePerson) -> None:
        self._erasures.begin(request.person, request.answer)
        self._tell_of_erasures([request.person])

    def _tell_of_erasures(self, persons: Iterable[str]) -> None:
        """First publish, then look who is live: so nobody begins by what was true before."""
        self._publish()
        live = self._live_conversations()
        self._push_to_all()
        for person in persons:
            find = FindErasureCutoff(self.settings.id, person)
            self._acknowledgements.when_known(
                self.state.version, live, partial(self.system.effects.begin, find)
            )

    def _end_erasure(self, person: str, newest_ms: int) -> None:
        if person in self._erasures:
            drafts = decide_end(self.settings.id, person, self.state.erased[person], newest_ms)
            destroy = DestroyKey(self.settings.id, person)
            self._append(drafts, lambda: self.system.effects.begin(destroy))

    def _erased(self, person: str) -> None:
        if person in self._erasures:
            self._erasures.done(person)
            self._publish()
            self._push_to_all()

    # The end

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Whoever waits for an answer hears that it is not to be had from this actor."""
        self._acknowledgements.abandon()
        self._erasures.fail("the account failed; the erasure is finished when it starts again")
        super().on_failure(exception_type, exception_value, traceback)
