"""Which of the agent's tools a turn may use.

Tools are named as OpenClaw names them: a tool (`exec`), a group of tools (`group:runtime`), or a
pattern with `*` (`github__*`). The catalogue below is what OpenClaw 2026.9 prints; it serves to
read abbreviations and to warn of slips. A name that it lacks is kept as it is.
"""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import filter as fnmatch_filter
from fnmatch import fnmatchcase

from events.policy.account_policy import (
    RULES_VERSION,
    GroupPermission,
    SenderTools,
    ToolGrant,
    ToolPolicy,
)
from events.policy.names import EVERYONE, matches

_BASIC_GROUPS = {
    "group:fs": "ls read write edit apply_patch",
    "group:runtime": "exec process code_execution secrets",
    "group:web": "web_search web_fetch x_search",
    "group:memory": "memory_search memory_get",
    "group:sessions": (
        "sessions sessions_list sessions_history sessions_search conversations_list"
        " conversations_send conversations_turn sessions_send sessions_spawn"
        " github_identity_status github_publish agents_wait sessions_yield subagents"
        " session_status suggest_task dismiss_task"
    ),
    "group:ui": "browser screen theme dashboard terminal portal canvas show_widget",
    "group:messaging": "message",
    "group:automation": "heartbeat_respond automations gateway plugins openclaw",
    "group:nodes": "nodes computer mobile_ui",
    "group:agents": (
        "agents_list get_goal create_goal update_goal progress_card ask_user skill_workshop"
    ),
    "group:media": "view_image image_generate music_generate video_generate tts pdf",
}
_OUTSIDE_OPENCLAW = {"ls", "read", "write", "edit", "apply_patch", "exec", "process", "canvas"}
_PLUGIN_TOOLS = ("bundle-mcp", "*__*")

KNOWN_TOOLS = frozenset(tool for tools in _BASIC_GROUPS.values() for tool in tools.split())
"""Every tool that comes with OpenClaw; tools of plugins and MCP servers aren't among them."""

TOOL_GROUPS: Mapping[str, frozenset[str]] = {
    **{group: frozenset(tools.split()) for group, tools in _BASIC_GROUPS.items()},
    "group:openclaw": KNOWN_TOOLS - _OUTSIDE_OPENCLAW,
    "group:plugins": frozenset(_PLUGIN_TOOLS),
}
"""Tools by group. A member may be a pattern."""

_ALIASES = {"bash": "exec", "cron": "automations", "apply-patch": "apply_patch"}


def canonical_tool(name: str) -> str:
    """The full name of a tool, group or pattern: `Bash` is `exec`, `fs` is `group:fs`.

    Case and blanks around it don't count. A group's bare name stands for the group unless a tool
    has that name (`sessions`, `nodes`, `openclaw`, `plugins`).
    """
    plain = name.strip().casefold()
    plain = _ALIASES.get(plain, plain)
    group = f"group:{plain}"
    return group if group in TOOL_GROUPS and plain not in KNOWN_TOOLS else plain


def grant_tools(
    permission: GroupPermission | None,
    sender: str,
    *,
    ambiguous: bool = False,
    rules: int = RULES_VERSION,
) -> ToolGrant:
    """The tools of a turn that `sender` asked for, in a group or (`None`) a direct conversation.

    Without `tools`, or with neither list in it, the default of `ToolGrant` holds. `allow` means
    only these, none if it is empty; `deny` means not these, and without `allow` grants all others.
    `alsoAllow` of every entry of `toolsBySender` that means the sender, or
    everyone (`*`), adds to `allow` or to the
    default, or lifts from a lone `deny` (the same name, or a member of a group that it names; a
    single tool isn't lifted out of a denied group). Their `deny` beats all, and
    `ambiguous` does not lift it: nobody gets a denied tool under a twin's name.
    """
    if permission is None:
        return ToolGrant()
    by_sender = permission.tools_by_sender
    adding = _entries_for(sender, by_sender, ambiguous=ambiguous, rules=rules)
    denying = _entries_for(sender, by_sender, ambiguous=ambiguous and rules == 1, rules=rules)
    also_allow = _canonical((tool for entry in adding for tool in entry.also_allow), rules)
    deny_sender = _canonical((tool for entry in denying for tool in entry.deny), rules)
    grant = _granted_to_all(permission.tools, rules)
    if grant.allow is not None:
        allow = _canonical(grant.allow + also_allow, rules)
        return ToolGrant(allow, _canonical(grant.deny + deny_sender, rules))
    kept = tuple(tool for tool in grant.deny if not _covered(tool, also_allow, TOOL_GROUPS))
    return ToolGrant(None, _canonical(kept + deny_sender, rules))


def _entries_for(
    sender: str, by_sender: Mapping[str, SenderTools], *, ambiguous: bool, rules: int
) -> list[SenderTools]:
    return [
        entry
        for name, entry in by_sender.items()
        if matches(name, sender, ambiguous=ambiguous, rules=rules)
        or (name.strip() == EVERYONE and rules > 1)
    ]


def warnings_for(
    tools: ToolPolicy | None, by_sender: Mapping[str, SenderTools] | None = None
) -> list[str]:
    """What an operator should know of a group's `tools` and `toolsBySender`, a sentence each.

    Each begins with the option that it is about, relative to the group's entry.
    """
    warnings = _warnings_for_lists(tools or ToolPolicy())
    for sender, entry in (by_sender or {}).items():
        option = f"toolsBySender.{sender}"
        warnings += _warnings_for_names(f"{option}.alsoAllow", entry.also_allow)
        warnings += _warnings_for_names(f"{option}.deny", entry.deny)
        warnings += _warnings_for_lifting(f"{option}.alsoAllow", entry.also_allow, tools)
        warnings += _warnings_for_repeating(f"{option}.alsoAllow", entry.also_allow, tools)
    return warnings


def _granted_to_all(tools: ToolPolicy | None, rules: int = RULES_VERSION) -> ToolGrant:
    if tools is None or (tools.allow is None and tools.deny is None):
        return ToolGrant()
    allow = None if tools.allow is None else _canonical(tools.allow, rules)
    return ToolGrant(allow, _canonical(tools.deny or (), rules))


def _canonical(names: Iterable[str], rules: int = RULES_VERSION) -> tuple[str, ...]:
    """Full names in their order, each once, blank ones left out. A pattern of groups (`group:*`) is
    written out: agents match patterns with tools only."""
    full = (name for name in map(canonical_tool, names) if name)
    if rules == 1:
        return tuple(dict.fromkeys(full))
    return tuple(dict.fromkeys(each for name in full for each in _groups_of(name)))


def _groups_of(name: str) -> tuple[str, ...]:
    """The groups that the pattern `name` stands for; itself, if it is none of groups."""
    is_pattern = name.startswith("group:") and "*" in name
    return tuple(fnmatch_filter(TOOL_GROUPS, name)) if is_pattern else (name,)


def _covered(name: str, entries: Iterable[str], groups: Mapping[str, Collection[str]]) -> bool:
    """Whether one of `entries` is `name`, a pattern for it, or a group that holds it."""
    return any(
        entry == name
        or fnmatchcase(name, entry)
        or any(fnmatchcase(name, member) for member in groups.get(entry, ()))
        for entry in map(canonical_tool, entries)
    )


def _warnings_for_lists(tools: ToolPolicy) -> list[str]:
    warnings = []
    if tools.allow == ():
        warnings.append(
            "tools.allow: the list is empty, so no tool may be used;"
            " leave `tools` out for the default (group:messaging, group:sessions)"
        )
    if tools.allow is None and tools.deny is not None:
        warnings.append(
            "tools.deny: without tools.allow it grants every tool that it does not name;"
            " list the wanted tools in tools.allow instead"
        )
    warnings += _warnings_for_names("tools.allow", tools.allow or ())
    return warnings + _warnings_for_names("tools.deny", tools.deny or ())


def _warnings_for_names(option: str, names: Iterable[str]) -> list[str]:
    warnings = []
    for name in names:
        plain = canonical_tool(name)
        if plain in KNOWN_TOOLS and f"group:{plain}" in TOOL_GROUPS:
            warnings.append(
                f"{option}: {name!r} means the tool of that name;"
                f" write 'group:{plain}' for the group"
            )
        elif not _is_known(plain):
            warnings.append(f"{option}: unknown tool {name!r}{_suggestion(plain)}")
    return warnings


def _is_known(plain: str) -> bool:
    if plain.startswith("group:"):
        return any(group in TOOL_GROUPS for group in _groups_of(plain))
    return plain in KNOWN_TOOLS or "*" in plain or _is_plugin_tool(plain)


def _is_plugin_tool(plain: str) -> bool:
    return _covered(plain, ("group:plugins",), TOOL_GROUPS)


def _suggestion(plain: str) -> str:
    close = get_close_matches(plain, sorted(KNOWN_TOOLS | TOOL_GROUPS.keys() | _ALIASES.keys()), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _warnings_for_lifting(
    option: str, also_allow: Iterable[str], tools: ToolPolicy | None
) -> list[str]:
    """`alsoAllow` that a `deny` defeats: beside `allow`, or from within a denied group."""
    grant = _granted_to_all(tools)
    lifted = _canonical(also_allow)
    if grant.allow is None:
        deny = [tool for tool in grant.deny if not _covered(tool, lifted, TOOL_GROUPS)]
    else:
        deny = list(grant.deny)
    return [
        f"{option}: {tool!r} stays denied by tools.deny; name the denied tools one by one there"
        for tool in lifted
        if _covered(tool, deny, TOOL_GROUPS)
    ]


def _warnings_for_repeating(
    option: str, also_allow: Iterable[str], tools: ToolPolicy | None
) -> list[str]:
    """`alsoAllow` of what everybody in the group has already."""
    grant = _granted_to_all(tools)
    return [
        f"{option}: {tool!r} is granted to everybody already, so it adds nothing"
        for tool in _canonical(also_allow)
        if not _overlaps(tool, grant.deny)
        and (grant.allow is None or _covered(tool, grant.allow, TOOL_GROUPS))
    ]


def _overlaps(tool: str, entries: Iterable[str]) -> bool:
    """Whether `tool`, a name, a group or a pattern, has anything in common with `entries`."""
    return any(
        _covered(entry, (tool,), TOOL_GROUPS) or _covered(tool, (entry,), TOOL_GROUPS)
        for entry in entries
    )
