"""A decision in a few words. `ztm-chat why` tells the whole story."""

from events.conversation.events import PolicyDecided

BECAUSE = {
    "dm-policy": 'dmPolicy is "pairing", {sender} is a stranger',
    "paired": "the operator has approved {sender}",
    "mention": "the group requires a mention of @{own}",
    "group-policy": 'mentioned, groupPolicy is "open", {sender} is a member',
    "creator": "mentioned, {sender} created the group",
}
"""Keyed by the rule that decided; worded for the demo's own policy."""


def outcome(decision: PolicyDecided) -> str:
    """Action and reason, as documented for users."""
    return f"{decision.action} ({decision.reason})"


def explain(decision: PolicyDecided, sender: str) -> str:
    """The outcome, and why the policy came to it."""
    because = BECAUSE.get(decision.rule, decision.rule)
    return f"{outcome(decision)}: {because.format(sender=sender, own=decision.inputs.own)}"
