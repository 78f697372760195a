"""A message is judged by recorded facts alone, so the log can be judged again, years later."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from events.conversation.events import DecisionInputs, MessageSeen, PolicyDecided
from events.conversation.judgement import UnknownRules, decide_again, judge
from events.policy.account_policy import (
    RULES_VERSION,
    AccountPolicy,
    GroupPermission,
    SenderTools,
    ToolGrant,
    ToolPolicy,
)
from events.streams import ConversationId
from tests.events.builders import (
    ALLOWLIST,
    CLOSED_DOOR,
    GROUP,
    NOW_MS,
    OPEN_DOOR,
    PEER,
    STRANGERS_PAIR,
)
from tests.events.conversation_story import ConversationStory

MENTION_NEEDED = replace(OPEN_DOOR, require_mention=True)


def inputs(policy: AccountPolicy = OPEN_DOOR, **facts: Any) -> DecisionInputs:
    """Facts as an account with `policy` records them."""
    plain = DecisionInputs(
        NOW_MS, policy.digest(), RULES_VERSION, policy.username, account_version=1
    )
    return replace(plain, **facts)


def the_decision(
    conversation: ConversationId, policy: AccountPolicy, text: str
) -> tuple[PolicyDecided, MessageSeen]:
    """A message and what was decided on it, as they were recorded."""
    seen, decided, *_ = ConversationStory(conversation, policy).says(text)
    assert isinstance(seen, MessageSeen)
    assert isinstance(decided, PolicyDecided)
    return decided, seen


# --- judging -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "pairing", "verdict"),
    [
        (OPEN_DOOR, "none", ("process", "allowed")),
        (ALLOWLIST, "none", ("process", "whitelisted")),
        (CLOSED_DOOR, "none", ("ignore", "denied")),
        (CLOSED_DOOR, "pending", ("ignore", "denied")),
        (CLOSED_DOOR, "approved", ("process", "whitelisted")),
        (STRANGERS_PAIR, "none", ("pairing", "pending")),
        (STRANGERS_PAIR, "pending", ("pairing", "pending")),
        (STRANGERS_PAIR, "approved", ("process", "whitelisted")),
    ],
)
def test_a_direct_message_is_judged_by_policy_list_and_pairing(
    policy: AccountPolicy, pairing: str, verdict: tuple[str, str]
) -> None:
    facts = inputs(policy, pairing=pairing)
    found, tools = judge(policy, PEER, "alice", facts, mention=False)
    assert (found.action, found.reason) == verdict
    assert (tools is not None) == (found.action == "process")


def test_pairing_does_not_count_in_a_group() -> None:
    policy = replace(STRANGERS_PAIR, enable_groups=True, require_mention=False)
    facts = inputs(policy, pairing="approved", membership="member")
    verdict, _ = judge(policy, GROUP, "bob", facts, mention=True)
    assert verdict.action == "ignore"


@pytest.mark.parametrize(
    ("membership", "rule"),
    [("member", "group-policy"), ("not-member", "not-a-member"), ("unknown", "not-a-member")],
)
def test_only_members_are_let_in_and_unknown_fails_closed(membership: str, rule: str) -> None:
    verdict, _ = judge(OPEN_DOOR, GROUP, "bob", inputs(membership=membership), mention=True)
    assert verdict.rule == rule


def test_the_mention_is_handed_in_and_not_looked_for() -> None:
    facts = inputs(MENTION_NEEDED, membership="member")
    assert judge(MENTION_NEEDED, GROUP, "bob", facts, mention=True)[0].action == "process"
    assert judge(MENTION_NEEDED, GROUP, "bob", facts, mention=False)[0].action == "ignore"


def test_the_tools_of_a_turn_come_from_the_groups_own_entry() -> None:
    entry = GroupPermission(
        creator="alice",
        group="team",
        group_policy="open",
        require_mention=False,
        tools=ToolPolicy(allow=("read",)),
        tools_by_sender={"bob": SenderTools(also_allow=("exec",))},
    )
    policy = replace(OPEN_DOOR, group_permissions=(entry,))
    facts = inputs(policy, membership="member")
    _, for_bob = judge(policy, GROUP, "bob", facts, mention=False)
    _, for_eve = judge(policy, GROUP, "eve", facts, mention=False)
    _, in_private = judge(policy, PEER, "bob", inputs(policy), mention=False)
    assert for_bob == ToolGrant(allow=("read", "exec"))
    assert for_eve == ToolGrant(allow=("read",))
    assert in_private == ToolGrant()


def test_a_name_that_folds_like_anothers_is_matched_exactly() -> None:
    policy = replace(ALLOWLIST, allow_from=("Alice",))
    assert judge(policy, PEER, "alice", inputs(policy), mention=False)[0].action == "process"
    facts = inputs(policy, ambiguous=True)
    assert judge(policy, PEER, "alice", facts, mention=False)[0].action == "ignore"


def test_decisions_by_version_1_of_the_rules_are_made_again_by_them() -> None:
    policy = replace(ALLOWLIST, allow_from=("fiona",))
    old, new = inputs(policy, rules=1), inputs(policy)
    assert judge(policy, PEER, "ﬁona", old, mention=False)[0].action == "process"
    assert judge(policy, PEER, "ﬁona", new, mention=False)[0].action == "ignore"


def test_mentions_are_looked_for_by_the_rules_of_the_decision() -> None:
    decided, seen = the_decision(GROUP, MENTION_NEEDED, "＠my-bot hello")
    assert decided.mentioned
    old = replace(decided, inputs=replace(decided.inputs, rules=1))
    again = decide_again(old, seen, GROUP, lambda _: MENTION_NEEDED, "＠my-bot hello")
    assert not again.mentioned


def test_rules_newer_than_this_program_are_not_guessed() -> None:
    facts = inputs(rules=RULES_VERSION + 1)
    with pytest.raises(UnknownRules, match=f"rules {RULES_VERSION + 1}.*up to {RULES_VERSION}"):
        judge(OPEN_DOOR, PEER, "alice", facts, mention=False)


# --- judging again -----------------------------------------------------------------------------


@pytest.mark.parametrize("conversation", [PEER, GROUP])
@pytest.mark.parametrize("policy", [OPEN_DOOR, MENTION_NEEDED, ALLOWLIST, STRANGERS_PAIR])
@pytest.mark.parametrize("text", ["hello", "@my-bot hello"])
def test_the_same_facts_lead_to_the_same_decision_with_the_words_or_without(
    conversation: ConversationId, policy: AccountPolicy, text: str
) -> None:
    policy = replace(policy, enable_groups=True)
    decided, seen = the_decision(conversation, policy, text)
    policies = {policy.digest(): policy}
    assert decide_again(decided, seen, conversation, policies.__getitem__, text) == decided
    assert decide_again(decided, seen, conversation, policies.__getitem__, None) == decided


def test_the_policy_in_force_then_decides_not_the_one_of_today() -> None:
    decided, seen = the_decision(PEER, OPEN_DOOR, "hello")
    known = {OPEN_DOOR.digest(): OPEN_DOOR, CLOSED_DOOR.digest(): CLOSED_DOOR}
    assert decide_again(decided, seen, PEER, known.__getitem__, "hello") == decided
    forged = replace(decided, inputs=replace(decided.inputs, policy=CLOSED_DOOR.digest()))
    assert decide_again(forged, seen, PEER, known.__getitem__, "hello").action == "ignore"


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "ignore"},
        {"reason": "creator"},
        {"rule": "allow-from"},
        {"tools": ToolGrant(allow=("exec",))},
        {"tools": None},
    ],
)
def test_a_decision_that_was_tampered_with_comes_out_otherwise(changes: dict[str, Any]) -> None:
    decided, seen = the_decision(PEER, OPEN_DOOR, "hello")
    forged = replace(decided, **changes)
    assert decide_again(forged, seen, PEER, lambda _: OPEN_DOOR, "hello") == decided != forged


def test_a_mention_that_the_words_do_not_hold_is_found_out() -> None:
    decided, seen = the_decision(GROUP, MENTION_NEEDED, "@my-bot hello")
    again = decide_again(decided, seen, GROUP, lambda _: MENTION_NEEDED, "hello")
    assert not again.mentioned
    assert again.reason == "mention_required"


# --- the policy's name -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "other"},
        {"dm_policy": "deny"},
        {"allow_from": ("bob",)},
        {"creator_bypass": ("alice",)},
        {"group_permissions": (GroupPermission("alice", "team"),)},
        {"turn_budget": 1},
        {"apology": ""},
    ],
)
def test_another_policy_has_another_digest(changes: dict[str, Any]) -> None:
    assert replace(OPEN_DOOR, **changes).digest() != OPEN_DOOR.digest()


@given(st.permutations(["admin", "bob", "eve"]))
def test_the_order_of_names_in_a_table_does_not_change_the_digest(order: list[str]) -> None:
    def policy(names: list[str]) -> AccountPolicy:
        tools = {name: SenderTools(also_allow=(name,)) for name in names}
        entry = GroupPermission("alice", "team", tools_by_sender=tools)
        return replace(OPEN_DOOR, group_permissions=(entry,))

    assert policy(order).digest() == policy(sorted(order)).digest()
    assert len(policy(order).digest()) == 16
