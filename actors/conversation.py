"""The actor of one conversation: it holds no rule of its own.

It is told what arrived, what the agent answered, what was sent; it asks the rules what follows,
appends that, and when it is durable does what the new state calls for.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from actors.messages import (
    AgentAnswered,
    AgentErred,
    Announce,
    Announced,
    ContextAck,
    IncomingBatch,
    PairingCodeIssued,
    PairingCodeRequested,
    PairingCodeWithheld,
    PolicyContextChanged,
    RecordAsMalformed,
    ResolveDeadLetter,
    SendFailed,
    Sent,
    TaskFailed,
    Woken,
)
from actors.runtime.event_sourced import EventSourced
from actors.runtime.lifecycle import RequestPassivation
from actors.runtime.system import AskTask, SendTask, System
from events.conversation.arrivals import (
    Arrival,
    decide_arrivals,
    decide_baseline,
    decide_malformed,
    decide_waited_too_long,
)
from events.conversation.decision_builder import DecisionContext
from events.conversation.effects import Ask, Effect, RequestCode, Send, Wake, due
from events.conversation.events import MessageDropped, MessageQueued, MessageRetried
from events.conversation.outbox import (
    decide_approved,
    decide_code,
    decide_no_code,
    decide_sent,
    decide_unsendable,
)
from events.conversation.policy_context import PolicyContext, person_key
from events.conversation.state import ConversationState, evolve, fold
from events.conversation.turns import (
    decide_drop,
    decide_failure,
    decide_policy_context,
    decide_reply,
    decide_retry,
)
from events.event import Draft, Recorded
from events.streams import ConversationId, account_stream, conversation_stream

ENTROPY_BYTES = 32


class ConversationActor(EventSourced[ConversationState]):
    """One conversation. `policy_context` is the account's latest word on it."""

    passivates: ClassVar[bool] = True

    def __init__(
        self, system: System, address: ConversationId, policy_context: PolicyContext
    ) -> None:
        super().__init__(system, conversation_stream(address), fold, evolve)
        self.address = address
        self.policy_context = policy_context
        self._queued_here: set[int] = set()
        self._under_way: set[Effect] = set()

    def on_ready(self) -> None:
        """Resume what was left open: the same look at the state as after every append."""
        self._look_again()

    def handle(self, message: Any) -> None:
        """Decide what follows from one message."""
        match message:
            case IncomingBatch():
                self._take_in(message)
            case RecordAsMalformed(arrivals, receipt):
                drafts = decide_malformed(self._context(), arrivals, self._known(arrivals))
                self.append(drafts, lambda _: receipt.confirm())
            case PolicyContextChanged(context):
                self.policy_context = context
                self._look_again()
                self._tell_account(ContextAck(self.stream, context.account_version))
            case Announce(person, seq):
                drafts = decide_approved(self._context(), person, seq)
                self.append(drafts, lambda _: self._tell_account(Announced(person)))
            case ResolveDeadLetter():
                drafts = self._resolution(message)
                self.append(drafts, lambda recorded: message.answer.give(bool(recorded)))
            case RequestPassivation():
                drafts = decide_waited_too_long(self._context())
                self.append(drafts, lambda _: self._stop_if_at_rest())
            case Woken():
                self._forget_under_way(Wake)
                self._do_what_is_due()
            case TaskFailed(task):
                self._task_failed(task)
            case _:
                self.append(self._follows_from(message))

    def on_applied(self, recorded: Sequence[Recorded]) -> None:
        """Do what the new state calls for."""
        for record in recorded:
            if isinstance(record.event, MessageQueued):
                self._queued_here.add(record.version)
        self._do_what_is_due()

    def _follows_from(self, message: Any) -> list[Draft]:
        context = self._context()
        match message:
            case AgentAnswered(turn, attempt, reply):
                return decide_reply(context, turn, attempt, reply)
            case AgentErred(turn, attempt, failure):
                return decide_failure(context, turn, attempt, failure)
            case Sent(queued, sent_ms, reconciled, posts):
                return decide_sent(
                    context, queued, sent_ms=sent_ms, reconciled=reconciled, posts=posts
                )
            case SendFailed(queued, error):
                return decide_unsendable(context, queued, error)
            case PairingCodeIssued(version, request_seq, code):
                return decide_code(context, version, request_seq, code)
            case PairingCodeWithheld(reason):
                return decide_no_code(context, reason)
        msg = f"{self.stream} can't handle {message!r}"
        raise TypeError(msg)

    def _take_in(self, first: IncomingBatch) -> None:
        """Decide everything that was delivered meanwhile as one batch, on the newest context."""
        batches = [first]
        while self.stash and _goes_with(first, self.stash[0]):
            batches.append(self.stash.popleft())
        self._handling = batches
        for batch in batches:
            if any(self._is_misnamed(arrival) for arrival in batch.arrivals):
                batch.receipt.refuse()
        batches = [batch for batch in batches if not batch.receipt.settled]
        arrivals = [arrival for batch in batches for arrival in batch.arrivals]
        known = self._known(arrivals)
        if not batches:
            drafts: list[Draft] = []
        elif first.baseline:
            identities = [each.identity for each in arrivals if each.identity not in known]
            drafts = decide_baseline(self._context(), list(dict.fromkeys(identities)))
        else:
            drafts = decide_arrivals(self._context(), arrivals, known)

        def confirm(_: Sequence[Recorded]) -> None:
            for batch in batches:
                batch.receipt.confirm()

        self.append(drafts, confirm)

    def _is_misnamed(self, arrival: Arrival) -> bool:
        """Whether an arrival is named by a key that goes, or is gone: the intake has to read it
        again, and to name it anew."""
        if self.policy_context.is_being_erased(arrival.sender):
            return True
        person = person_key(self.policy_context.account, arrival.sender)
        return arrival.key_id != self.system.log.key_id(person)

    def _look_again(self) -> None:
        """Decide what follows from the standing, and do what is due by it."""
        waiting = self.state.waiting if self.policy_context.is_known else ()
        texts = {message.version: self.system.log.body(message.seq) or "" for message in waiting}
        drafts = decide_policy_context(self._context(), texts)
        self.append(drafts)
        if not drafts:
            self._do_what_is_due()

    def _resolution(self, resolve: ResolveDeadLetter) -> list[Draft]:
        """What the operator's word leads to; nothing when it was given before."""
        for record in self.system.log.read_stream(self.stream, resolve.letter):
            match record.event:
                case MessageRetried(message) | MessageDropped(message) if message == resolve.letter:
                    return []
        if resolve.tools is None:
            return decide_drop(self._context(), resolve.letter)
        return decide_retry(self._context(), resolve.letter, resolve.seen, resolve.tools)

    def _context(self) -> DecisionContext:
        return DecisionContext(
            self.state,
            self.address,
            self.policy_context,
            self.system.now_ms(),
            self.system.entropy(ENTROPY_BYTES),
            self.system.clocks.unproved_ms(),
        )

    def _known(self, arrivals: Sequence[Arrival]) -> set[bytes]:
        """What the dedup index holds of `arrivals`: exact, as no append is in flight."""
        seen = self.system.log.seen
        return {arrival.identity for arrival in arrivals if seen(arrival.identity)}

    def _do_what_is_due(self) -> None:
        known = self.policy_context.is_known
        called_for = set(due(self.state, self.system.now_ms(), known=known))
        fresh = called_for - self._under_way
        self._under_way = called_for
        for effect in fresh:
            self._begin(effect)

    def _begin(self, effect: Effect) -> None:
        account, effects = self.policy_context.account, self.system.effects
        match effect:
            case Ask(turn, attempt):
                context = self.state.turn.context if self.state.turn else ()
                effects.begin(AskTask(account, self.stream, turn, attempt, context))
            case Send(version):
                queued = next(each for each in self.state.outbox if each.version == version)
                doubtful = version not in self._queued_here
                effects.begin(
                    SendTask(account, self.stream, version, queued.seq, queued.queued_ms, doubtful)
                )
            case RequestCode(message):
                stranger = next(each for each in self.state.uncoded if each.version == message)
                self._tell_account(
                    PairingCodeRequested(self.stream, stranger.sender, message, stranger.seq)
                )
            case Wake(at_ms):
                effects.wake(self.stream, at_ms)

    def _task_failed(self, task: object) -> None:
        """It is due again. What it had sent by then is looked for first."""
        match task:
            case AskTask():
                self._forget_under_way(Ask)
            case SendTask(queued=queued):
                self._queued_here.discard(queued)
                self._forget_under_way(Send)
        self._do_what_is_due()

    def _forget_under_way(self, kind: type[Effect]) -> None:
        self._under_way = {each for each in self._under_way if not isinstance(each, kind)}

    def _tell_account(self, message: Any) -> None:
        self.system.router.tell(account_stream(self.policy_context.account), message)

    def _stop_if_at_rest(self) -> None:
        if self.state.at_rest and not self.stash:
            self.system.router.passivate(self.stream, self.received)


def _goes_with(first: IncomingBatch, message: Any) -> bool:
    return (
        isinstance(message, IncomingBatch)
        and message.baseline == first.baseline
        and not (first.alone or message.alone)
    )
