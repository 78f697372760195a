"""The one place where a message is judged: live, on recovery, and years later from the log
alone.
"""

from collections.abc import Callable

from events.conversation.events import Considered, MessageSeen, PolicyDecided
from events.policy.account_policy import RULES_VERSION, AccountPolicy, ToolGrant, Verdict
from events.policy.direct import decide_direct
from events.policy.group import decide_group, permission_for
from events.policy.mention import mentioned
from events.policy.tools import grant_tools
from events.streams import Conversation, Peer


class UnknownRules(ValueError):
    """The decision was made by rules newer than this program."""


def judge(
    policy: AccountPolicy,
    conversation: Conversation,
    sender: str,
    considered: Considered,
    *,
    mention: bool,
) -> tuple[Verdict, ToolGrant | None]:
    """The verdict on a message of `sender`, and the tools it grants when it is to be processed.

    Membership must be known: a message whose group can't be looked up waits, it is not judged.
    """
    if considered.rules > RULES_VERSION:
        msg = f"decided by rules {considered.rules}; this program knows up to {RULES_VERSION}"
        raise UnknownRules(msg)
    if isinstance(conversation, Peer):
        verdict = decide_direct(
            policy,
            sender,
            paired=considered.pairing == "approved",
            ambiguous=considered.ambiguous,
        )
        permission = None
    else:
        permission = permission_for(
            policy,
            conversation.creator,
            conversation.group,
            considered.group_name,
            name_shared=considered.name_shared,
        )
        verdict = decide_group(
            policy,
            permission,
            sender,
            member=considered.membership == "member",
            mentioned=mention,
            ambiguous=considered.ambiguous,
        )
    tools = None
    if verdict.action == "process":
        tools = grant_tools(permission, sender, ambiguous=considered.ambiguous)
    return verdict, tools


def decide_again(
    decided: PolicyDecided,
    seen: MessageSeen,
    conversation: Conversation,
    policy_by_digest: Callable[[bytes], AccountPolicy],
    text: str | None,
) -> PolicyDecided:
    """The decision that the same facts lead to now: equal to `decided`, or something is wrong.

    `text` is the message's body; without it (erased) the recorded mention is taken.
    """
    considered = decided.considered
    mention = decided.mentioned if text is None else mentioned(text, considered.own)
    verdict, tools = judge(
        policy_by_digest(considered.policy), conversation, seen.sender, considered, mention=mention
    )
    return PolicyDecided(
        message=decided.message,
        action=verdict.action,
        reason=verdict.reason,
        rule=verdict.rule,
        mentioned=mention,
        tools=tools,
        considered=considered,
    )
