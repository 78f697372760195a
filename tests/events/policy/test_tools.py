from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from events.policy import tools
from events.policy.account_policy import GroupPermission, SenderTools, ToolGrant, ToolPolicy
from events.policy.tools import (
    KNOWN_TOOLS,
    TOOL_GROUPS,
    canonical_tool,
    grant_tools,
    warnings_for,
)

DEFAULT = ("group:messaging", "group:sessions")


def permits(
    grant: ToolGrant, tool: str, groups: Mapping[str, Collection[str]] = TOOL_GROUPS
) -> bool:
    """Whether `grant` lets the agent use `tool`. `groups` says which tools each group holds.

    A group that `groups` lacks holds nothing.
    """
    name = canonical_tool(tool)
    if not name or tools._covered(name, grant.deny, groups):
        return False
    return grant.allow is None or tools._covered(name, grant.allow, groups)


def permission(
    allow: tuple[str, ...] | None = None,
    deny: tuple[str, ...] | None = None,
    **by_sender: SenderTools,
) -> GroupPermission:
    tools = None if allow is None and deny is None else ToolPolicy(allow, deny)
    return GroupPermission(creator="alice", group="team", tools=tools, tools_by_sender=by_sender)


def also(*names: str, deny: tuple[str, ...] = ()) -> SenderTools:
    return SenderTools(also_allow=names, deny=deny)


# --- what a turn is granted --------------------------------------------------------------------


def test_a_direct_conversation_has_the_default_tools() -> None:
    assert grant_tools(None, "alice") == ToolGrant(DEFAULT, ())


@pytest.mark.parametrize("tools", [None, ToolPolicy()], ids=["absent", "no list in it"])
def test_an_entry_without_tools_has_the_default_tools(tools: ToolPolicy | None) -> None:
    entry = replace(permission(), tools=tools)
    assert grant_tools(entry, "bob") == ToolGrant(DEFAULT, ())


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        pytest.param(("exec",), None, ToolGrant(("exec",)), id="allow: only these"),
        pytest.param((), None, ToolGrant(()), id="an empty allow: none"),
        pytest.param(("",), None, ToolGrant(()), id="a blank name: none"),
        pytest.param(None, ("exec",), ToolGrant(None, ("exec",)), id="deny: all but these"),
        pytest.param(None, (), ToolGrant(None, ()), id="an empty deny: all"),
        pytest.param(
            ("exec", "read"), ("exec",), ToolGrant(("exec", "read"), ("exec",)), id="both"
        ),
        pytest.param(("fs", "Bash"), None, ToolGrant(("group:fs", "exec")), id="abbreviations"),
        pytest.param(("fs", "group:fs"), None, ToolGrant(("group:fs",)), id="twice the same"),
    ],
)
def test_the_lists_of_a_group(
    allow: tuple[str, ...] | None, deny: tuple[str, ...] | None, expected: ToolGrant
) -> None:
    assert grant_tools(permission(allow, deny), "bob") == expected


@pytest.mark.parametrize(
    ("allow", "deny", "extra", "expected"),
    [
        pytest.param(
            ("group:web",),
            None,
            also("exec"),
            ToolGrant(("group:web", "exec")),
            id="on top of allow",
        ),
        pytest.param((), None, also("exec"), ToolGrant(("exec",)), id="on top of an empty allow"),
        pytest.param(
            None, None, also("exec", "fs"), ToolGrant((*DEFAULT, "exec", "group:fs")), id="default"
        ),
        pytest.param(
            None, ("exec", "read"), also("bash"), ToolGrant(None, ("read",)), id="lifted from deny"
        ),
        pytest.param(
            None,
            ("read", "write", "exec"),
            also("fs"),
            ToolGrant(None, ("exec",)),
            id="lifted by its group",
        ),
        pytest.param(
            None,
            ("group:runtime",),
            also("exec"),
            ToolGrant(None, ("group:runtime",)),
            id="not lifted out of a group",
        ),
        pytest.param(
            ("read",),
            ("exec",),
            also("exec"),
            ToolGrant(("read", "exec"), ("exec",)),
            id="deny beside allow stays",
        ),
        pytest.param(
            ("exec",),
            None,
            also(deny=("exec",)),
            ToolGrant(("exec",), ("exec",)),
            id="denied to the sender",
        ),
        pytest.param(
            None, None, also(deny=("message",)), ToolGrant(DEFAULT, ("message",)), id="from default"
        ),
        pytest.param(
            None,
            ("exec",),
            also("exec", deny=("exec",)),
            ToolGrant(None, ("exec",)),
            id="the sender's deny beats what was lifted",
        ),
    ],
)
def test_what_one_sender_gets_on_top_or_does_not(
    allow: tuple[str, ...] | None,
    deny: tuple[str, ...] | None,
    extra: SenderTools,
    expected: ToolGrant,
) -> None:
    entry = permission(allow, deny, admin=extra)
    assert grant_tools(entry, "admin") == expected
    assert grant_tools(entry, "bob") == grant_tools(permission(allow, deny), "bob")


@pytest.mark.parametrize("sender", ["admin", "Admin", "ADMIN"])
def test_a_sender_is_found_as_lists_find_names(sender: str) -> None:
    entry = permission(("read",), None, **{" Admin ": also("exec")})
    assert grant_tools(entry, sender).allow == ("read", "exec")


def test_a_double_of_a_listed_sender_gets_nothing_on_top() -> None:
    entry = permission(("read",), None, admin=also("exec"))
    assert grant_tools(entry, "Admin", ambiguous=True).allow == ("read",)
    assert grant_tools(entry, "admin", ambiguous=True).allow == ("read", "exec")


def test_a_double_of_a_denied_sender_is_denied_the_same() -> None:
    entry = permission(("read", "exec"), None, admin=also("write", deny=("exec",)))
    assert grant_tools(entry, "Admin", ambiguous=True) == ToolGrant(("read", "exec"), ("exec",))
    assert grant_tools(entry, "Admin", ambiguous=True, rules=1) == ToolGrant(("read", "exec"))
    assert grant_tools(entry, "Admins", ambiguous=True).deny == ()


def test_a_star_means_every_sender() -> None:
    entry = permission(("read", "exec"), None, **{"*": also("write", deny=("exec",))})
    for sender in ("bob", "alice"):
        assert grant_tools(entry, sender) == ToolGrant(("read", "exec", "write"), ("exec",))
    assert grant_tools(entry, "bob", rules=1) == ToolGrant(("read", "exec"))
    assert grant_tools(entry, "Bob", ambiguous=True).deny == ("exec",)


def test_a_pattern_of_groups_is_written_out() -> None:
    assert grant_tools(permission(None, ("group:*",)), "bob").deny == tuple(TOOL_GROUPS)
    assert grant_tools(permission(("group:m*",)), "bob").allow == (
        "group:memory",
        "group:messaging",
        "group:media",
    )
    assert grant_tools(permission(None, ("group:*",)), "bob", rules=1).deny == ("group:*",)


@pytest.mark.parametrize(
    ("lists", "extra", "warned"),
    [
        pytest.param(None, "message", True, id="of the default"),
        pytest.param(None, "exec", False, id="beyond the default"),
        pytest.param(ToolPolicy(("group:fs",)), "read", True, id="of a group"),
        pytest.param(ToolPolicy(None, ("exec",)), "read", True, id="not denied"),
        pytest.param(ToolPolicy(None, ("exec",)), "exec", False, id="lifted"),
        pytest.param(ToolPolicy(None, ("exec",)), "runtime", False, id="lifted by its group"),
    ],
)
def test_an_extra_tool_that_everybody_has_is_told(
    lists: ToolPolicy | None, extra: str, *, warned: bool
) -> None:
    warnings = warnings_for(lists, {"admin": also(extra)})
    assert any("everybody already" in warning for warning in warnings) is warned


def test_every_entry_that_means_a_sender_counts() -> None:
    entry = permission(("read",), None, admin=also("exec"), Admin=also(deny=("exec",)))
    assert not permits(grant_tools(entry, "admin"), "exec")


# --- names of tools ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("exec", "exec"),
        (" Exec ", "exec"),
        ("bash", "exec"),
        ("cron", "automations"),
        ("apply-patch", "apply_patch"),
        ("fs", "group:fs"),
        ("runtime", "group:runtime"),
        ("web", "group:web"),
        ("memory", "group:memory"),
        ("ui", "group:ui"),
        ("messaging", "group:messaging"),
        ("automation", "group:automation"),
        ("agents", "group:agents"),
        ("media", "group:media"),
        ("group:FS", "group:fs"),
        ("sessions", "sessions"),
        ("nodes", "nodes"),
        ("openclaw", "openclaw"),
        ("plugins", "plugins"),
        ("github__search", "github__search"),
        ("*", "*"),
        ("no_such_tool", "no_such_tool"),
    ],
)
def test_abbreviations_are_written_out(name: str, full: str) -> None:
    assert canonical_tool(name) == full
    assert canonical_tool(full) == full


# --- what a grant permits ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grant", "tool", "expected"),
    [
        pytest.param(ToolGrant(("exec",)), "exec", True, id="named"),
        pytest.param(ToolGrant(("exec",)), "Bash", True, id="by an alias"),
        pytest.param(ToolGrant(("exec",)), "read", False, id="not named"),
        pytest.param(ToolGrant(("group:fs",)), "read", True, id="in a group"),
        pytest.param(ToolGrant(("fs",)), "read", True, id="in an abbreviated group"),
        pytest.param(ToolGrant(("group:fs",)), "exec", False, id="in another group"),
        pytest.param(ToolGrant(("group:nope",)), "exec", False, id="an unknown group"),
        pytest.param(ToolGrant(()), "exec", False, id="none"),
        pytest.param(ToolGrant(None), "exec", True, id="all"),
        pytest.param(ToolGrant(None), "", False, id="no name"),
        pytest.param(ToolGrant(None, ("bash",)), "exec", False, id="denied by an alias"),
        pytest.param(ToolGrant(None, ("group:runtime",)), "bash", False, id="denied by its group"),
        pytest.param(ToolGrant(None, ("group:runtime",)), "read", True, id="another one denied"),
        pytest.param(ToolGrant(None, ("*",)), "read", False, id="all denied"),
        pytest.param(ToolGrant(("*",)), "read", True, id="all by a pattern"),
        pytest.param(ToolGrant(("exec",), ("exec",)), "exec", False, id="deny wins"),
        pytest.param(ToolGrant(("exec",), ("group:runtime",)), "exec", False, id="by group too"),
        pytest.param(ToolGrant(("git__*",)), "git__log", True, id="a pattern"),
        pytest.param(ToolGrant(("git__*",)), "hub__log", False, id="another pattern"),
        pytest.param(ToolGrant(("group:plugins",)), "git__log", True, id="a tool of a plugin"),
        pytest.param(ToolGrant(("group:plugins",)), "bundle-mcp", True, id="the bundle"),
        pytest.param(ToolGrant(("group:plugins",)), "exec", False, id="not of a plugin"),
        pytest.param(ToolGrant(("group:openclaw",)), "browser", True, id="in the large group"),
        pytest.param(ToolGrant(("group:openclaw",)), "exec", False, id="outside the large group"),
        pytest.param(ToolGrant(), "message", True, id="default: message"),
        pytest.param(ToolGrant(), "sessions_list", True, id="default: sessions"),
        pytest.param(ToolGrant(), "exec", False, id="default: no exec"),
    ],
)
def test_a_grant_permits_a_tool(grant: ToolGrant, tool: str, *, expected: bool) -> None:
    assert permits(grant, tool) is expected


def test_the_caller_may_know_other_groups() -> None:
    assert permits(ToolGrant(("group:own",)), "spade", {"group:own": ["spade"]})


# --- what an operator is told ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        pytest.param(None, [], id="absent"),
        pytest.param(ToolPolicy(("group:fs", "bash", "git__*", "*")), [], id="all known"),
        pytest.param(ToolPolicy(()), ["tools.allow: the list is empty"], id="an empty allow"),
        pytest.param(ToolPolicy(None, ("exec",)), ["tools.deny: without tools.allow"], id="lone"),
        pytest.param(ToolPolicy(None, ()), ["tools.deny: without tools.allow"], id="empty deny"),
        pytest.param(ToolPolicy(("exec",), ("read",)), [], id="deny beside allow"),
        pytest.param(
            ToolPolicy(("exce",)), ["unknown tool 'exce'; did you mean 'exec'?"], id="a slip"
        ),
        pytest.param(
            ToolPolicy(("group:rutime",)), ["did you mean 'group:runtime'?"], id="a slip in a group"
        ),
        pytest.param(ToolPolicy(("group:q*",)), ["unknown tool 'group:q*'"], id="no such groups"),
        pytest.param(ToolPolicy(("group:*",)), [], id="all groups"),
        pytest.param(ToolPolicy(("qqqqqq",)), ["unknown tool 'qqqqqq'"], id="no idea"),
        pytest.param(
            ToolPolicy(("sessions",)), ["write 'group:sessions' for the group"], id="tool or group"
        ),
    ],
)
def test_warnings_for_the_lists(tools: ToolPolicy | None, expected: list[str]) -> None:
    warnings = warnings_for(tools)
    assert len(warnings) == len(expected)
    for warning, part in zip(warnings, expected, strict=True):
        assert part in warning


def test_a_warning_says_whose_option_it_is_about() -> None:
    warnings = warnings_for(None, {"admin": also("exce", deny=("raed",))})
    assert [warning.split(":")[0] for warning in warnings] == [
        "toolsBySender.admin.alsoAllow",
        "toolsBySender.admin.deny",
    ]


@pytest.mark.parametrize(
    ("tools", "extra", "warned"),
    [
        pytest.param(ToolPolicy(None, ("group:runtime",)), "exec", True, id="in a denied group"),
        pytest.param(ToolPolicy(("read",), ("exec",)), "exec", True, id="denied beside allow"),
        pytest.param(ToolPolicy(None, ("exec",)), "exec", False, id="lifted"),
        pytest.param(ToolPolicy(("read",)), "exec", False, id="added"),
    ],
)
def test_an_extra_tool_that_stays_denied_is_told(
    tools: ToolPolicy, extra: str, *, warned: bool
) -> None:
    warnings = warnings_for(tools, {"admin": also(extra)})
    assert any("stays denied" in warning for warning in warnings) is warned


# --- what holds whatever is configured ---------------------------------------------------------

SOME = [
    "exec",
    "read",
    "message",
    "git__log",
    "fs",
    "group:runtime",
    "group:plugins",
    "git__*",
    "*",
]
TOOLS = st.sampled_from(sorted(KNOWN_TOOLS | {"git__log", "hub__log", "new_tool"}))
LISTS = st.lists(st.sampled_from(SOME), max_size=4).map(tuple)
SENDERS = st.builds(SenderTools, also_allow=LISTS, deny=LISTS)
GROUPS = st.builds(
    GroupPermission,
    creator=st.just("alice"),
    group=st.just("team"),
    tools=st.none() | st.builds(ToolPolicy, allow=st.none() | LISTS, deny=st.none() | LISTS),
    tools_by_sender=st.dictionaries(st.sampled_from(["admin", "Admin", "bob"]), SENDERS),
)


@given(GROUPS, st.sampled_from(SOME), TOOLS)
def test_one_more_denied_tool_never_grants_more(
    group: GroupPermission, denied: str, tool: str
) -> None:
    if group.tools is None or group.tools.deny is None:
        return
    stricter = replace(group, tools=replace(group.tools, deny=(*group.tools.deny, denied)))
    if permits(grant_tools(stricter, "admin"), tool):
        assert permits(grant_tools(group, "admin"), tool)


@given(GROUPS, SENDERS, st.sampled_from(SOME), TOOLS)
def test_one_more_tool_denied_to_a_sender_never_grants_more(
    group: GroupPermission, entry: SenderTools, denied: str, tool: str
) -> None:
    def granted(one: SenderTools) -> ToolGrant:
        by_sender = {**group.tools_by_sender, "admin": one}
        return grant_tools(replace(group, tools_by_sender=by_sender), "admin")

    if permits(granted(replace(entry, deny=(*entry.deny, denied))), tool):
        assert permits(granted(entry), tool)


@given(GROUPS, TOOLS)
def test_what_a_sender_is_denied_is_never_permitted(group: GroupPermission, tool: str) -> None:
    group = replace(group, tools_by_sender={"admin": SenderTools(("*",), (tool,))})
    assert not permits(grant_tools(group, "admin"), tool)


@given(GROUPS, TOOLS)
def test_beside_an_allow_list_denied_is_denied(group: GroupPermission, tool: str) -> None:
    if group.tools and group.tools.allow is not None:
        denied = replace(group, tools=replace(group.tools, deny=(tool,)))
        assert not permits(grant_tools(denied, "admin"), tool)


@given(GROUPS, SENDERS, TOOLS)
def test_an_extra_tool_never_takes_one_away(
    group: GroupPermission, entry: SenderTools, tool: str
) -> None:
    without = replace(group, tools_by_sender={"admin": SenderTools((), entry.deny)})
    extra = replace(group, tools_by_sender={"admin": entry})
    if permits(grant_tools(without, "admin"), tool):
        assert permits(grant_tools(extra, "admin"), tool)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_names_get_an_answer(entry: str, tool: str) -> None:
    permits(ToolGrant((entry,), (tool,)), tool)
    warnings_for(ToolPolicy((entry,), (tool,)), {entry: also(tool)})


def test_every_group_holds_tools() -> None:
    assert len(TOOL_GROUPS) == 13
    assert all(TOOL_GROUPS.values())
