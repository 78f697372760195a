"""The state of one conversation, peer or group: what its stream folds to.

State holds references (versions in the stream) and never a word of anybody. To everybody outside
this module it is a value: `evolve` makes a new one, and `fold` builds one in place, by the same
rules.

A message's way through the state:

    MessageSeen       waiting + message
    PolicyDecided     waiting - message; queue + message (process), or uncoded + message (pairing)
    Dispatched        queue - messages; turn in flight
    AgentReplied      no turn
    MessageQueued     outbox + message
    ReplySent         outbox - message
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from events.conversation.events import (
    AgentFailed,
    AgentReplied,
    BaselineTaken,
    Dispatched,
    MessageDeadLettered,
    MessageIgnored,
    MessageQueued,
    MessageRetried,
    MessageSeen,
    PairingWithheld,
    PolicyDecided,
    Purpose,
    ReplyFailed,
    ReplySent,
    TurnCancelled,
)
from events.event import Event, Recorded
from events.policy.account_policy import ToolGrant
from events.watermark import WatermarkAdvanced


class Waiting(Struct, frozen=True, gc=False):
    """A message that is seen, and not done: `version` and `seq` of its MessageSeen, and when that
    was recorded (`seen_ms`)."""

    version: int
    seq: int
    sender: str
    sent_ms: int
    tools: ToolGrant | None = None
    seen_ms: int = 0


class Turn(Struct, frozen=True, gc=False):
    """A turn in flight. `attempt` counts from 1; `retry_ms`: not before this time; 0: at once.

    `context`: what had been said when it began (see `ConversationState.said`), less what it asks.
    """

    version: int
    seq: int
    messages: tuple[int, ...]
    sender: str
    began_ms: int
    attempt: int = 1
    retry_ms: int = 0
    context: tuple[int, ...] = ()


class Queued(Struct, frozen=True, gc=False):
    """A message that waits to stand in our own files of the mesh."""

    version: int
    seq: int
    purpose: Purpose
    answers: int
    queued_ms: int


class ConversationState(Struct):
    """What is known of a conversation after `version` events. Times in ms.

    `newest_ms` is the highest time of any message seen; `watermark` the one up to which all is
    done. `uncoded`: a stranger's message for which a pairing code is still to be asked. `spent`:
    sender and time of the last turns, for the budget; `noticed_ms`: when somebody was last told
    that it is spent. `coded` and `announced`: global sequence of the pairing request and approval
    last passed on. `said`: global sequences of the newest messages that were let in (MessageSeen)
    and of our answers (AgentReplied), in the order in which they were said: all that a later turn
    may be told.
    """

    version: int = 0
    newest_ms: int = 0
    watermark: int = 0
    baseline: bool = False
    waiting: tuple[Waiting, ...] = ()
    uncoded: tuple[Waiting, ...] = ()
    queue: tuple[Waiting, ...] = ()
    turn: Turn | None = None
    outbox: tuple[Queued, ...] = ()
    spent: list[tuple[str, int]] = []
    noticed_ms: int = 0
    coded: int = 0
    announced: int = 0
    said: tuple[int, ...] = ()

    @property
    def at_rest(self) -> bool:
        """Nothing is left to do here."""
        return not (self.waiting or self.uncoded or self.queue or self.turn or self.outbox)


SPENT_LIMIT = 256
"""How many of the last turns are remembered for the budget at least; twice as many at most."""

SAID_LIMIT = 60
"""How many of the newest messages and answers are remembered as a turn's context."""


def fold(recorded: Iterable[Recorded], state: ConversationState | None = None) -> ConversationState:
    """The state after all of `recorded`, from `state` or from nothing."""
    state = _copy(state) if state else ConversationState()
    for record in recorded:
        _apply(state, record)
    return state


def evolve(state: ConversationState, recorded: Recorded) -> ConversationState:
    """The state after one more event of this stream; `state` stays as it is."""
    state = _copy(state)
    _apply(state, recorded)
    return state


def _copy(state: ConversationState) -> ConversationState:
    return replace(state, spent=list(state.spent))


def _apply(state: ConversationState, record: Recorded) -> None:
    change = _CHANGES.get(type(record.event))
    if change:
        change(state, record, record.event)
    state.version = record.version


def _without(messages: tuple[Waiting, ...], *versions: int) -> tuple[Waiting, ...]:
    return (
        tuple([message for message in messages if message.version not in versions])
        if messages
        else ()
    )


def _baseline_taken(state: ConversationState, _: Recorded, __: BaselineTaken) -> None:
    state.baseline = True


def _message_seen(state: ConversationState, record: Recorded, event: MessageSeen) -> None:
    seen_ms = record.time // 1_000_000
    state.waiting += (
        Waiting(record.version, record.seq, event.sender, event.sent_ms, seen_ms=seen_ms),
    )
    state.newest_ms = max(event.sent_ms, state.newest_ms)


def _message_ignored(state: ConversationState, _: Recorded, event: MessageIgnored) -> None:
    state.newest_ms = max(event.sent_ms, state.newest_ms)


def _policy_decided(state: ConversationState, _: Recorded, event: PolicyDecided) -> None:
    decided = next((seen for seen in state.waiting if seen.version == event.message), None)
    state.waiting = _without(state.waiting, event.message)
    if decided is None:
        return
    if event.action == "process":
        _say(state, decided.seq)
        state.queue += (replace(decided, tools=event.tools),)
    elif event.action == "pairing" and event.inputs.pairing == "none":
        state.uncoded += (decided,)


def _pairing_withheld(state: ConversationState, _: Recorded, event: PairingWithheld) -> None:
    state.uncoded = _without(state.uncoded, event.message)


def _dispatched(state: ConversationState, record: Recorded, event: Dispatched) -> None:
    now_ms = record.time // 1_000_000
    asked = {message.seq for message in state.queue if message.version in event.messages}
    context = tuple([seq for seq in state.said if seq not in asked])
    state.queue = _without(state.queue, *event.messages)
    state.turn = Turn(
        record.version, record.seq, event.messages, event.sender, now_ms, context=context
    )
    state.spent.append((event.sender, now_ms))
    if len(state.spent) > 2 * SPENT_LIMIT:
        del state.spent[:SPENT_LIMIT]


def _say(state: ConversationState, seq: int) -> None:
    said = (*state.said, seq)
    in_order = not state.said or state.said[-1] < seq  # a message may be decided late
    state.said = (said if in_order else tuple(sorted(said)))[-SAID_LIMIT:]


def _agent_replied(state: ConversationState, record: Recorded, event: AgentReplied) -> None:
    state.turn = None
    if not event.silent:
        _say(state, record.seq)


def _turn_cancelled(state: ConversationState, _: Recorded, __: TurnCancelled) -> None:
    state.turn = None


def _agent_failed(state: ConversationState, _: Recorded, event: AgentFailed) -> None:
    if state.turn and event.retry_ms:
        state.turn = replace(state.turn, attempt=event.attempt + 1, retry_ms=event.retry_ms)
    else:
        state.turn = None


def _message_queued(state: ConversationState, record: Recorded, event: MessageQueued) -> None:
    queued_ms = record.time // 1_000_000
    state.outbox += (Queued(record.version, record.seq, event.purpose, event.answers, queued_ms),)
    match event.purpose:
        case "pairing":
            state.uncoded = _without(state.uncoded, event.answers)
            state.coded = record.cause
        case "approved":
            state.announced = record.cause
        case "notice" if not event.answers:  # an apology answers a turn
            state.noticed_ms = queued_ms


def _left_outbox(state: ConversationState, _: Recorded, event: ReplySent | ReplyFailed) -> None:
    state.outbox = tuple([queued for queued in state.outbox if queued.version != event.queued])


def _set_aside(state: ConversationState, _: Recorded, event: MessageDeadLettered) -> None:
    state.waiting = _without(state.waiting, event.message)
    state.uncoded = _without(state.uncoded, event.message)
    state.queue = _without(state.queue, event.message)


def _retried(state: ConversationState, record: Recorded, event: MessageRetried) -> None:
    seen_ms = record.time // 1_000_000
    retried = Waiting(record.version, record.seq, event.sender, event.sent_ms, event.tools, seen_ms)
    state.queue += (retried,)


def _advanced(state: ConversationState, _: Recorded, event: WatermarkAdvanced) -> None:
    state.watermark = event.position


_CHANGES: dict[type[Event], Callable[[ConversationState, Recorded, Any], None]] = {
    BaselineTaken: _baseline_taken,
    MessageSeen: _message_seen,
    MessageIgnored: _message_ignored,
    PolicyDecided: _policy_decided,
    PairingWithheld: _pairing_withheld,
    Dispatched: _dispatched,
    TurnCancelled: _turn_cancelled,
    AgentReplied: _agent_replied,
    AgentFailed: _agent_failed,
    MessageQueued: _message_queued,
    ReplySent: _left_outbox,
    ReplyFailed: _left_outbox,
    MessageDeadLettered: _set_aside,
    MessageRetried: _retried,
    WatermarkAdvanced: _advanced,
}
