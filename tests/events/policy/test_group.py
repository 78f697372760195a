from typing import cast, get_args
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from events.policy.account_policy import (
    AccountPolicy,
    GroupPermission,
    GroupPolicy,
    ToolPolicy,
    Verdict,
)
from events.policy.group import decide_group, keys_without_group, permission_for

POLICIES: tuple[GroupPolicy, ...] = get_args(GroupPolicy)
UNKNOWN = cast("GroupPolicy", "members")

ACCOUNT = AccountPolicy(username="my-bot", enable_groups=True)


def group(
    policy: GroupPolicy = "open",
    *allow_from: str,
    require_mention: bool = False,
    creator: str = "alice",
    name: str = "team",
) -> GroupPermission:
    return GroupPermission(
        creator=creator,
        group=name,
        group_policy=policy,
        require_mention=require_mention,
        allow_from=allow_from,
    )


def decide(
    permission: GroupPermission,
    sender: str,
    *,
    account: AccountPolicy = ACCOUNT,
    member: bool = True,
    mentioned: bool = False,
    ambiguous: bool = False,
) -> Verdict:
    return decide_group(
        account, permission, sender, member=member, mentioned=mentioned, ambiguous=ambiguous
    )


# --- who may be answered -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("sender", ["", " ", "\n"])
def test_an_empty_sender_is_denied_even_as_creator_and_listed(
    policy: GroupPolicy, sender: str
) -> None:
    permission = group(policy, "*", sender, creator=sender)
    assert decide(permission, sender) == Verdict("ignore", "denied", "empty-sender")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("entry", ["mallory", "*"])
def test_who_is_not_a_member_is_denied_even_if_listed(policy: GroupPolicy, entry: str) -> None:
    verdict = decide(group(policy, entry), "mallory", member=False, mentioned=True)
    assert verdict == Verdict("ignore", "denied", "not-a-member")


def test_with_groups_off_not_even_the_creator_is_let_in() -> None:
    off = replace(ACCOUNT, enable_groups=False)
    verdict = decide(group("open", "alice"), "alice", account=off)
    assert verdict == Verdict("ignore", "denied", "groups-disabled")


@pytest.mark.parametrize("policy", [*POLICIES, UNKNOWN])
@pytest.mark.parametrize("member", [True, False])
def test_the_creator_passes_every_policy_and_the_list(policy: GroupPolicy, *, member: bool) -> None:
    verdict = decide(group(policy), "alice", member=member)
    assert verdict == Verdict("process", "creator", "creator")


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        pytest.param(
            group("disabled", "bob"), Verdict("ignore", "denied", "group-policy"), id="disabled"
        ),
        pytest.param(
            group("allowlist"), Verdict("ignore", "whitelisted", "allow-from"), id="empty list"
        ),
        pytest.param(
            group("allowlist", "carol"),
            Verdict("ignore", "whitelisted", "allow-from"),
            id="not listed",
        ),
        pytest.param(
            group("allowlist", " BOB "),
            Verdict("process", "whitelisted", "allow-from"),
            id="listed",
        ),
        pytest.param(
            group("allowlist", "*"), Verdict("process", "whitelisted", "allow-from"), id="star"
        ),
        pytest.param(group("open"), Verdict("process", "allowed", "group-policy"), id="open"),
        pytest.param(
            group("open", "bob"),
            Verdict("process", "allowed", "group-policy"),
            id="open, even if listed",
        ),
        pytest.param(
            group(UNKNOWN, "bob"), Verdict("ignore", "denied", "group-policy"), id="unknown"
        ),
    ],
)
def test_the_policy_decides_for_a_member(permission: GroupPermission, expected: Verdict) -> None:
    assert decide(permission, "bob") == expected


@pytest.mark.parametrize("sender", ["alice", "bob", "carol"])
def test_everyone_must_mention_the_bot_where_that_is_required(sender: str) -> None:
    permission = group("allowlist", "bob", "*", require_mention=True)
    assert decide(permission, sender) == Verdict("ignore", "mention_required", "mention")
    assert decide(permission, sender, mentioned=True).action == "process"


@pytest.mark.parametrize(
    ("permission", "rule"),
    [
        (group("disabled", require_mention=True), "group-policy"),
        (group("allowlist", require_mention=True), "allow-from"),
    ],
)
def test_a_refusal_by_policy_is_stated_before_a_missing_mention(
    permission: GroupPermission, rule: str
) -> None:
    assert decide(permission, "bob", mentioned=False).rule == rule


def test_a_mention_opens_nothing_that_the_policy_closed() -> None:
    assert decide(group("disabled"), "bob", mentioned=True).action == "ignore"


def test_the_direct_settings_of_the_account_never_count() -> None:
    account = replace(ACCOUNT, dm_policy="allow", allow_from=("bob", "*"))
    assert decide(group("allowlist"), "bob", account=account).action == "ignore"
    strict = replace(ACCOUNT, dm_policy="deny")
    assert decide(group("open"), "bob", account=strict).action == "process"


# --- the creator's bypass ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bypass", "reason"),
    [
        pytest.param(True, "creator", id="true"),
        pytest.param(False, "denied", id="false"),
        pytest.param(("bob", " Alice "), "creator", id="listed"),
        pytest.param(("bob",), "denied", id="not listed"),
        pytest.param((), "denied", id="empty list"),
        pytest.param(("*",), "denied", id="a star is a name here"),
    ],
)
def test_the_bypass_holds_for_whom_the_operator_says(
    bypass: bool | tuple[str, ...], reason: str
) -> None:
    account = replace(ACCOUNT, creator_bypass=bypass)
    assert decide(group("disabled"), "alice", account=account).reason == reason


def test_a_creator_without_bypass_is_a_member_like_any_other() -> None:
    account = replace(ACCOUNT, creator_bypass=False)
    expected = Verdict("process", "allowed", "group-policy")
    assert decide(group("open"), "alice", account=account, member=False) == expected
    expected = Verdict("process", "whitelisted", "allow-from")
    assert decide(group("allowlist", "alice"), "alice", account=account) == expected
    expected = Verdict("ignore", "whitelisted", "allow-from")
    assert decide(group("allowlist"), "alice", account=account) == expected


@pytest.mark.parametrize("sender", ["Alice", " alice", "аlice", normalize("NFD", "alicé")])
def test_who_only_looks_like_the_creator_is_not(sender: str) -> None:
    assert decide(group("disabled"), sender).reason == "denied"
    assert decide(group("open"), sender, member=False).rule == "not-a-member"


def test_a_listed_creator_with_a_double_must_be_listed_exactly() -> None:
    account = replace(ACCOUNT, creator_bypass=("Alice",))
    verdict = decide(group("disabled"), "alice", account=account, ambiguous=True)
    assert verdict.action == "ignore"


def test_a_double_of_a_listed_member_is_not_answered() -> None:
    permission = group("allowlist", "bob")
    assert (
        decide_group(ACCOUNT, permission, "Bob", member=True, mentioned=False).action == "process"
    )
    assert decide(permission, "Bob", ambiguous=True).action == "ignore"
    assert decide(permission, "bob", ambiguous=True).action == "process"


# --- whose entry holds -------------------------------------------------------------------------


def account_with(*entries: GroupPermission) -> AccountPolicy:
    return replace(ACCOUNT, group_permissions=entries)


def test_an_entry_by_id_holds_before_one_by_display_name() -> None:
    by_name, by_id = group("disabled", name="Team"), group("open", name="id-1")
    assert permission_for(account_with(by_name, by_id), "alice", "id-1", "Team") == by_id


@pytest.mark.parametrize("key", ["Team é", " team É ", normalize("NFD", "Team é")])
def test_a_display_name_is_compared_as_lists_are(key: str) -> None:
    entry = group("open", name=key)
    assert permission_for(account_with(entry), "alice", "id-1", "Team é") == entry


@pytest.mark.parametrize(
    ("creator", "key"),
    [
        pytest.param("Alice", "team", id="creator in other case"),
        pytest.param("bob", "team", id="another creator"),
        pytest.param("alice", "ID-1", id="id in other case"),
        pytest.param("alice", "tea", id="another group"),
        pytest.param("alice", "*", id="no wildcard"),
        pytest.param("alice", "", id="blank"),
    ],
)
def test_an_entry_for_something_else_does_not_hold(creator: str, key: str) -> None:
    entry = group("open", "*", creator=creator, name=key)
    permission = permission_for(account_with(entry), "alice", "id-1", "team")
    assert permission.group_policy == "allowlist"
    assert permission.allow_from == ()


def test_a_group_without_a_name_gets_no_entry_by_name() -> None:
    entry = group("open", name=" ")
    assert permission_for(account_with(entry), "alice", "id-1", "").group_policy == "allowlist"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("require_mention", [True, False])
def test_without_an_entry_the_defaults_of_the_account_hold_and_nobody_is_listed(
    policy: GroupPolicy, *, require_mention: bool
) -> None:
    account = replace(
        ACCOUNT, group_policy=policy, require_mention=require_mention, allow_from=("bob",)
    )
    assert permission_for(account, "alice", "id-1", "team") == GroupPermission(
        creator="alice",
        group="id-1",
        group_policy=policy,
        require_mention=require_mention,
        allow_from=(),
        tools=None,
    )


@pytest.mark.parametrize(
    ("stricter", "other"),
    [
        pytest.param(group("disabled"), group("allowlist"), id="disabled before allowlist"),
        pytest.param(group("allowlist", "bob"), group("open"), id="allowlist before open"),
        pytest.param(
            group("open", require_mention=True), group("open"), id="with a mention before without"
        ),
        pytest.param(
            group("allowlist", "bob", "carol"), group("allowlist", "*"), id="names before everyone"
        ),
        pytest.param(
            group("allowlist", "bob"), group("allowlist", "bob", "carol"), id="fewer names first"
        ),
        pytest.param(group(UNKNOWN), group("disabled"), id="unknown before all"),
    ],
)
def test_of_several_entries_that_fit_the_strictest_holds(
    stricter: GroupPermission, other: GroupPermission
) -> None:
    other = replace(other, group="TEAM")
    for entries in ((stricter, other), (other, stricter)):
        assert permission_for(account_with(*entries), "alice", "id-1", "Team") == stricter


def test_an_entry_by_a_shared_name_holds_only_if_it_is_stricter_than_the_defaults() -> None:
    def policy_for(entry: GroupPermission) -> GroupPolicy:
        account = account_with(entry)
        return permission_for(account, "alice", "id-1", "team", name_shared=True).group_policy

    assert policy_for(group("open")) == "allowlist"
    assert policy_for(group("disabled")) == "disabled"
    assert policy_for(group("open", name="id-1")) == "open"


def test_tools_come_with_the_entry() -> None:
    tools = ToolPolicy(allow=("exec",))
    entry = replace(group("open"), tools=tools)
    assert permission_for(account_with(entry), "alice", "team", "Team").tools == tools


def test_an_entry_gives_the_bypass_to_the_creator_of_the_chat_only() -> None:
    """An entry typed under another creator's name must not hand that one the bypass."""
    account = account_with(group("disabled", creator="mallory"))
    permission = permission_for(account, "alice", "id-1", "team")
    assert permission.creator == "alice"
    assert decide(permission, "mallory", account=account).action == "ignore"


# --- what holds whatever is configured ---------------------------------------------------------

NAMES = st.sampled_from(["alice", "Alice", "bob", "*", "", " "])
PERMISSIONS = st.builds(
    GroupPermission,
    creator=NAMES,
    group=st.just("team"),
    group_policy=st.sampled_from([*POLICIES, UNKNOWN]),
    require_mention=st.booleans(),
    allow_from=st.lists(NAMES, max_size=3).map(tuple),
)
ACCOUNTS = st.builds(
    AccountPolicy,
    username=st.just("my-bot"),
    dm_policy=st.sampled_from(["allow", "deny", "pairing"]),
    allow_from=st.lists(NAMES, max_size=2).map(tuple),
    creator_bypass=st.booleans() | st.lists(NAMES, max_size=2).map(tuple),
)


@given(ACCOUNTS, PERMISSIONS, NAMES, st.booleans(), st.booleans())
def test_nothing_goes_past_a_required_mention(
    account: AccountPolicy, permission: GroupPermission, sender: str, member: bool, ambiguous: bool
) -> None:
    permission = replace(permission, require_mention=True)
    verdict = decide(
        permission, sender, account=account, member=member, mentioned=False, ambiguous=ambiguous
    )
    assert verdict.action == "ignore"


@given(ACCOUNTS, PERMISSIONS, NAMES, st.booleans())
def test_only_members_and_the_creator_are_answered(
    account: AccountPolicy, permission: GroupPermission, sender: str, mentioned: bool
) -> None:
    verdict = decide(permission, sender, account=account, member=False, mentioned=mentioned)
    if verdict.action == "process":
        assert sender == permission.creator


@given(ACCOUNTS, PERMISSIONS, NAMES, st.booleans(), st.booleans())
def test_a_group_never_starts_a_pairing(
    account: AccountPolicy, permission: GroupPermission, sender: str, member: bool, mentioned: bool
) -> None:
    verdict = decide(permission, sender, account=account, member=member, mentioned=mentioned)
    assert verdict.action in {"process", "ignore"}
    assert verdict.reason != "pending"


@given(ACCOUNTS, PERMISSIONS, NAMES, st.booleans(), st.booleans())
def test_the_settings_of_direct_messages_change_nothing(
    account: AccountPolicy, permission: GroupPermission, sender: str, member: bool, mentioned: bool
) -> None:
    other = replace(account, dm_policy="allow", allow_from=("*",))
    assert decide(
        permission, sender, account=account, member=member, mentioned=mentioned
    ) == decide(permission, sender, account=other, member=member, mentioned=mentioned)


@given(ACCOUNTS, PERMISSIONS, NAMES)
def test_a_double_only_takes_rights_away(
    account: AccountPolicy, permission: GroupPermission, sender: str
) -> None:
    strict = decide(permission, sender, account=account, mentioned=True, ambiguous=True)
    if strict.action == "process":
        assert decide(permission, sender, account=account, mentioned=True).action == "process"


@given(ACCOUNTS, st.lists(PERMISSIONS, max_size=4), st.booleans())
def test_the_permission_of_a_group_is_one_that_fits_it(
    account: AccountPolicy, entries: list[GroupPermission], shared: bool
) -> None:
    account = replace(account, group_permissions=tuple(entries))
    permission = permission_for(account, "alice", "id-1", "Team", name_shared=shared)
    assert permission.creator == "alice"
    assert permission.group in {"id-1", "team"}


def test_a_key_fits_a_group_by_its_id_exactly_or_by_its_name_as_lists_do() -> None:
    keys = ("team", "TEAM", "g1", "G1", "taem")
    entries = (*(group(name=key) for key in keys), group(creator="Alice"))
    account = replace(ACCOUNT, group_permissions=entries)
    assert keys_without_group(account, {"alice/g1": "Team"}) == (
        "alice/G1",
        "alice/taem",
        "Alice/team",
    )
    assert len(keys_without_group(account, {})) == len(entries)
