"""Which decisions somebody wants to see. Everything that is named has to fit."""

from typing import NamedTuple

import msgspec

from events.policy.account_policy import Action
from events.streams import GroupId, PeerId


class Selection(msgspec.Struct, frozen=True):
    """What is looked for; empty, `None` or 0: whatever it is.

    `peer` and `sender` are exact names; `group` is `<creator>/<group>` or the group alone; times
    are ms since 1970, of the decision, both included; `text` is found in any case.
    """

    account: str = ""
    peer: str = ""
    group: str = ""
    sender: str = ""
    actions: frozenset[Action] = frozenset()
    reasons: frozenset[str] = frozenset()
    since_ms: int = 0
    until_ms: int = 0
    text: str = ""

    @property
    def by_conversation(self) -> bool:
        """Whether only certain conversations can hold what is looked for."""
        return bool(self.peer or self.group)

    def wants(self, address: PeerId | GroupId) -> bool:
        """Whether decisions of this conversation may fit."""
        if self.account not in ("", address.account):
            return False
        if isinstance(address, PeerId):
            return not self.group and self.peer in ("", address.name)
        names = ("", address.group, f"{address.creator}/{address.group}")
        return not self.peer and self.group in names

    def fits(self, sender: str, action: Action, reason: str) -> bool:
        """Whether a decision with these fits, as far as they tell."""
        return (
            self.sender in ("", sender)
            and (not self.actions or action in self.actions)
            and (not self.reasons or reason in self.reasons)
        )

    def is_time(self, time_ms: int) -> bool:
        """Whether a decision was made when it should have been."""
        return self.since_ms <= time_ms and (not self.until_ms or time_ms <= self.until_ms)

    def in_text(self, text: str | None) -> bool:
        """Whether the text contains what is looked for. An erased text contains nothing."""
        return not self.text or (text is not None and self.text.casefold() in text.casefold())


class Found(NamedTuple):
    """What an index says: sequences of decisions, newest first, as many as were asked for; and how
    many there are `at_most` in all history."""

    places: list[int]
    at_most: int
