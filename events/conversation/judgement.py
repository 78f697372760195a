"""The one place where a message is judged: live, on recovery, and years later from the log
alone.
"""

from collections.abc import Callable

from events.conversation.events import DecisionInputs, MessageSeen, PolicyDecided
from events.policy import mention_1
from events.policy.account_policy import RULES_VERSION, AccountPolicy, ToolGrant, Verdict
from events.policy.direct import decide_direct
from events.policy.group import decide_group, permission_for
from events.policy.mention import mentioned
from events.policy.tools import grant_tools
from events.streams import ConversationId, PeerId


class UnknownRules(ValueError):
    """The decision was made by rules newer than this program."""


def judge(
    policy: AccountPolicy,
    conversation: ConversationId,
    sender: str,
    inputs: DecisionInputs,
    *,
    mention: bool,
) -> tuple[Verdict, ToolGrant | None]:
    """The verdict on a message of `sender`, and the tools it grants when it is to be processed.

    Membership must be known: a message whose group can't be looked up waits, it is not judged.
    """
    if inputs.rules > RULES_VERSION:
        msg = f"decided by rules {inputs.rules}; this program knows up to {RULES_VERSION}"
        raise UnknownRules(msg)
    if isinstance(conversation, PeerId):
        verdict = decide_direct(
            policy,
            sender,
            paired=inputs.pairing == "approved",
            ambiguous=inputs.ambiguous,
            rules=inputs.rules,
        )
        permission = None
    else:
        permission = permission_for(
            policy,
            conversation.creator,
            conversation.group,
            inputs.group_name,
            name_shared=inputs.name_shared,
            rules=inputs.rules,
        )
        verdict = decide_group(
            policy,
            permission,
            sender,
            member=inputs.membership == "member",
            mentioned=mention,
            ambiguous=inputs.ambiguous,
            rules=inputs.rules,
        )
    tools = None
    if verdict.action == "process":
        tools = grant_tools(permission, sender, ambiguous=inputs.ambiguous, rules=inputs.rules)
    return verdict, tools


def decide_again(
    decided: PolicyDecided,
    seen: MessageSeen,
    conversation: ConversationId,
    policy_by_digest: Callable[[bytes], AccountPolicy],
    text: str | None,
) -> PolicyDecided:
    """The decision that the same facts lead to now: equal to `decided`, or something is wrong.

    `text` is the message's body; without it (erased) the recorded mention is taken.
    """
    inputs = decided.inputs
    find = mention_1.mentioned if inputs.rules == 1 else mentioned
    mention = decided.mentioned if text is None else find(text, inputs.own)
    verdict, tools = judge(
        policy_by_digest(inputs.policy), conversation, seen.sender, inputs, mention=mention
    )
    return PolicyDecided(
        message=decided.message,
        action=verdict.action,
        reason=verdict.reason,
        rule=verdict.rule,
        mentioned=mention,
        tools=tools,
        inputs=inputs,
    )
