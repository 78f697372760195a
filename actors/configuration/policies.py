"""Options to `events.policy.account_policy`: the groups' inheritance resolved, their keys taken
apart."""

from actors.configuration.findings import Findings, Path, quoted
from actors.configuration.options import AccountOptions, GroupOptions
from actors.configuration.values import group_key
from events.policy.account_policy import AccountPolicy, GroupPermission


def account_policy(options: AccountOptions) -> AccountPolicy:
    """The whole policy of an account."""
    return AccountPolicy(
        username=options.username,
        dm_policy=options.dm_policy,
        allow_from=options.allow_from,
        enable_groups=options.enable_groups,
        group_policy=options.group_policy,
        require_mention=options.require_mention,
        creator_bypass=options.creator_bypass,
        group_permissions=tuple(
            _permission(options, key, entry) for key, entry in options.group_permissions.items()
        ),
        turn_budget=options.turn_budget,
        turn_window_s=options.turn_window,
        max_message_chars=options.max_message_chars,
        answer_horizon_s=options.answer_horizon,
        attempts=options.attempts,
        apology=options.apology,
        group_apology=options.group_apology,
    )


def _permission(options: AccountOptions, key: str, entry: GroupOptions) -> GroupPermission:
    """The entry's own values, else the account's. Its list never inherits: an account's list is
    about direct messages."""
    creator, group = group_key(key)
    mention = entry.require_mention
    return GroupPermission(
        creator=creator,
        group=group,
        group_policy=entry.group_policy or options.group_policy,
        require_mention=options.require_mention if mention is None else mention,
        allow_from=entry.allow_from,
        tools=entry.tools,
        tools_by_sender=entry.tools_by_sender,
    )


def check_repeated(entries: dict[str, GroupOptions], path: Path, findings: Findings) -> None:
    """`creator` and `group` inside an entry, which only repeat its key."""
    for key, entry in entries.items():
        creator, group = group_key(key)
        for option, said, meant in (
            ("creator", entry.creator, creator),
            ("group", entry.group, group),
        ):
            if said is not None and said != meant:
                hint = "it must equal the key, or be left out"
                findings.error((*path, key, option), quoted(meant), hint=hint)
