"""The state of one conversation, peer or group: what its stream folds to.

State holds references (versions in the stream) and never a word of anybody. It is a value: `evolve`
makes a new one. The same fold serves the live actor, recovery, audit and the tests.

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

from events.conversation_events import (
    AgentFailed,
    AgentReplied,
    BaselineTaken,
    Dispatched,
    MessageIgnored,
    MessageQueued,
    MessageSeen,
    MessageSetAside,
    PairingWithheld,
    PolicyDecided,
    Purpose,
    ReplyFailed,
    ReplySent,
    TurnCancelled,
    WatermarkAdvanced,
)
from events.event import Event, Recorded
from events.policy import ToolGrant


class Waiting(Struct, frozen=True, gc=False):
    """A message that is seen, and not done: `version` and `seq` of its MessageSeen."""

    version: int
    seq: int
    sender: str
    sent_ms: int
    tools: ToolGrant | None = None


class Turn(Struct, frozen=True, gc=False):
    """A turn in flight. `attempt` counts from 1; `retry_ms`: not before this time; 0: at once."""

    version: int
    seq: int
    messages: tuple[int, ...]
    sender: str
    began_ms: int
    attempt: int = 1
    retry_ms: int = 0


class Queued(Struct, frozen=True, gc=False):
    """A message that waits to stand in our own files of the mesh."""

    version: int
    seq: int
    purpose: Purpose
    answers: int
    queued_ms: int


class Conversation(Struct, frozen=True):
    """What is known of a conversation after `version` events. Times in ms.

    `newest_ms` is the highest time of any message seen; `watermark` the one up to which all is
    done. `uncoded`: a stranger's message for which a pairing code is still to be asked. `spent`:
    sender and time of the last turns, for the budget; `noticed_ms`: when somebody was last told
    that it is spent. `coded` and `announced`: global sequence of the pairing request and approval
    last passed on.
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
    spent: tuple[tuple[str, int], ...] = ()
    noticed_ms: int = 0
    coded: int = 0
    announced: int = 0

    @property
    def at_rest(self) -> bool:
        """Nothing is left to do here."""
        return not (self.waiting or self.uncoded or self.queue or self.turn or self.outbox)


SPENT_LIMIT = 256
"""How many of the last turns are remembered for the budget."""


def fold(recorded: Iterable[Recorded], state: Conversation | None = None) -> Conversation:
    """The state after all of `recorded`, from `state` or from nothing."""
    state = state or Conversation()
    for one in recorded:
        state = evolve(state, one)
    return state


def evolve(state: Conversation, recorded: Recorded) -> Conversation:
    """The state after one more event of this stream."""
    change = _EVOLVE.get(type(recorded.event))
    if change is None:
        return replace(state, version=recorded.version)
    return change(state, recorded, recorded.event)


def _without(messages: tuple[Waiting, ...], *versions: int) -> tuple[Waiting, ...]:
    return tuple(one for one in messages if one.version not in versions) if messages else ()


def _baseline_taken(state: Conversation, one: Recorded, _: BaselineTaken) -> Conversation:
    return replace(state, version=one.version, baseline=True)


def _message_seen(state: Conversation, one: Recorded, event: MessageSeen) -> Conversation:
    seen = Waiting(one.version, one.seq, event.sender, event.sent_ms)
    newest = event.sent_ms if event.sent_ms > state.newest_ms else state.newest_ms
    return replace(state, version=one.version, newest_ms=newest, waiting=(*state.waiting, seen))


def _message_ignored(state: Conversation, one: Recorded, event: MessageIgnored) -> Conversation:
    newest = max(event.sent_ms, state.newest_ms)
    return replace(state, version=one.version, newest_ms=newest)


def _policy_decided(state: Conversation, one: Recorded, event: PolicyDecided) -> Conversation:
    waiting = _without(state.waiting, event.message)
    if event.action == "ignore":
        return replace(state, version=one.version, waiting=waiting)
    decided = next(seen for seen in state.waiting if seen.version == event.message)
    if event.action == "process":
        queue = (*state.queue, replace(decided, tools=event.tools))
        return replace(state, version=one.version, waiting=waiting, queue=queue)
    uncoded = state.uncoded
    if event.considered.pairing == "none":
        uncoded = (*uncoded, decided)
    return replace(state, version=one.version, waiting=waiting, uncoded=uncoded)


def _pairing_withheld(state: Conversation, one: Recorded, event: PairingWithheld) -> Conversation:
    return replace(state, version=one.version, uncoded=_without(state.uncoded, event.message))


def _dispatched(state: Conversation, one: Recorded, event: Dispatched) -> Conversation:
    now = one.time // 1_000_000
    return replace(
        state,
        version=one.version,
        queue=_without(state.queue, *event.messages),
        turn=Turn(one.version, one.seq, event.messages, event.sender, now),
        spent=(*state.spent[-SPENT_LIMIT:], (event.sender, now)),
    )


def _turn_ended(
    state: Conversation, one: Recorded, _: AgentReplied | TurnCancelled
) -> Conversation:
    return replace(state, version=one.version, turn=None)


def _agent_failed(state: Conversation, one: Recorded, event: AgentFailed) -> Conversation:
    turn = None
    if state.turn and event.retry_ms:
        turn = replace(state.turn, attempt=event.attempt + 1, retry_ms=event.retry_ms)
    return replace(state, version=one.version, turn=turn)


def _message_queued(state: Conversation, one: Recorded, event: MessageQueued) -> Conversation:
    queued = Queued(one.version, one.seq, event.purpose, event.answers, one.time // 1_000_000)
    outbox = (*state.outbox, queued)
    if event.purpose == "pairing":
        uncoded = _without(state.uncoded, event.answers)
        return replace(state, version=one.version, outbox=outbox, uncoded=uncoded, coded=one.cause)
    if event.purpose == "approved":
        return replace(state, version=one.version, outbox=outbox, announced=one.cause)
    if event.purpose == "notice":
        return replace(state, version=one.version, outbox=outbox, noticed_ms=queued.queued_ms)
    return replace(state, version=one.version, outbox=outbox)


def _left_outbox(
    state: Conversation, one: Recorded, event: ReplySent | ReplyFailed
) -> Conversation:
    outbox = tuple(queued for queued in state.outbox if queued.version != event.queued)
    return replace(state, version=one.version, outbox=outbox)


def _set_aside(state: Conversation, one: Recorded, event: MessageSetAside) -> Conversation:
    return replace(
        state,
        version=one.version,
        waiting=_without(state.waiting, event.message),
        uncoded=_without(state.uncoded, event.message),
        queue=_without(state.queue, event.message),
    )


def _advanced(state: Conversation, one: Recorded, event: WatermarkAdvanced) -> Conversation:
    return replace(state, version=one.version, watermark=event.position)


_EVOLVE: dict[type[Event], Callable[[Conversation, Recorded, Any], Conversation]] = {
    BaselineTaken: _baseline_taken,
    MessageSeen: _message_seen,
    MessageIgnored: _message_ignored,
    PolicyDecided: _policy_decided,
    PairingWithheld: _pairing_withheld,
    Dispatched: _dispatched,
    TurnCancelled: _turn_ended,
    AgentReplied: _turn_ended,
    AgentFailed: _agent_failed,
    MessageQueued: _message_queued,
    ReplySent: _left_outbox,
    ReplyFailed: _left_outbox,
    MessageSetAside: _set_aside,
    WatermarkAdvanced: _advanced,
}
