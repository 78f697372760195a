"""What is said to change is what the live rules then decide; nothing else is said."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from events.conversation.arrivals import Arrival, decide_arrivals
from events.conversation.decision_builder import DecisionContext
from events.conversation.events import MessageIgnored, PolicyDecided
from events.conversation.policy_context import GroupFacts, PolicyContext
from events.conversation.state import ConversationState
from events.policy.account_policy import AccountPolicy, GroupPermission, SenderTools, ToolPolicy
from events.streams import GroupId
from store.audit.decisions import INTAKE, Decision, Decisions, JudgedMessage
from store.audit.selection import Selection
from store.audit.what_if import (
    UNKNOWN,
    Change,
    MalformedPattern,
    Outcome,
    decide_under,
    parse_pattern,
    what_if,
)
from store.log.lmdb_reader import LmdbReader
from tests.bench.audit_log import FIRST, POLICIES

NAMES = st.sampled_from(["user0", "user1", "USER2 ", "user4", "*"])
LISTS = st.lists(NAMES, max_size=3).map(tuple)
KINDS = st.sampled_from(["open", "allowlist", "disabled"])
PERMISSIONS = st.builds(
    GroupPermission,
    creator=st.sampled_from(["user1", "user2", "user4"]),
    group=st.sampled_from(["team", "Club", "work"]),
    group_policy=KINDS,
    require_mention=st.booleans(),
    allow_from=LISTS,
    tools=st.sampled_from([None, ToolPolicy(allow=("exec",)), ToolPolicy(deny=("write",))]),
    tools_by_sender=st.sampled_from([{}, {"user2": SenderTools(also_allow=("fs",))}]),
)
NEW = st.builds(
    AccountPolicy,
    username=st.just(FIRST.username),
    dm_policy=st.sampled_from(["allow", "deny", "pairing"]),
    allow_from=LISTS,
    enable_groups=st.booleans(),
    group_policy=KINDS,
    require_mention=st.booleans(),
    creator_bypass=st.sampled_from([True, False, ("user1",)]),
    group_permissions=st.lists(PERMISSIONS, max_size=3).map(tuple),
    max_message_chars=st.sampled_from([30, 60, 10_000]),
)


@pytest.fixture(scope="module")
def judged(log: LmdbReader) -> list[JudgedMessage]:
    return [
        judgement for judgement in Decisions(log).each() if isinstance(judgement, JudgedMessage)
    ]


def decided_live(policy: AccountPolicy, judgement: JudgedMessage, text: str) -> Outcome:
    """What the running daemon decides when the same message arrives under `policy`."""
    was, group = judgement.decided.inputs, None
    if isinstance(judgement.address, GroupId):
        members = {judgement.message.sender} if was.membership == "member" else set()
        group = GroupFacts(was.group_name, frozenset(members), was.name_shared)
    policy_context = PolicyContext(
        account=judgement.address.account,
        log_id="0badcafe",
        agent="echo",
        policy=policy,
        digest=policy.digest(),
        account_version=1,
        pairing=was.pairing,
        group=group,
        unmistakable=frozenset(() if was.ambiguous else {judgement.message.sender}),
    )
    context = DecisionContext(
        ConversationState(), judgement.address, policy_context, was.now_ms, b"e" * 32
    )
    arrival = Arrival(
        judgement.message.identity,
        judgement.message.sender,
        judgement.message.sent_ms,
        text,
        judgement.message.source,
        was.now_ms,
        b"s" * 16,
        b"key-name",
        judgement.message.files,
    )
    events = [draft.event for draft in decide_arrivals(context, [arrival], ())]
    for event in events:
        if isinstance(event, MessageIgnored):
            return Outcome("ignore", event.reason, INTAKE)
        if isinstance(event, PolicyDecided):
            both = event.action == judgement.decided.action == "process"
            tools = both and event.tools != judgement.decided.tools
            return Outcome(event.action, event.reason, event.rule, tools=tools)
    raise AssertionError(events)


@given(policy=NEW, data=st.data())
@settings(max_examples=200)
def test_it_is_what_the_live_daemon_would_decide(
    log: LmdbReader, judged: list[JudgedMessage], policy: AccountPolicy, data: st.DataObject
) -> None:
    judgement = data.draw(st.sampled_from(judged))
    text = log.body(judgement.seen.seq)
    assert text is not None
    assert decide_under(policy, judgement) == decided_live(policy, judgement, text)


@given(policy=NEW)
@settings(max_examples=15)
def test_every_change_is_counted_and_no_other(
    log: LmdbReader, judged: list[JudgedMessage], policy: AccountPolicy
) -> None:
    found = what_if(log, {"main": policy})
    everything = list(Decisions(log).all())
    assert found.messages == len(everything)
    expected = [
        judgement.seen.seq
        for judgement in judged
        if decide_under(policy, judgement)
        != Outcome(judgement.decided.action, judgement.decided.reason, judgement.decided.rule)
    ]
    of_policy = [change for change in found.changes.values() if change.before.rule != INTAKE]
    assert sum(change.count for change in of_policy) == len(expected)
    for change in of_policy:
        assert set(change.examples) <= set(expected)


def test_the_policy_of_its_day_changes_nothing(
    log: LmdbReader, judged: list[JudgedMessage]
) -> None:
    by_digest = {policy.digest(): policy for policy in POLICIES}
    for judgement in judged:
        then = by_digest[judgement.decided.inputs.policy]
        recorded = Outcome(
            judgement.decided.action, judgement.decided.reason, judgement.decided.rule
        )
        assert decide_under(then, judgement) == recorded


def test_what_waited_until_groups_were_turned_off_stays_ignored_or_is_unknown(
    judged: list[JudgedMessage],
) -> None:
    judgement = next(judgement for judgement in judged if isinstance(judgement.address, GroupId))
    inputs = replace(judgement.decided.inputs, membership="unknown")
    waited = judgement._replace(
        decided=replace(
            judgement.decided,
            action="ignore",
            reason="denied",
            rule="groups-disabled",
            tools=None,
            inputs=inputs,
        ),
    )
    recorded = Outcome("ignore", "denied", "groups-disabled")
    assert decide_under(replace(FIRST, enable_groups=False), waited) == recorded
    on = replace(FIRST, enable_groups=True, group_policy="open")
    assert decide_under(on, waited) == replace(recorded, action=UNKNOWN)


def test_what_was_not_recorded_is_said_to_be_unknown(log: LmdbReader) -> None:
    groups = replace(FIRST, max_message_chars=100_000)
    found = what_if(log, {"main": groups})
    unknown = {
        change.before.reason: change.count
        for change in found.changes.values()
        if change.after.action == UNKNOWN
    }
    ignored = [decision for decision in Decisions(log).all() if decision.rule == INTAKE]
    count = {
        reason: sum(decision.reason == reason for decision in ignored)
        for reason in ("groups-disabled", "oversize")
    }
    assert unknown == count
    assert all(count.values())


def test_only_what_is_selected_is_decided_again(log: LmdbReader) -> None:
    wanted = Selection(peer="user0")
    found = what_if(log, {"main": FIRST}, wanted)
    assert found.messages == len(list(Decisions(log, wanted).all())) > 0


def test_accounts_that_are_gone_or_somebody_else_are_left_out(log: LmdbReader) -> None:
    everything: list[Decision] = list(Decisions(log).all())
    assert what_if(log, {}).left_out == {"main": len(everything)}
    other = what_if(log, {"main": replace(FIRST, username="other-bot")})
    assert other.left_out["main"] == sum(decision.rule != INTAKE for decision in everything)


DENIED = Outcome("ignore", "denied", "dm-policy")
ALLOWED = Outcome("process", "allowed", "dm-policy")


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("denied->process", True),
        ("ignore -> allowed", True),
        ("*->process", True),
        ("dm-policy->*", True),
        ("process->denied", False),
        ("denied->tools", False),
    ],
)
def test_a_pattern_names_changes_by_action_reason_or_rule(text: str, fits: bool) -> None:
    assert parse_pattern(text).fits(Change("main", DENIED, ALLOWED)) is fits


def test_other_tools_are_a_change_of_their_own() -> None:
    change = Change("main", ALLOWED, replace(ALLOWED, tools=True))
    assert parse_pattern("process->tools").fits(change)


@pytest.mark.parametrize("text", ["", "denied", "a->b->c", "->", "a b->c"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(MalformedPattern):
        parse_pattern(text)
