"""What actors and edges tell each other. Frozen values; only ever told, never asked.

Everybody is addressed by stream, through the router (`actors.runtime.router`). A message whose
sender waits for what comes of it has `undelivered`, by which the sender hears that nothing will.
"""

from typing import Any, Literal, Protocol

import msgspec

from actors.runtime.system import Task
from events.conversation.arrivals import Arrival
from events.conversation.events import NoCode
from events.conversation.policy_context import GroupFacts, PolicyContext
from events.conversation.turns import Failure, Reply
from events.event import Draft, Recorded
from events.policy.account_policy import ToolGrant
from events.watermark import UnavailableFile


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


class Answer(Protocol):
    """By which the operator hears what came of a request. Thread-safe; the first call counts."""

    def give(self, value: Any) -> None:
        """The request is done, with this outcome."""

    def fail(self, reason: str) -> None:
        """Nothing came of it, for this reason."""


class Tick(msgspec.Struct, frozen=True):
    """From the edge, now and then: look at what time has changed."""


class Woken(msgspec.Struct, frozen=True):
    """A time that the actor asked to be woken at has come."""


class TaskFailed(msgspec.Struct, frozen=True):
    """From the edge: a task failed for a reason of ours. What it was for is due again."""

    task: Task


# To the gateway


class KeysExpired(msgspec.Struct, frozen=True):
    """From the edge: the keys of all weeks before the week `before` are gone."""

    before: int


# To an account


class CursorReached(msgspec.Struct, frozen=True):
    """From the intake: everything up to `position` is decided, or owed."""

    position: int
    unavailable: tuple[UnavailableFile, ...]


class Observed(msgspec.Struct, frozen=True):
    """From the intake: something about the agent that belongs on the account's record."""

    drafts: tuple[Draft, ...]


class GroupSeen(msgspec.Struct, frozen=True):
    """From the intake: what a group's creator published of it. The receipt is confirmed when the
    conversation has been told."""

    creator: str
    group: str
    facts: GroupFacts
    receipt: Receipt

    def undelivered(self, reason: str) -> None:
        """It has to be told again."""
        del reason
        self.receipt.refuse()


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
    """From the operator: a pairing to approve, deny or revoke. `answer` gets the person, or `None`
    when there was nothing to decide."""

    kind: Literal["approve", "deny", "revoke"]
    person: str
    by: str
    answer: Answer

    def undelivered(self, reason: str) -> None:
        """The operator hears why."""
        self.answer.fail(reason)


class ErasePerson(msgspec.Struct, frozen=True):
    """From the operator: erase the words of `person`. `answer` gets the name when it is done, or
    `None` when nothing was kept of them."""

    person: str
    by: str
    answer: Answer

    def undelivered(self, reason: str) -> None:
        """The operator hears why."""
        self.answer.fail(reason)


class ContextAck(msgspec.Struct, frozen=True):
    """From a conversation: all that it decides from now on, it decides by a policy context of this
    version of the account, or a later one."""

    stream: str
    account_version: int


class ConversationLost(msgspec.Struct, frozen=True):
    """From the router: the actor of a conversation failed. The next one begins with the newest
    policy context."""

    stream: str


class ErasureCutoffFound(msgspec.Struct, frozen=True):
    """From the edge: the newest `sent_ms` of any message of `person` on record."""

    person: str
    newest_ms: int


class KeyDestroyed(msgspec.Struct, frozen=True):
    """From the edge: the key of `person` is gone."""

    person: str


# To a conversation


class IncomingBatch(msgspec.Struct, frozen=True):
    """From the intake: messages of this conversation, in order. `baseline`: there before us.
    `alone`: not together with others, to find the one that breaks the actor.
    """

    arrivals: tuple[Arrival, ...]
    receipt: Receipt
    baseline: bool = False
    alone: bool = False

    def undelivered(self, reason: str) -> None:
        """It has to be delivered again."""
        del reason
        self.receipt.refuse()


class RecordAsMalformed(msgspec.Struct, frozen=True):
    """Messages that broke this actor before: record them, judge nothing."""

    arrivals: tuple[Arrival, ...]
    receipt: Receipt

    def undelivered(self, reason: str) -> None:
        """It has to be delivered again."""
        del reason
        self.receipt.refuse()


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


class SendFailed(msgspec.Struct, frozen=True):
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

    reason: NoCode


class Announce(msgspec.Struct, frozen=True):
    """Tell `person` of their approval; `seq` is the PairingApproved."""

    person: str
    seq: int


class ResolveDeadLetter(msgspec.Struct, frozen=True):
    """From the operator: a dead letter (recorded as version `letter`; `seen` is its MessageSeen) is
    to be answered after all, or discarded (`tools` is `None`). `answer` gets whether that was
    recorded.
    """

    letter: int
    seen: Recorded
    tools: ToolGrant | None
    answer: Answer

    def undelivered(self, reason: str) -> None:
        """The operator hears why."""
        self.answer.fail(reason)
