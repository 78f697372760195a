"""Events of the streams `account/<id>`: policy in force, health, the feed's cursor, pairing.

Fields named `request` hold the version, in this stream, of the `PairingRequested` they answer.
"""

from typing import Literal

from events.event import Event
from events.policy.account_policy import AccountPolicy

Pairing = Literal["none", "pending", "approved"]


class PolicyApplied(Event, frozen=True):
    """From here on this policy is in force. Whole, so that decisions can be re-run; no secrets."""

    digest: bytes
    policy: AccountPolicy
    mesh: str


class AccountOnline(Event, frozen=True):
    """The agent answered as `username` on a connected mesh."""

    username: str


class AccountOffline(Event, frozen=True):
    """The agent stopped answering, or lost the mesh. `error`: the kind of failure, no free text."""

    error: str


class ChatAppDeaf(Event, frozen=True):
    """The files hold `missing` messages that the Chat app does not show (ZTM behaviour: it can
    stop seeing new messages for good, silently)."""

    missing: int


class ChatAppHealed(Event, frozen=True):
    """The Chat app shows what the files hold again. `restarted`: by our restarting it."""

    restarted: bool


class FeedReset(Event, frozen=True):
    """The hub's clock is behind our cursor: another hub. Everything is read again from its
    start.
    """

    before: int
    after: int


class FeedBroken(Event, frozen=True):
    """The Chat API showed `missing` messages that the file feed had not: the whole list was
    read.
    """

    missing: int


class PairingRequested(Event, frozen=True):
    """A stranger was given a code. Its text is this event's body; `code` is the salted digest."""

    person: str
    code: bytes
    expires_ms: int


class PairingApproved(Event, frozen=True):
    """The operator let `person` in. `by` says by which way (`socket`, …)."""

    request: int
    person: str
    by: str


class PairingDenied(Event, frozen=True):
    """The operator refused the request."""

    request: int
    person: str
    by: str


class PairingExpired(Event, frozen=True):
    """Nobody answered the request in time."""

    request: int
    person: str


class PairingRevoked(Event, frozen=True):
    """The operator withdrew an approval."""

    person: str
    by: str


class PairingAnnounced(Event, frozen=True):
    """The notice of approval is durably queued in the person's conversation."""

    person: str


class PersonErased(Event, frozen=True):
    """The words of `person` are given up: the key with this id (which tells nothing of the key
    itself) is destroyed as soon as nothing more is recorded under it (`ErasureEnded`).

    What the mesh still shows of that person, in any conversation of the account, is not taken in
    again: messages whose `sent_ms` is at most `until_ms`, the moment of the erasure. `by`: by which
    way it was asked for. A pending pairing request ends with it, since its code goes, too.
    """

    person: str
    key_id: bytes
    until_ms: int
    by: str


class ErasureEnded(Event, frozen=True):
    """Nothing more is recorded under the key of a person whose words are given up: it is destroyed
    as soon as this is durable.

    Messages up to `until_ms` are not taken in again: so far reaches (`sent_ms`, their clock may be
    ahead) what was recorded under it, and the erasure at least.
    """

    person: str
    until_ms: int
