"""The policy of an account: who may be answered. Values only; the rules are in `direct` and
`group`.

An account's whole policy is recorded in `PolicyApplied`, and every decision names it by digest, so
it can be decided again after the configuration has changed. Hence no secret may ever be part of it.
"""

import hashlib
from typing import Literal

import msgspec

DmPolicy = Literal["allow", "deny", "pairing"]
GroupPolicy = Literal["open", "allowlist", "disabled"]
Action = Literal["process", "ignore", "pairing"]
Reason = Literal["allowed", "whitelisted", "creator", "denied", "pending", "mention_required"]

RULES_VERSION = 2
"""Version of the rules in `direct`, `group`, `mention` and `tools`. Recorded with every decision; a
change to any rule raises it, and the old rules stay in the code for re-deciding.

1. Names were case-folded: `ﬁona` matched `fiona`, `STRASSE` matched `straße`. A name of invisible
   characters was a name.
2. Names match in lower case. Who has no visible name is nobody.
   `*` in `toolsBySender` is everyone, and its `deny` holds for twins, too; `group:*` is all groups
   of tools, not a pattern of tools.
   Mentions: see `mention`; as they were, `mention_1`.
"""


class ToolPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tools`: `allow` only these, `deny` these; `None` is absent, `()` is an empty list."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] | None = None


class SenderTools(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """`toolsBySender.<user>`: what one sender gets on top, or does not get."""

    also_allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class GroupPermission(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of `groupPermissions`, its inheritance from the account already resolved."""

    creator: str
    group: str
    group_policy: GroupPolicy = "allowlist"
    require_mention: bool = True
    allow_from: tuple[str, ...] = ()
    tools: ToolPolicy | None = None
    tools_by_sender: dict[str, SenderTools] = {}


class AccountPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """The whole policy of one account, as the user's document defines it (defaults included).

    `creator_bypass`: `True`, `False`, or the creators it holds for. `turn_budget` turns per sender
    in `turn_window_s` seconds bound loops between bots. `apology` is what a peer is told once when
    the agent failed for good; empty: nothing. `group_apology` the same in groups.
    """

    username: str
    dm_policy: DmPolicy = "pairing"
    allow_from: tuple[str, ...] = ()
    enable_groups: bool = False
    group_policy: GroupPolicy = "allowlist"
    require_mention: bool = True
    creator_bypass: bool | tuple[str, ...] = True
    group_permissions: tuple[GroupPermission, ...] = ()
    turn_budget: int = 30
    turn_window_s: int = 600
    max_message_chars: int = 10_000
    answer_horizon_s: int = 86_400
    attempts: int = 5
    apology: str = "Sorry, I could not answer that. Please try again later."
    group_apology: str = ""

    def digest(self) -> bytes:
        """SHA-256 of the canonical encoding, 16 bytes: the policy's name in decisions."""
        return hashlib.sha256(msgspec.msgpack.encode(self, order="sorted")).digest()[:16]


class ToolGrant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The tools of one turn: `allow` only these (`None`: all), never those in `deny`."""

    allow: tuple[str, ...] | None = ("group:messaging", "group:sessions")
    deny: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """What the policy says of one message: what to do, the specification's reason, and the rule's
    own name.

    `rule` tells a reader which row of the table decided (`allow-from`, `paired`, `dm-policy`, …).
    """

    action: Action
    reason: Reason
    rule: str
