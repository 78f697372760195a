"""The story of an account's pairing desk for tests, step by step."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import count

from events.account import pairing
from events.account import state as account
from events.account.events import Pairing
from events.event import Draft, Event, Recorded
from events.streams import account_stream
from tests.events.builders import ACCOUNT, NOW_MS, Log


class AccountStory:
    """An account's pairing desk, step by step."""

    def __init__(self, *, log: Log | None = None) -> None:
        self.log = log or Log()
        self.stream = account_stream(ACCOUNT)
        self.state = account.AccountState()
        self.now_ms = NOW_MS
        self._draws = count()

    @property
    def recorded(self) -> list[Recorded]:
        """Everything in the account's stream."""
        return self.log.stream(self.stream)

    def follow(self, drafts: Sequence[Draft]) -> list[Event]:
        """Record what was decided, and let the state evolve with it."""
        recorded = self.log.record(drafts, self.now_ms)
        for record in recorded:
            self.state = account.evolve(self.state, record)
        return [record.event for record in recorded]

    def happens(self, *events: Event) -> None:
        """Record `events` as they are."""
        self.follow([Draft(self.stream, event) for event in events])

    def passes(self, *, ms: int) -> None:
        """Let time go by."""
        self.now_ms += ms

    def code_wanted(
        self, person: str, entropy: bytes | None = None, *, cause: int = 0
    ) -> list[Event]:
        """A conversation asks for a code for a stranger."""
        drawn = entropy or sha256(f"code {next(self._draws)}".encode()).digest()
        return self.follow(
            pairing.decide_request(ACCOUNT, self.state, person, cause, self.now_ms, drawn)
        )

    def withheld(self, person: str) -> pairing.Withheld | None:
        """Why `person` would get no code now."""
        return pairing.withheld(self.state, person, self.now_ms)

    def stands(self, person: str) -> Pairing:
        """Where `person` stands now."""
        return self.state.pairing(person, self.now_ms)

    def code_of(self, person: str) -> str:
        """The code that `person` was last given."""
        body = self.log.bodies[self.state.requests[person].seq, 0]
        return body.text

    def approve(self, person: str) -> list[Event]:
        """The operator lets `person` in."""
        return self.follow(
            pairing.decide_approval(ACCOUNT, self.state, person, "socket", self.now_ms)
        )

    def deny(self, person: str) -> list[Event]:
        """The operator refuses `person`."""
        return self.follow(pairing.decide_denial(ACCOUNT, self.state, person, "socket"))

    def revoke(self, person: str) -> list[Event]:
        """The operator withdraws the approval of `person`."""
        return self.follow(pairing.decide_revocation(ACCOUNT, self.state, person, "socket"))

    def clear_expired(self) -> list[Event]:
        """The clock ticks."""
        return self.follow(pairing.decide_expiry(ACCOUNT, self.state, self.now_ms))
