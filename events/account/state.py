"""The state of an account: policy in force, health, the feed's cursor, and who is paired."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from events.account.events import (
    AccountOffline,
    AccountOnline,
    ChatAppDeaf,
    ChatAppHealed,
    ErasureEnded,
    FeedReset,
    Pairing,
    PairingAnnounced,
    PairingApproved,
    PairingDenied,
    PairingExpired,
    PairingRequested,
    PairingRevoked,
    PersonErased,
    PolicyApplied,
)
from events.event import Event, Recorded
from events.policy.account_policy import AccountPolicy
from events.watermark import UnavailableFile, WatermarkAdvanced

_Kept = TypeVar("_Kept")


class PairingRequest(Struct, frozen=True, gc=False):
    """A pending pairing request: `version` and `seq` of its PairingRequested."""

    version: int
    seq: int
    person: str
    requested_ms: int
    expires_ms: int


class Approval(Struct, frozen=True, gc=False):
    """Somebody who was let in. `announced`: the notice of it is durably on its way."""

    version: int
    seq: int
    person: str
    announced: bool = False


UNDER_WAY = 2**63 - 1
"""An erasure that is under way covers all that is recorded until it has ended."""


class Erasure(Struct, frozen=True, gc=False):
    """The last time that somebody's words were given up: those recorded up to the global sequence
    `seq`, with the key `key_id`. Their messages up to `until_ms` (their clock; it never goes back)
    are not taken in again."""

    key_id: bytes
    seq: int
    until_ms: int


class AccountState(Struct, frozen=True):
    """What is known of an account after `version` events.

    `cursor`: ms of the hub's clock up to which the feed was read (0: never); `unavailable`: files
    changed before it that nobody could give us yet; `heard_ms`: when (our clock) the last event was
    recorded. `groups_turned_on`: they were off before, and no cursor since holds what was there
    then. `requests`, `approvals` and `erased` are by person.
    """

    version: int = 0
    policy: AccountPolicy | None = None
    digest: bytes = b""
    mesh: str = ""
    online: bool = False
    deaf: bool = False
    cursor: int = 0
    unavailable: tuple[UnavailableFile, ...] = ()
    heard_ms: int = 0
    groups_turned_on: bool = False
    requests: dict[str, PairingRequest] = {}
    approvals: dict[str, Approval] = {}
    erased: dict[str, Erasure] = {}

    def pending_until_ms(self, person: str) -> int:
        """When the pending request of `person` expires; 0: there is none."""
        request = self.requests.get(person)
        return 0 if request is None or person in self.approvals else request.expires_ms

    def pairing(self, person: str, now_ms: int) -> Pairing:
        """Where `person` stands. An expired request is none."""
        if person in self.approvals:
            return "approved"
        request = self.requests.get(person)
        return "pending" if request and request.expires_ms > now_ms else "none"


def fold(recorded: Iterable[Recorded], state: AccountState | None = None) -> AccountState:
    """The state after all of `recorded`, from `state` or from nothing."""
    state = state or AccountState()
    for record in recorded:
        state = evolve(state, record)
    return state


def evolve(state: AccountState, recorded: Recorded) -> AccountState:
    """The state after one more event of this stream."""
    change = _EVOLVE.get(type(recorded.event))
    changes = change(state, recorded, recorded.event) if change else {}
    heard_ms = recorded.time // 1_000_000
    return replace(state, version=recorded.version, heard_ms=heard_ms, **changes)


def _applied(state: AccountState, _: Recorded, event: PolicyApplied) -> dict[str, Any]:
    were_off = state.policy is not None and not state.policy.enable_groups
    return {
        "policy": event.policy,
        "digest": event.digest,
        "mesh": event.mesh,
        "groups_turned_on": (event.policy.enable_groups and (were_off or state.groups_turned_on)),
    }


def _requested(state: AccountState, record: Recorded, event: PairingRequested) -> dict[str, Any]:
    request = PairingRequest(
        record.version, record.seq, event.person, record.time // 1_000_000, event.expires_ms
    )
    return {"requests": {**state.requests, event.person: request}}


def _approved(state: AccountState, record: Recorded, event: PairingApproved) -> dict[str, Any]:
    approval = Approval(record.version, record.seq, event.person)
    return {
        "requests": _without(state.requests, event.person),
        "approvals": {**state.approvals, event.person: approval},
    }


def _announced(state: AccountState, _: Recorded, event: PairingAnnounced) -> dict[str, Any]:
    approval = state.approvals.get(event.person)
    if approval is None:
        return {}
    announced = replace(approval, announced=True)
    return {"approvals": {**state.approvals, event.person: announced}}


def _erased(state: AccountState, record: Recorded, event: PersonErased) -> dict[str, Any]:
    before = state.erased.get(event.person)
    until_ms = max(event.until_ms, before.until_ms if before else 0)
    erasure = Erasure(event.key_id, record.seq, until_ms)
    return _erasure_in(state, event.person, erasure)


def _erasure_ended(state: AccountState, record: Recorded, event: ErasureEnded) -> dict[str, Any]:
    erasure = replace(state.erased[event.person], seq=record.seq, until_ms=event.until_ms)
    return _erasure_in(state, event.person, erasure)


def _erasure_in(state: AccountState, person: str, erasure: Erasure) -> dict[str, Any]:
    """With their messages goes the code that a stranger was sent, and so the request: nobody could
    approve it any more."""
    return {
        "erased": {**state.erased, person: erasure},
        "requests": _without(state.requests, person),
    }


def _without(kept: dict[str, _Kept], person: str) -> dict[str, _Kept]:
    return {name: entry for name, entry in kept.items() if name != person}


_EVOLVE: dict[type[Event], Callable[[AccountState, Recorded, Any], dict[str, Any]]] = {
    PolicyApplied: _applied,
    AccountOnline: lambda _, __, ___: {"online": True},
    AccountOffline: lambda _, __, ___: {"online": False},
    ChatAppDeaf: lambda _, __, ___: {"deaf": True},
    ChatAppHealed: lambda _, __, ___: {"deaf": False},
    # Not `event.after`: nothing of the new hub is decided yet. What is owed stays so at any hub.
    FeedReset: lambda state, _, __: {"cursor": min(state.cursor, 1)},
    WatermarkAdvanced: lambda _, __, event: {
        "cursor": event.position,
        "unavailable": event.unavailable,
        "groups_turned_on": False,
    },
    PairingRequested: _requested,
    PairingApproved: _approved,
    PairingAnnounced: _announced,
    PersonErased: _erased,
    ErasureEnded: _erasure_ended,
    PairingDenied: lambda state, _, event: {"requests": _without(state.requests, event.person)},
    PairingExpired: lambda state, _, event: {"requests": _without(state.requests, event.person)},
    PairingRevoked: lambda state, _, event: {"approvals": _without(state.approvals, event.person)},
}
