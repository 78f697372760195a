"""The actor of one conversation: it holds no rule of its own.

It is told what arrived, what the agent answered, what was sent; it asks the rules what follows,
appends that, and when it is durable does what the new state calls for.
"""

from collections.abc import Sequence
from typing import Any

import pykka

from actors.messages import (
    AgentAnswered,
    AgentErred,
    Announce,
    Announced,
    Appended,
    ContextAck,
    Loaded,
    LoadFailed,
    PairingCodeIssued,
    PairingCodeRequested,
    PairingCodeWithheld,
    Passivate,
    PolicyContextChanged,
    ProcessBatch,
    RecordAsMalformed,
    RequestPassivation,
    ResolveDeadLetter,
    Say,
    Sent,
    Unsendable,
    Woken,
)
from actors.runtime.dispatcher import tell
from actors.runtime.event_sourced import EventSourced
from actors.runtime.system import AskTask, SendTask, System
from events.conversation.arrivals import (
    Arrival,
    decide_arrivals,
    decide_baseline,
    decide_set_aside,
    decide_waited_too_long,
)
from events.conversation.decision_builder import DecisionContext
from events.conversation.effects import Ask, Effect, RequestCode, Send, Wake, due
from events.conversation.events import MessageDropped, MessageQueued, MessageRetried
from events.conversation.outbox import (
    decide_approved,
    decide_code,
    decide_no_code,
    decide_send,
    decide_sent,
    decide_unsendable,
)
from events.conversation.policy_context import PolicyContext
from events.conversation.state import ConversationState, evolve, fold
from events.conversation.turns import (
    decide_drop,
    decide_failure,
    decide_reply,
    decide_retry,
    decide_standing,
)
from events.event import Draft, Recorded
from events.streams import ConversationId, conversation_stream

ENTROPY_BYTES = 32

_NOT_FROM_PARENT = (Loaded, LoadFailed, Appended)


class ConversationActor(EventSourced[ConversationState]):
    """One conversation. `policy_context` is the account's latest word on it."""

    def __init__(
        self,
        system: System,
        parent: "pykka.ActorRef[Any]",
        address: ConversationId,
        policy_context: PolicyContext,
    ) -> None:
        super().__init__(system, conversation_stream(address), parent, fold, evolve)
        self.address = address
        self.policy_context = policy_context
        self._parent = parent
        self._received = 0
        self._queued_here: set[int] = set()
        self._under_way: set[Effect] = set()

    def on_receive(self, message: Any) -> None:
        """Count what the parent told, for the handshake before this actor is stopped."""
        if not isinstance(message, _NOT_FROM_PARENT):
            self._received += 1
        super().on_receive(message)

    def on_ready(self) -> None:
        """Resume what was left open: the same look at the state as after every append."""
        self._look_again()

    def handle(self, message: Any) -> None:
        """Decide what follows from one message of the parent."""
        match message:
            case ProcessBatch():
                self._deliver(message)
            case RecordAsMalformed(arrivals, receipt):
                drafts = decide_set_aside(self._moment(), arrivals, self._known(arrivals))
                self.append(drafts, lambda _: receipt.confirm())
            case PolicyContextChanged(policy_context):
                self.policy_context = policy_context
                self._look_again()
                tell(self._parent, ContextAck(self.stream, policy_context.account_version))
            case Announce(person, seq):
                announced = Announced(person)
                self.append(
                    decide_approved(self._moment(), person, seq),
                    lambda _: tell(self._parent, announced),
                )
            case ResolveDeadLetter():
                drafts = self._redeemed(message)
                self.append(drafts, lambda recorded: message.answer(bool(recorded)))
            case RequestPassivation():
                self.append(decide_waited_too_long(self._moment()), lambda _: self._ask_to_stop())
            case Woken():
                self._under_way = {one for one in self._under_way if not isinstance(one, Wake)}
                self._do_what_is_due()
            case _:
                self.append(self._follows_from(message))

    def on_applied(self, recorded: Sequence[Recorded]) -> None:
        """Do what the new state calls for."""
        for record in recorded:
            if isinstance(record.event, MessageQueued):
                self._queued_here.add(record.version)
        self._do_what_is_due()

    def _follows_from(self, message: Any) -> list[Draft]:
        context = self._moment()
        match message:
            case AgentAnswered(turn, attempt, reply):
                return decide_reply(context, turn, attempt, reply)
            case AgentErred(turn, attempt, failure):
                return decide_failure(context, turn, attempt, failure)
            case Sent(queued, sent_ms, reconciled, posts):
                return decide_sent(
                    context, queued, sent_ms=sent_ms, reconciled=reconciled, posts=posts
                )
            case Unsendable(queued, error):
                return decide_unsendable(context, queued, error)
            case PairingCodeIssued(version, request_seq, code):
                return decide_code(context, version, request_seq, code)
            case PairingCodeWithheld(reason):
                return decide_no_code(context, reason)
            case Say(text):
                return decide_send(context, self.correspondent(), text)
        msg = f"{self.stream} can't handle {message!r}"
        raise TypeError(msg)

    def correspondent(self) -> str:
        """The person that the operator's words in this conversation are for."""
        raise NotImplementedError

    def _deliver(self, first: ProcessBatch) -> None:
        """Decide everything that was delivered meanwhile as one batch, on the newest standing."""
        deliveries = [first]
        while self.stash and _goes_with(first, self.stash[0]):
            deliveries.append(self.stash.popleft())
        self._handling = deliveries
        self.policy_context = deliveries[-1].policy_context
        arrivals = [arrival for delivery in deliveries for arrival in delivery.arrivals]
        known = self._known(arrivals)
        if first.baseline:
            identities = [one.identity for one in arrivals if one.identity not in known]
            drafts = decide_baseline(self._moment(), list(dict.fromkeys(identities)))
        else:
            drafts = decide_arrivals(self._moment(), arrivals, known)

        def confirm(_: Sequence[Recorded]) -> None:
            for delivery in deliveries:
                delivery.receipt.confirm()

        self.append(drafts, confirm)

    def _look_again(self) -> None:
        """Decide what follows from the standing, and do what is due by it."""
        waiting = self.state.waiting if self.policy_context.is_known else ()
        texts = {message.version: self.system.log.body(message.seq) or "" for message in waiting}
        drafts = decide_standing(self._moment(), texts)
        self.append(drafts)
        if not drafts:
            self._do_what_is_due()

    def _redeemed(self, redeem: ResolveDeadLetter) -> list[Draft]:
        """What the operator's word leads to; nothing when it was given before."""
        for record in self.system.log.read_stream(self.stream, redeem.aside):
            match record.event:
                case MessageRetried(message) | MessageDropped(message) if message == redeem.aside:
                    return []
        if redeem.tools is None:
            return decide_drop(self._moment(), redeem.aside)
        return decide_retry(self._moment(), redeem.aside, redeem.seen, redeem.tools)

    def _moment(self) -> DecisionContext:
        return DecisionContext(
            self.state,
            self.address,
            self.policy_context,
            self.system.now_ms(),
            self.system.entropy(ENTROPY_BYTES),
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
        account = self.policy_context.account
        match effect:
            case Ask(turn, attempt):
                self.system.effects.ask(AskTask(account, self.stream, turn, attempt))
            case Send(version):
                queued = next(one for one in self.state.outbox if one.version == version)
                doubtful = version not in self._queued_here
                self.system.effects.send(
                    SendTask(account, self.stream, version, queued.seq, queued.queued_ms, doubtful)
                )
            case RequestCode(message):
                stranger = next(one for one in self.state.uncoded if one.version == message)
                tell(
                    self._parent,
                    PairingCodeRequested(self.stream, stranger.sender, message, stranger.seq),
                )
            case Wake(at_ms):
                self.system.effects.wake(self.stream, at_ms)

    def _ask_to_stop(self) -> None:
        if self.state.at_rest and not self.stash:
            tell(self._parent, Passivate(self.stream, self._received))


def _goes_with(first: ProcessBatch, message: Any) -> bool:
    return (
        isinstance(message, ProcessBatch)
        and message.baseline == first.baseline
        and not (first.alone or message.alone)
    )
