"""What actors and edges tell each other. Frozen values; only ever told, never asked.

Children are addressed by stream through their parent: `Forward(stream, message)`.
"""

from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from events.conversation.arrivals import Arrival
from events.conversation.policy_context import GroupFacts, PolicyContext
from events.conversation.turns import Failure, Reply
from events.event import Draft, Recorded
from events.policy.account_policy import ToolGrant
from events.streams import ConversationId
from events.watermark import UnavailableFile
from store.log.event_log import Outcome


class Receipt(Protocol):
    """By which the intake hears what became of what it delivered. Thread-safe; the first call
    counts.
    """

    @property
    def settled(self) -> bool:
        """Whether it was confirmed or refused already."""

    def confirm(self) -> None:
        """All of it is durably decided."""

    def refuse(self) -> None:
        """It was not; it has to be delivered again."""


# To an account


class IncomingBatch(msgspec.Struct, frozen=True):
    """From the intake: messages of one conversation, in order. `baseline`: there before us."""

    conversation: ConversationId
    arrivals: tuple[Arrival, ...]
    receipt: Receipt
    baseline: bool = False


class CursorReached(msgspec.Struct, frozen=True):
    """From the intake: everything up to `position` is decided, or owed."""

    position: int
    unavailable: tuple[UnavailableFile, ...]


class Observed(msgspec.Struct, frozen=True):
    """From the intake: something about the agent that belongs on the account's record."""

    drafts: tuple[Draft, ...]


class GroupSeen(msgspec.Struct, frozen=True):
    """From the intake: what a group's creator published of it."""

    creator: str
    group: str
    facts: GroupFacts


class UsersSeen(msgspec.Struct, frozen=True):
    """From the intake: everybody the mesh knows."""

    users: frozenset[str]


class PairingCodeRequested(msgspec.Struct, frozen=True):
    """From a peer: a stranger's `message` (version; `seq` global) asks for a pairing code."""

    stream: str
    person: str
    message: int
    seq: int


class Announced(msgspec.Struct, frozen=True):
    """From a peer: the notice of approval is durably queued."""

    person: str


class PairingDecision(msgspec.Struct, frozen=True):
    """From the operator: a pairing to approve, deny or revoke. `answer` gets a sentence, or `None`
    when there was nothing to rule on."""

    kind: Literal["approve", "deny", "revoke"]
    person: str
    by: str
    answer: Callable[[str | None], None]


class Forget(msgspec.Struct, frozen=True):
    """From the operator: give up the words of `person`. `answer` gets the name when it is done, or
    `None` when nothing was kept of them."""

    person: str
    by: str
    answer: Callable[[str | None], None]


class ContextAck(msgspec.Struct, frozen=True):
    """From a child: all that it decides from now on, it decides by a standing of this version."""

    stream: str
    account_version: int


class Passivate(msgspec.Struct, frozen=True):
    """From a child: nothing is left to do after `received` messages."""

    stream: str
    received: int


class ChildFailed(msgspec.Struct, frozen=True):
    """From a child that stopped: what it could not handle, and the kind of error."""

    stream: str
    message: Any
    error: str


class Tick(msgspec.Struct, frozen=True):
    """From the edge, now and then: look at what time has changed."""


class Forward(msgspec.Struct, frozen=True):
    """To be handed down to the actor of `stream`, which is started if it isn't live."""

    stream: str
    message: Any


# To a conversation


class ProcessBatch(msgspec.Struct, frozen=True):
    """Messages to record and judge by `policy_context`. `alone`: not together with others, to find
    the one that breaks the actor.
    """

    arrivals: tuple[Arrival, ...]
    policy_context: PolicyContext
    receipt: Receipt
    baseline: bool = False
    alone: bool = False


class RecordAsMalformed(msgspec.Struct, frozen=True):
    """Messages that broke this actor before: record them, judge nothing."""

    arrivals: tuple[Arrival, ...]
    receipt: Receipt


class PolicyContextChanged(msgspec.Struct, frozen=True):
    """The account's policy, a pairing, or the group has changed."""

    policy_context: PolicyContext


class AgentAnswered(msgspec.Struct, frozen=True):
    """The agent's answer to an attempt of a turn."""

    turn: int
    attempt: int
    reply: Reply


class AgentErred(msgspec.Struct, frozen=True):
    """An attempt of a turn failed in a way that is known."""

    turn: int
    attempt: int
    failure: Failure


class Sent(msgspec.Struct, frozen=True):
    """A queued message stands in our own files of the mesh."""

    queued: int
    sent_ms: int
    reconciled: bool
    posts: int


class Unsendable(msgspec.Struct, frozen=True):
    """A queued message can't ever be sent."""

    queued: int
    error: str


class PairingCodeIssued(msgspec.Struct, frozen=True):
    """The pairing code for a stranger's message; `request_seq` is the PairingRequested."""

    message: int
    request_seq: int
    code: str


class PairingCodeWithheld(msgspec.Struct, frozen=True):
    """Strangers here get no code now."""

    reason: Literal["pending", "limit", "approved"]


class Announce(msgspec.Struct, frozen=True):
    """Tell `person` of their approval; `seq` is the PairingApproved."""

    person: str
    seq: int


class Say(msgspec.Struct, frozen=True):
    """From the operator: send `text` in this conversation."""

    text: str


class ResolveDeadLetter(msgspec.Struct, frozen=True):
    """From the operator: a message set aside (as version `aside`; `seen` is its MessageSeen) is
    to be answered after all, or done with (`tools` is `None`). `answer` hears whether that was
    recorded.
    """

    aside: int
    seen: Recorded
    tools: ToolGrant | None
    answer: Callable[[bool], None]


class Woken(msgspec.Struct, frozen=True):
    """A time that the actor asked to be woken at has come."""


class RequestPassivation(msgspec.Struct, frozen=True):
    """From the parent: may you be stopped?"""


# To any event-sourced actor


class Loaded(msgspec.Struct, frozen=True):
    """The state that the stream folds to."""

    state: Any


class LoadFailed(msgspec.Struct, frozen=True):
    """The state could not be loaded; why is in the daemon's log."""


class Appended(msgspec.Struct, frozen=True):
    """What became of the append in flight."""

    outcome: Outcome
