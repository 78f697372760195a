"""What an account's stream said at any of its versions: the policy in force, and who was paired.

A decision names the version of the account that it knew; here that is looked up again.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import TypeVar

from events.account.events import (
    Pairing,
    PairingApproved,
    PairingDenied,
    PairingExpired,
    PairingRequested,
    PairingRevoked,
    PolicyApplied,
)
from events.conversation.events import DecisionInputs
from events.event import Event, Recorded
from events.policy.account_policy import AccountPolicy
from events.streams import ConversationId, PeerId, account_stream
from store.log.event_log import EventLog

_NEW_STANDING: dict[type[Event], Pairing] = {
    PairingRequested: "pending",
    PairingApproved: "approved",
    PairingDenied: "none",
    PairingExpired: "none",
    PairingRevoked: "none",
}

_T = TypeVar("_T")
History = list[tuple[int, _T]]
"""What held from which version on, in the order of versions."""


class AccountHistory:
    """One account's policies and pairings, each with the version from which on it held."""

    def __init__(self) -> None:
        self.policies: dict[bytes, AccountPolicy] = {}
        self._applied: History[bytes] = []
        self._pairings: dict[str, History[Pairing]] = {}

    def learn(self, version: int, event: Event) -> None:
        """Take in an event of the account's stream; in their order."""
        if isinstance(event, PolicyApplied):
            self.policies[event.digest] = event.policy
            self._applied.append((version, event.digest))
        elif policy_context := _NEW_STANDING.get(type(event)):
            person: str = event.person  # type: ignore[attr-defined]
            self._pairings.setdefault(person, []).append((version, policy_context))

    def digest_at(self, version: int) -> bytes:
        """The digest of the policy in force; empty when there was none."""
        return _last(self._applied, version, b"")

    def pairing_at(self, version: int, person: str) -> Pairing:
        """Where `person` stood, but for a request that had expired and was not yet recorded so."""
        return _last(self._pairings.get(person, []), version, "none")

    def contradicts(
        self, inputs: DecisionInputs, conversation: ConversationId, sender: str
    ) -> str | None:
        """What a decision says it looked at and this account never said; `None`: all agrees."""
        version = inputs.account_version
        if self.digest_at(version) != inputs.policy:
            return f"the policy {inputs.policy.hex()} was not in force"
        if isinstance(conversation, PeerId):
            was = self.pairing_at(version, conversation.name)
            claimed = inputs.pairing
            may_have_expired = was == "pending" and claimed == "none"
            if claimed != was and not may_have_expired:
                return f"the pairing of {sender!r} is given as {claimed}, and was {was}"
        return None


TRACKED: frozenset[type[Event]] = frozenset({PolicyApplied, *_NEW_STANDING})
"""The events that a history learns from."""


def _last(history: History[_T], version: int, default: _T) -> _T:
    place = bisect_right(history, version, key=_version)
    return history[place - 1][1] if place else default


def _version(entry: tuple[int, object]) -> int:
    return entry[0]


class Facts:
    """The histories of all accounts, read up to the event `before` when first asked for; what
    comes from there on is taught."""

    def __init__(self, log: EventLog, before: int) -> None:
        self._log = log
        self._before = before
        self._accounts: dict[str, AccountHistory] = {}

    def account(self, account: str) -> AccountHistory:
        """The history of `account`, as far as it is known."""
        history = self._accounts.get(account)
        if history is None:
            history = self._accounts[account] = AccountHistory()
            if self._before > 1:
                _read_history(self._log, account, self._before, history.learn)
        return history


def history_of(log: EventLog, account: str) -> AccountHistory:
    """The whole history of one account."""
    history = AccountHistory()
    _read_history(log, account, 1 << 63, history.learn)
    return history


def _read_history(
    log: EventLog, account: str, before: int, learn: Callable[[int, Event], None]
) -> None:
    recorded: Recorded
    for recorded in log.read_stream(account_stream(account)):
        if recorded.seq >= before:
            return
        if type(recorded.event) in TRACKED:
            learn(recorded.version, recorded.event)
