from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from events.policy.account_policy import AccountPolicy, DmPolicy, Verdict
from events.policy.direct import decide_direct

POLICIES: tuple[DmPolicy, ...] = get_args(DmPolicy)
UNKNOWN = cast("DmPolicy", "allowlist")


def policy(dm: DmPolicy = "pairing", *allow_from: str) -> AccountPolicy:
    return AccountPolicy(username="my-bot", dm_policy=dm, allow_from=allow_from)


@pytest.mark.parametrize("dm", POLICIES)
@pytest.mark.parametrize("sender", ["", " ", "\t\n"])
def test_row_1_an_empty_sender_is_denied_even_if_everyone_is_listed(
    dm: DmPolicy, sender: str
) -> None:
    verdict = decide_direct(policy(dm, "*", sender), sender, paired=True)
    assert verdict == Verdict("ignore", "denied", "empty-sender")


@pytest.mark.parametrize("dm", [*POLICIES, UNKNOWN])
@pytest.mark.parametrize("entry", ["alice", " ALICE ", "*"])
def test_row_2_a_listed_sender_is_answered_under_every_policy(dm: DmPolicy, entry: str) -> None:
    verdict = decide_direct(policy(dm, "bob", entry), "alice", paired=False)
    assert verdict == Verdict("process", "whitelisted", "allow-from")


@pytest.mark.parametrize("dm", [*POLICIES, UNKNOWN])
def test_row_3_a_paired_sender_is_answered_under_every_policy(dm: DmPolicy) -> None:
    verdict = decide_direct(policy(dm, "bob"), "alice", paired=True)
    assert verdict == Verdict("process", "whitelisted", "paired")


@pytest.mark.parametrize(
    ("dm", "expected"),
    [
        pytest.param("allow", Verdict("process", "allowed", "dm-policy"), id="row 4: allow"),
        pytest.param("deny", Verdict("ignore", "denied", "dm-policy"), id="row 5: deny"),
        pytest.param("pairing", Verdict("pairing", "pending", "dm-policy"), id="row 6: pairing"),
        pytest.param(UNKNOWN, Verdict("ignore", "denied", "dm-policy"), id="unknown: fail closed"),
    ],
)
def test_rows_4_to_6_the_policy_decides_for_everyone_else(dm: DmPolicy, expected: Verdict) -> None:
    assert decide_direct(policy(dm, "bob"), "alice", paired=False) == expected


def test_being_listed_is_stated_before_being_paired() -> None:
    assert decide_direct(policy("deny", "alice"), "alice", paired=True).rule == "allow-from"


@pytest.mark.parametrize("entry", ["", "  "])
def test_a_blank_entry_lists_nobody(entry: str) -> None:
    assert decide_direct(policy("deny", entry), "alice", paired=False).action == "ignore"


def test_a_double_of_a_listed_user_is_not_answered() -> None:
    verdict = decide_direct(policy("deny", "alice"), "Alice", paired=False, ambiguous=True)
    assert verdict.action == "ignore"


def test_a_listed_user_with_a_double_still_is() -> None:
    verdict = decide_direct(policy("deny", "alice"), "alice", paired=False, ambiguous=True)
    assert verdict.action == "process"


def test_the_settings_of_groups_do_not_count() -> None:
    lenient = replace(
        policy("deny"), enable_groups=True, group_policy="open", require_mention=False
    )
    assert decide_direct(lenient, "alice", paired=False).action == "ignore"


NAMES = st.sampled_from(["alice", "Alice", "bob", "*", "", " "])
LISTS = st.lists(NAMES, max_size=3).map(tuple)


@given(LISTS, NAMES, st.booleans(), st.booleans())
def test_deny_answers_only_the_listed_and_the_paired(
    allow_from: tuple[str, ...], sender: str, paired: bool, ambiguous: bool
) -> None:
    verdict = decide_direct(policy("deny", *allow_from), sender, paired=paired, ambiguous=ambiguous)
    if verdict.action == "process":
        listed = sender.lower() in {entry.lower() for entry in allow_from}
        assert paired or listed or "*" in allow_from


@given(st.sampled_from(POLICIES), LISTS, NAMES, st.booleans(), NAMES)
def test_a_longer_allow_list_never_shuts_anybody_out(
    dm: DmPolicy, allow_from: tuple[str, ...], sender: str, paired: bool, new: str
) -> None:
    if decide_direct(policy(dm, *allow_from), sender, paired=paired).action == "process":
        assert (
            decide_direct(policy(dm, *allow_from, new), sender, paired=paired).action == "process"
        )


@given(LISTS, NAMES, st.booleans())
def test_the_policies_are_ordered_from_deny_to_allow(
    allow_from: tuple[str, ...], sender: str, paired: bool
) -> None:
    order = ["ignore", "pairing", "process"]
    deny, pairing, allow = (
        order.index(decide_direct(policy(dm, *allow_from), sender, paired=paired).action)
        for dm in ("deny", "pairing", "allow")
    )
    assert deny <= pairing <= allow


@given(st.text().filter(lambda value: value not in POLICIES), NAMES)
def test_an_unknown_policy_denies(dm: str, sender: str) -> None:
    verdict = decide_direct(policy(cast("DmPolicy", dm)), sender, paired=False)
    assert (verdict.action, verdict.reason) == ("ignore", "denied")
