"""Who may be answered in a group: the table "Group Policy Check Order", and whose entry holds.

The settings of direct messages (the account's `allowFrom`, `dmPolicy`, pairing) never count here.
"""

from collections.abc import Mapping

from events.policy.account_policy import RULES_VERSION, AccountPolicy, GroupPermission, Verdict
from events.policy.names import EVERYONE, fold, is_nobody, listed

_LENIENT_FIRST = ("open", "allowlist", "disabled")


def permission_for(
    policy: AccountPolicy,
    creator: str,
    group: str,
    group_name: str,
    *,
    name_shared: bool = False,
    rules: int = RULES_VERSION,
) -> GroupPermission:
    """What holds for the group `group` (an id) of `creator`, displayed as `group_name`.

    The entry of `groupPermissions` under the group's id, else under its display name (compared as
    lists are, see `names`); creator and id are exact. Of several that fit by name the strictest
    holds. No entry: the account's defaults, an empty list and the default tools.

    `name_shared`: another group of that creator has the same display name, so an entry by name may
    have been meant for the other one. It then holds only where it is stricter than the defaults.
    """
    own = [entry for entry in policy.group_permissions if entry.creator == creator]
    by_id = [entry for entry in own if entry.group == group]
    by_name = [entry for entry in own if fold(entry.group, rules) == fold(group_name, rules) != ""]
    default = GroupPermission(
        creator=creator,
        group=group,
        group_policy=policy.group_policy,
        require_mention=policy.require_mention,
    )
    if not by_id and by_name and name_shared:
        by_name.append(default)
    return max(by_id or by_name or [default], key=_strictness)


def keys_without_group(policy: AccountPolicy, groups: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of `groupPermissions` that hold for none of `groups`: names by `creator/id`."""
    names = {(key.partition("/")[0], fold(name)) for key, name in groups.items()}
    return tuple(
        key
        for entry in policy.group_permissions
        if (key := f"{entry.creator}/{entry.group}") not in groups
        and (entry.creator, fold(entry.group)) not in names
    )


def decide_group(
    policy: AccountPolicy,
    permission: GroupPermission,
    sender: str,
    *,
    member: bool,
    mentioned: bool,
    ambiguous: bool = False,
    rules: int = RULES_VERSION,
) -> Verdict:
    """What holds for a message of `sender` (exact name) in the group that `permission` is for.

    `member`: the group's own list of members names the sender. `mentioned`: see `mention`.
    `ambiguous`: only the sender's exact name may match, see `names`; so is `rules`. Rows, first
    match decides:

    | rule | condition | verdict |
    | --- | --- | --- |
    | `empty-sender` | nobody's name | ignore, denied |
    | `groups-disabled` | `enableGroups` is off | ignore, denied |
    | `not-a-member` | neither a member nor the creator | ignore, denied |
    | (`creator`) | the creator, and `creatorBypass` holds for them | on to `mention` |
    | `group-policy` | `disabled`, or a value that no version knows | ignore, denied |
    | `allow-from` | `allowlist`, and not in the group's list | ignore, whitelisted |
    | `mention` | a mention is required and there is none | ignore, mention_required |
    | `creator` | came by the bypass | process, creator |
    | `allow-from` | `allowlist` | process, whitelisted |
    | `group-policy` | `open` | process, allowed |

    ZTM behaviour: the Chat app shows a group's messages from anyone who publishes one, member or
    not; hence the second row.
    """
    if is_nobody(sender, rules):
        return Verdict("ignore", "denied", "empty-sender")
    if not policy.enable_groups:
        return Verdict("ignore", "denied", "groups-disabled")
    if not member and sender != permission.creator:
        return Verdict("ignore", "denied", "not-a-member")
    verdict = _admit(policy, permission, sender, ambiguous=ambiguous, rules=rules)
    if verdict.action == "process" and permission.require_mention and not mentioned:
        return Verdict("ignore", "mention_required", "mention")
    return verdict


def _admit(
    policy: AccountPolicy, permission: GroupPermission, sender: str, *, ambiguous: bool, rules: int
) -> Verdict:
    """The verdict but for the mention."""
    if _bypasses(policy, permission, sender, ambiguous=ambiguous, rules=rules):
        return Verdict("process", "creator", "creator")
    match permission.group_policy:
        case "open":
            return Verdict("process", "allowed", "group-policy")
        case "allowlist":
            names = permission.allow_from
            entry = listed(names, sender, ambiguous=ambiguous, everyone=True, rules=rules)
            return Verdict("ignore" if entry is None else "process", "whitelisted", "allow-from")
        case _:
            return Verdict("ignore", "denied", "group-policy")


def _bypasses(
    policy: AccountPolicy, permission: GroupPermission, sender: str, *, ambiguous: bool, rules: int
) -> bool:
    if sender != permission.creator:
        return False
    if isinstance(policy.creator_bypass, bool):
        return policy.creator_bypass
    names = policy.creator_bypass
    return listed(names, sender, ambiguous=ambiguous, rules=rules) is not None


def _strictness(permission: GroupPermission) -> tuple[int, bool, bool, int]:
    """Greater is stricter: by policy, then mention, then who is listed."""
    known = permission.group_policy in _LENIENT_FIRST
    rank = _LENIENT_FIRST.index(permission.group_policy) if known else len(_LENIENT_FIRST)
    wild = listed(permission.allow_from, EVERYONE) is not None
    return rank, permission.require_mention, not wild, -len(permission.allow_from)
