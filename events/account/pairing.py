"""Pairing: a stranger gets a code once, the operator lets them in, all of it on the record.

Only the account issues requests, so that its limit holds whoever asks at the same time.
"""

from typing import Literal

from events.account.events import (
    PairingApproved,
    PairingDenied,
    PairingExpired,
    PairingRequested,
    PairingRevoked,
)
from events.account.state import AccountState
from events.event import Body, Draft
from events.streams import account_stream

CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""32 characters that can't be taken for one another."""

CODE_LENGTH = 8
"""Characters of a code: 40 random bits."""

VALID_MS = 3_600_000
"""How long a code is valid, ms."""

PENDING_LIMIT = 3
"""How many requests may be pending in an account; further strangers get silence."""

Withheld = Literal["pending", "limit", "approved"]


def code_from(entropy: bytes) -> str:
    """A code from random bytes (at least 8): each byte gives one character, evenly."""
    return "".join(CODE_ALPHABET[byte % len(CODE_ALPHABET)] for byte in entropy[:CODE_LENGTH])


def withheld(state: AccountState, person: str, now_ms: int) -> Withheld | None:
    """Why `person` gets no code now; `None` when they do."""
    policy_context = state.pairing(person, now_ms)
    if policy_context != "none":
        return policy_context
    pending = sum(1 for request in state.requests.values() if request.expires_ms > now_ms)
    return "limit" if pending >= PENDING_LIMIT else None


def decide_expiry(account: str, state: AccountState, now_ms: int) -> list[Draft]:
    """Record the requests that nobody answered in time."""
    stream = account_stream(account)
    return [
        Draft(stream, PairingExpired(request.version, request.person), request.seq)
        for request in state.requests.values()
        if request.expires_ms <= now_ms
    ]


def decide_request(
    account: str, state: AccountState, person: str, cause: int, now_ms: int, entropy: bytes
) -> list[Draft]:
    """Give `person` a code, if nothing withholds it. The first 8 bytes of `entropy` make it."""
    drafts = decide_expiry(account, state, now_ms)
    if withheld(state, person, now_ms) is None:
        body = Body.derived(f"{account}/{person}", code_from(entropy), entropy[CODE_LENGTH:])
        requested = PairingRequested(person, body.digest, now_ms + VALID_MS)
        drafts.append(Draft(account_stream(account), requested, cause, (body,)))
    return drafts


def decide_approval(
    account: str, state: AccountState, person: str, by: str, now_ms: int
) -> list[Draft]:
    """Let `person` in, if their request is pending and still valid."""
    request = state.requests.get(person)
    if request is None or request.expires_ms <= now_ms:
        return decide_expiry(account, state, now_ms)
    return [
        Draft(account_stream(account), PairingApproved(request.version, person, by), request.seq)
    ]


def decide_denial(account: str, state: AccountState, person: str, by: str) -> list[Draft]:
    """Refuse the request of `person`."""
    request = state.requests.get(person)
    if request is None:
        return []
    return [Draft(account_stream(account), PairingDenied(request.version, person, by), request.seq)]


def decide_revocation(account: str, state: AccountState, person: str, by: str) -> list[Draft]:
    """Withdraw the approval of `person`."""
    approval = state.approvals.get(person)
    if approval is None:
        return []
    return [Draft(account_stream(account), PairingRevoked(person, by), approval.seq)]
