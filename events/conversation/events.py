"""Events of the streams `account/<id>/peer/<name>` and `…/group/<creator>/<group>`.

References inside a conversation are versions in this very stream: `message` and `messages` point to
`MessageSeen`, `turn` to `Dispatched`, `queued` to `MessageQueued`. Times in `…_ms` are ms since
1970.
"""

from typing import Literal

import msgspec

from events.account.events import Pairing
from events.event import Event
from events.policy.account_policy import Action, Reason, ToolGrant

Source = Literal["feed", "chat"]
Membership = Literal["member", "not-member", "unknown", "direct"]
Purpose = Literal["reply", "pairing", "approved", "notice"]
NoCode = Literal["pending", "limit", "approved", "erased"]
IgnoreReason = Literal[
    "self", "blank", "oversize", "malformed", "baseline", "too-late", "groups-disabled"
]


class BaselineTaken(Event, frozen=True):
    """What was already there when we came: marked as seen, not answered. `identities`: 16 bytes
    each.
    """

    identities: tuple[bytes, ...]


class MessageSeen(Event, frozen=True):
    """A message of `sender`, recorded once, whoever showed it first (`source`).

    `identity`: keyed hash, 16 bytes; `sent_ms`: the sender's clock; `body`: salted digest of the
    text, which is this event's body 0; `files`: hashes of attachments.
    """

    identity: bytes
    sender: str
    sent_ms: int
    body: bytes
    length: int
    source: Source
    files: tuple[str, ...] = ()


class MessageIgnored(Event, frozen=True):
    """A message that never comes to a decision, and why. Its text is not kept."""

    identity: bytes
    sender: str
    sent_ms: int
    reason: IgnoreReason
    source: Source


class DecisionInputs(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Everything that a decision looked at beside the message's text.

    `policy` is the digest of a `PolicyApplied`; `account_version` is how much of the account's
    stream was known; `ambiguous`: only the sender's exact name may match: another known user's
    folds to the same, or the sender was not among the known users yet; `name_shared`: another
    group of the same creator has the same display name.
    """

    now_ms: int
    policy: bytes
    rules: int
    own: str
    account_version: int
    pairing: Pairing = "none"
    membership: Membership = "direct"
    group_name: str = ""
    ambiguous: bool = False
    name_shared: bool = False


class PolicyDecided(Event, frozen=True):
    """What the policy says of a message: `action`, the specification's `reason`, the `rule` that
    decided."""

    message: int
    action: Action
    reason: Reason
    rule: str
    mentioned: bool
    tools: ToolGrant | None
    inputs: DecisionInputs


class PairingWithheld(Event, frozen=True):
    """A stranger got no code for this message: `pending` (has one), `limit` (too many wait),
    `approved` (was let in meanwhile), `erased` (the operator had their words erased meanwhile)."""

    message: int
    reason: NoCode


class Dispatched(Event, frozen=True):
    """A turn: these messages of `sender` go to `agent` with these tools. Durable before it is
    asked.

    Its idempotency key is `<log>/<stream>/<version>/<attempt>`.
    """

    messages: tuple[int, ...]
    sender: str
    agent: str
    tools: ToolGrant


class TurnCancelled(Event, frozen=True):
    """The turn will not be asked (again): `revoked`, `erased`, `too-late`."""

    turn: int
    reason: str


class AgentReplied(Event, frozen=True):
    """The agent's answer, as body 0. Durable before anything is sent. `silent`: it chose to say
    nothing; `cut_short`: it reached a limit of its length, and is sent with a mark that says so.
    """

    turn: int
    attempt: int
    body: bytes
    length: int
    silent: bool
    elapsed_ms: int
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cut_short: bool = False


class AgentFailed(Event, frozen=True):
    """The agent failed in a way that is known. `retry_ms`: when it is asked again; 0: never."""

    turn: int
    attempt: int
    error: str
    transient: bool
    retry_ms: int


class MessageQueued(Event, frozen=True):
    """One message for the wire, part `part` of `parts` (from 1); its text is body 0.

    It is sent with an id (`events.conversation.outbox.wire_id`) by which our own files in the mesh
    tell whether it has arrived. `answers`: the turn that it replies to, the message that it gives a
    code for, or 0. `changed`: how many characters were replaced because they would destroy the
    message on its way.
    """

    purpose: Purpose
    body: bytes
    length: int
    answers: int = 0
    part: int = 1
    parts: int = 1
    changed: int = 0


class ReplySent(Event, frozen=True):
    """The message stands in our own files of the mesh. `reconciled`: found there, after a crash or
    a doubt, instead of being sent again. `posts`: how often it was posted by this process."""

    queued: int
    sent_ms: int
    reconciled: bool
    posts: int


class ReplyFailed(Event, frozen=True):
    """The message can't ever be sent. `error`: the kind of failure, no free text."""

    queued: int
    error: str


class MessageDeadLettered(Event, frozen=True):
    """A message gets no answer, though it was let in: `agent`, `budget`, `revoked`, `erased`; or
    `too-late`, when its group's members were not known for so long: it may not have been judged.
    """

    message: int
    reason: str


class MessageRetried(Event, frozen=True):
    """The operator wants a message that was set aside to be answered after all.

    From here on this event stands for the message: turns name its version.
    """

    message: int
    sender: str
    sent_ms: int
    tools: ToolGrant


class MessageDropped(Event, frozen=True):
    """The operator has done with a message that was set aside."""

    message: int
