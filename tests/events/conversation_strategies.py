"""What may come to a conversation: policies, messages, texts; and who is let in, in other words."""

from typing import NamedTuple

from hypothesis import strategies as st
from msgspec.structs import replace

from events.policy import AccountPolicy, GroupPermission, SenderTools
from events.standing import Standing
from tests.events.builders import (
    ALLOWLIST,
    CLOSED_DOOR,
    HOUR_MS,
    OPEN_DOOR,
    OPEN_GROUPS,
    SECOND_MS,
    STRANGERS_PAIR,
)

MARKER = "xyzzy"
"""Stands in every text, so that it can be looked for where no words may be."""

DAY_MS = 24 * HOUR_MS

_LISTED = GroupPermission(
    creator="alice",
    group="team",
    allow_from=("bob",),
    tools_by_sender={"bob": SenderTools(also_allow=("exec",))},
)
POLICIES = {
    "open door": OPEN_DOOR,
    "tight budget": replace(OPEN_DOOR, turn_budget=2, attempts=2),
    "allowlist": ALLOWLIST,
    "closed door": CLOSED_DOOR,
    "strangers pair": STRANGERS_PAIR,
    "open groups": OPEN_GROUPS,
    "open groups, tight budget": replace(OPEN_GROUPS, turn_budget=1, group_apology="Sorry, all."),
    "closed groups": AccountPolicy(
        username="my-bot", enable_groups=True, group_policy="disabled", creator_bypass=False
    ),
    "listed in group": AccountPolicy(
        username="my-bot", enable_groups=True, group_permissions=(_LISTED,)
    ),
}
POLICY_NAMES = st.sampled_from(sorted(POLICIES))

TEXTS = {
    "plain": MARKER,
    "other": f"{MARKER} again",
    "mention": f"@my-bot {MARKER}",
    "unsafe": f"{MARKER}\x01 \x1b[1mbold",
    "long": f"{MARKER} " * 1_500,
    "empty": "",
    "blank": " \n ",
    "oversize": MARKER * 2_001,
}
"""By name, so that a failure is shown in few words."""

WORDS = st.sampled_from(["plain", "other", "mention", "unsafe", "long"])
BLANKS = st.sampled_from(["empty", "blank"])
UNANSWERABLE = st.sampled_from(["empty", "blank", "oversize"])


class Writing(NamedTuple):
    """A message that somebody writes: `text` names one of `TEXTS`, times are relative to now, and
    `ours` means by this daemon itself.
    """

    sender: str
    text: str
    sent_ms: int
    available_ms: int
    ours: bool
    malformed: bool


WRITINGS = st.builds(
    Writing,
    st.sampled_from(["alice", "alice", "bob", "eve", "my-bot"]),
    st.one_of(WORDS, WORDS, WORDS, UNANSWERABLE),
    st.sampled_from([0, 0, 1, -1, -SECOND_MS, -3 * DAY_MS]),
    st.sampled_from([0, 0, 0, -HOUR_MS, -2 * DAY_MS]),
    st.booleans(),
    st.sampled_from([False, False, False, True]),
)


def lets_in(standing: Standing, sender: str) -> bool:
    """What the standing says of a sender, in other words than the rules'; a mention granted."""
    policy, group = standing.policy, standing.group
    if group is None:
        listed = sender in policy.allow_from or standing.pairing == "approved"
        return listed or policy.dm_policy == "allow"
    if group.members is None:
        return True
    if sender not in group.members | {"alice"}:
        return False
    if sender == "alice" and policy.creator_bypass:
        return True
    lists = [one.allow_from for one in policy.group_permissions]
    return policy.group_policy == "open" or any(sender in one for one in lists)
