"""History decided again under other policies: which decisions would change.

Each message is judged by what was recorded of it: who was paired then, who was a member, whether
the bot was mentioned. Not recorded are the text and the group's members where a message was ignored
before any policy was asked; where a new policy would let such a message in, what becomes of it is
said to be unknown. How late a message came to us is not recorded either: `answerHorizon` is left
out.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from events.account.events import PolicyApplied
from events.conversation.judgement import judge
from events.policy.account_policy import AccountPolicy
from events.streams import GroupId, account_stream
from store.audit.decisions import INTAKE, Decision, Decisions, JudgedMessage
from store.audit.selection import Selection
from store.log.event_log import EventLog

UNKNOWN = "unknown"
TOOLS = "tools"
EXAMPLES = 3
"""How many messages are named of each change, the newest ones."""

_PATTERN = re.compile(r"\s*([\w*-]+)\s*->\s*([\w*-]+)\s*")


class MalformedPattern(ValueError):
    """The text is no `before->after`."""


class Outcome(msgspec.Struct, frozen=True):
    """What comes of a message: `action` is what is done, or `unknown`; for `reason` and `rule` see
    `events.policy.account_policy.Verdict`, and `intake` for what no policy was asked about.
    `tools`: only the tools granted are others."""

    action: str
    reason: str
    rule: str
    tools: bool = False

    def is_called(self, name: str) -> bool:
        """Whether `name` is its action, reason or rule; `tools`, if they alone change; or `*`."""
        return name in ("*", self.action, self.reason, self.rule) or (self.tools and name == TOOLS)


class Change(msgspec.Struct):
    """Messages of one account whose decisions would change in the same way."""

    account: str
    before: Outcome
    after: Outcome
    count: int = 0
    examples: list[int] = []


class Pattern(msgspec.Struct, frozen=True):
    """Which changes somebody doesn't want: `before->after`, each an action, a reason, a rule,
    `tools`, `unknown` or `*`."""

    before: str
    after: str

    def fits(self, change: Change) -> bool:
        """Whether the change is one of these."""
        return change.before.is_called(self.before) and change.after.is_called(self.after)


class WhatIf(msgspec.Struct):
    """What was looked at: messages decided again, those of accounts that the new configuration
    doesn't have (or has as another user), and the changes."""

    messages: int = 0
    left_out: dict[str, int] = {}
    changes: dict[tuple[str, Outcome, Outcome], Change] = {}

    def largest_first(self) -> list[Change]:
        """The changes, the most frequent first."""
        return sorted(self.changes.values(), key=lambda change: -change.count)


def parse_pattern(text: str) -> Pattern:
    """The pattern that `text` writes. Raises `MalformedPattern`."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        msg = f"not a change: {text[:80]!r}; write before->after, as in denied->process"
        raise MalformedPattern(msg)
    return Pattern(found[1], found[2])


def what_if(
    log: EventLog, policies: Mapping[str, AccountPolicy], selection: Selection | None = None
) -> WhatIf:
    """Decide again what fits `selection`, by the policy that its account has in `policies`."""
    found = WhatIf(left_out={}, changes={})
    limits: dict[str, _Limits] = {}
    for entry in Decisions(log, selection).each():
        address = entry.address
        policy = policies.get(address.account)
        if policy is None or (isinstance(entry, JudgedMessage) and _is_another_user(entry, policy)):
            found.left_out[address.account] = found.left_out.get(address.account, 0) + 1
            continue
        found.messages += 1
        if isinstance(entry, JudgedMessage):
            before, after, example = _recorded(entry), decide_under(policy, entry), entry.seen.seq
        else:
            if address.account not in limits:
                limits[address.account] = _Limits(log, address.account)
            before, example = Outcome(entry.action, entry.reason, INTAKE), entry.message
            after = _ignored_under(policy, entry, limits[address.account])
        if before != after:
            _note(found, address.account, before, after, example)
    return found


def decide_under(policy: AccountPolicy, judged: JudgedMessage) -> Outcome:
    """What comes of a message that was judged, if `policy` is in force."""
    waited_for_members = judged.decided.inputs.membership == "unknown"
    if isinstance(judged.address, GroupId) and not policy.enable_groups:
        ignored = Outcome("ignore", "groups-disabled", INTAKE)
        return _recorded(judged) if waited_for_members else ignored
    if judged.message.length > policy.max_message_chars:
        return Outcome("ignore", "oversize", INTAKE)
    if waited_for_members:
        return replace(_recorded(judged), action=UNKNOWN)
    decided = judged.decided
    verdict, tools = judge(
        policy, judged.address, judged.message.sender, decided.inputs, mention=decided.mentioned
    )
    same = verdict.action == decided.action == "process" and tools != decided.tools
    return Outcome(verdict.action, verdict.reason, verdict.rule, tools=same)


def _recorded(judged: JudgedMessage) -> Outcome:
    return Outcome(judged.decided.action, judged.decided.reason, judged.decided.rule)


def _is_another_user(judged: JudgedMessage, policy: AccountPolicy) -> bool:
    return judged.decided.inputs.own != policy.username


def _ignored_under(policy: AccountPolicy, decision: Decision, limits: "_Limits") -> Outcome:
    """What comes of a message that was ignored before any policy was asked."""
    in_group = isinstance(decision.address, GroupId)
    let_in = (decision.reason == "groups-disabled" and policy.enable_groups) or (
        decision.reason == "oversize" and policy.max_message_chars > limits.at(decision.seq)
    )
    if in_group and not policy.enable_groups and decision.reason != "self":
        return Outcome("ignore", "groups-disabled", INTAKE)
    return Outcome(UNKNOWN if let_in else decision.action, decision.reason, INTAKE)


class _Limits:
    """`maxMessageChars` of an account as it was at each event."""

    def __init__(self, log: EventLog, account: str) -> None:
        self._history = [(seq, limit) for seq, limit in _limits(log, account)]

    def at(self, seq: int) -> int:
        """The limit in force at the event `seq`."""
        place = bisect_right(self._history, seq, key=lambda entry: entry[0])
        return self._history[place - 1][1] if place else 0


def _limits(log: EventLog, account: str) -> Iterator[tuple[int, int]]:
    for record in log.read_stream(account_stream(account)):
        if isinstance(record.event, PolicyApplied):
            yield record.seq, record.event.policy.max_message_chars


def _note(found: WhatIf, account: str, before: Outcome, after: Outcome, example: int) -> None:
    change = found.changes.get((account, before, after))
    if change is None:
        change = found.changes[account, before, after] = Change(account, before, after, examples=[])
    change.count += 1
    change.examples = [*change.examples, example][-EXAMPLES:]
