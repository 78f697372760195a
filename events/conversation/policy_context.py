"""What an account knows at a moment, and hands to a conversation to decide by."""

from collections.abc import Mapping

import msgspec

from events.account.events import Pairing
from events.account.state import UNDER_WAY, Erasure
from events.conversation.events import DecisionInputs, Membership
from events.policy.account_policy import RULES_VERSION, AccountPolicy


class GroupFacts(msgspec.Struct, frozen=True):
    """A group as its creator published it. `members` is `None` while its file has no source;
    `name_shared`: another group of the same creator has the same name."""

    name: str = ""
    members: frozenset[str] | None = None
    name_shared: bool = False


class PolicyContext(msgspec.Struct, frozen=True):
    """The account's knowledge that decisions are made by.

    `digest` names `policy`; `account_version` says how much of the account's stream it includes;
    `pairing` is the peer's (conversations with groups ignore it), until `pairing_until_ms` (0: for
    good), when a pending request has expired; `unmistakable`: known users whose name folds like no
    other known user's, none before the mesh was first asked; `erased`: whose words were given up,
    and when.
    """

    account: str
    log_id: str
    agent: str
    policy: AccountPolicy
    digest: bytes
    account_version: int
    pairing: Pairing = "none"
    pairing_until_ms: int = 0
    group: GroupFacts | None = None
    unmistakable: frozenset[str] = frozenset()
    erased: Mapping[str, Erasure] = {}

    @property
    def is_known(self) -> bool:
        """Whether anybody can be judged by it: not while a group's members are to be looked up."""
        group_off = not self.policy.enable_groups
        return self.group is None or self.group.members is not None or group_off

    def membership(self, sender: str) -> Membership:
        """Whether `sender` belongs to the group; `direct` when this is no group."""
        if self.group is None:
            return "direct"
        if self.group.members is None:
            return "unknown"
        return "member" if sender in self.group.members else "not-member"

    def pairing_at(self, now_ms: int) -> Pairing:
        """Where the peer stands. An expired request is none."""
        return "none" if 0 < self.pairing_until_ms <= now_ms else self.pairing

    def inputs(self, sender: str, now_ms: int) -> DecisionInputs:
        """What a decision on a message of `sender` looks at, to be recorded with it."""
        return DecisionInputs(
            now_ms=now_ms,
            policy=self.digest,
            rules=RULES_VERSION,
            own=self.policy.username,
            account_version=self.account_version,
            pairing=self.pairing_at(now_ms),
            membership=self.membership(sender),
            group_name=self.group.name if self.group else "",
            ambiguous=sender not in self.unmistakable,
            name_shared=self.group.name_shared if self.group else False,
        )

    def is_being_erased(self, sender: str) -> bool:
        """Whether the words of `sender` are being erased right now: nothing of theirs is taken in
        until their key is gone."""
        erasure = self.erased.get(sender)
        return erasure is not None and erasure.seq == UNDER_WAY

    def is_erased(self, sender: str, sent_ms: int) -> bool:
        """Whether a message of `sender` is one of those whose words were given up."""
        erasure = self.erased.get(sender)
        return erasure is not None and sent_ms <= erasure.until_ms

    def erased_since(self, sender: str, seq: int) -> bool:
        """Whether the words of `sender` were given up after the event `seq` (0: not on record yet)
        was recorded."""
        erasure = self.erased.get(sender)
        return erasure is not None and 0 < seq <= erasure.seq

    def person(self, name: str) -> str:
        """The name under which the words of `name` are encrypted: each account has its own key."""
        return person_key(self.account, name)


def person_key(account: str, name: str) -> str:
    """The name under which the words of `name` in `account` are encrypted."""
    return f"{account}/{name}"
