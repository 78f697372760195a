"""Pairing as an operator sees it: pending requests, approved people, and whose code it is."""

import hmac

import msgspec

from actors.configuration import AccountConfig
from events.account.state import fold
from events.streams import account_stream
from store.log.event_log import EventLog


class Pending(msgspec.Struct, frozen=True, rename="camel"):
    """One pending request. Times in ms."""

    account: str
    person: str
    code: str
    requested_at: int
    expires_at: int


class Paired(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody who was approved."""

    account: str
    person: str


class AmbiguousCode(Exception):
    """Two accounts gave the same code to different people."""


def pending(log: EventLog, accounts: tuple[AccountConfig, ...], now_ms: int) -> list[Pending]:
    """The requests that can be approved now, oldest first. Those whose code was erased are left
    out.
    """
    found = []
    for account in accounts:
        state = fold(log.read_stream(account_stream(account.id)))
        for request in state.requests.values():
            code = log.body(request.seq)
            if code is not None and request.expires_ms > now_ms:
                found.append(
                    Pending(
                        account.id, request.person, code, request.requested_ms, request.expires_ms
                    )
                )
    return sorted(found, key=lambda request: request.requested_at)


def paired(log: EventLog, accounts: tuple[AccountConfig, ...]) -> list[Paired]:
    """Everybody who was approved, by account and name."""
    return [
        Paired(account.id, person)
        for account in accounts
        for person in sorted(fold(log.read_stream(account_stream(account.id))).approvals)
    ]


def of_code(requests: list[Pending], code: str) -> Pending | None:
    """The request with `code` (as typed). Raises `AmbiguousCode`."""
    typed = code.strip().upper().encode()
    found = [request for request in requests if hmac.compare_digest(request.code.encode(), typed)]
    if len(found) > 1:
        accounts = ", ".join(request.account for request in found)
        msg = f"several accounts ({accounts}) have a request with this code; add --account"
        raise AmbiguousCode(msg)
    return found[0] if found else None
