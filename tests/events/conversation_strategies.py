"""What may come to a conversation: policies, messages, texts; and who is let in, in other words."""

from typing import NamedTuple

from hypothesis import strategies as st
from msgspec.structs import replace

from events.conversation.arrivals import Arrival
from events.conversation.policy_context import PolicyContext
from events.policy.account_policy import GroupPermission, SenderTools
from tests.events.builders import (
    ALLOWLIST,
    CLOSED_DOOR,
    HOUR_MS,
    OPEN_DOOR,
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
    "open": OPEN_DOOR,
    "open, few turns": replace(OPEN_DOOR, turn_budget=2, attempts=2, group_apology="Sorry, all."),
    "open, no groups": replace(OPEN_DOOR, enable_groups=False),
    "listed": replace(
        ALLOWLIST, enable_groups=True, creator_bypass=False, group_permissions=(_LISTED,)
    ),
    "strangers pair": replace(STRANGERS_PAIR, enable_groups=True),
    "closed": replace(
        CLOSED_DOOR, enable_groups=True, group_policy="disabled", creator_bypass=False
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
    `our_id` says that it carries an id of this daemon's.
    """

    sender: str
    text: str
    sent_ms: int
    available_ms: int
    our_id: bool
    malformed: bool


_SENT_MS = st.sampled_from([0, 0, 1, -1, -SECOND_MS, -3 * DAY_MS])
_PLAIN = st.builds(
    Writing,
    st.sampled_from(["alice", "alice", "bob", "eve"]),
    WORDS,
    _SENT_MS,
    st.sampled_from([0, -HOUR_MS]),
    our_id=st.just(False),
    malformed=st.just(False),
)
_ODD = st.builds(
    Writing,
    st.sampled_from(["alice", "bob", "my-bot"]),
    WORDS | UNANSWERABLE,
    _SENT_MS,
    st.sampled_from([0, -2 * DAY_MS]),
    our_id=st.booleans(),
    malformed=st.booleans(),
)
WRITINGS = st.one_of(_PLAIN, _PLAIN, _PLAIN, _ODD)


def is_ours(message: Arrival) -> bool:
    """Whether this daemon sent it: our id in anybody else's message is a forgery."""
    return message.sender == "my-bot" and bool(message.wire_id)


def lets_in(policy_context: PolicyContext, sender: str) -> bool:
    """What the standing says of a sender, in other words than the rules'; a mention granted."""
    policy, group = policy_context.policy, policy_context.group
    if group is None:
        listed = sender in policy.allow_from or policy_context.pairing == "approved"
        return listed or policy.dm_policy == "allow"
    if group.members is None or not policy.enable_groups:
        return False
    if sender not in group.members | {"alice"}:
        return False
    if sender == "alice" and policy.creator_bypass:
        return True
    lists = [group_permission.allow_from for group_permission in policy.group_permissions]
    return policy.group_policy == "open" or any(sender in allowed for allowed in lists)
