"""A message whose group can't be looked up waits, but not for ever."""

from events.conversation.arrivals import decide_waited_too_long
from events.conversation.decision_builder import DecisionContext
from events.conversation.events import MessageDeadLettered
from events.conversation.policy_context import GroupFacts, PolicyContext
from events.conversation.state import ConversationState, Waiting
from events.policy.account_policy import AccountPolicy
from events.streams import GroupId

POLICY = AccountPolicy("bot", enable_groups=True, answer_horizon_s=3_600)
GROUP = GroupId("bot", "anna", "team")
SEEN_MS = 1_750_000_000_000


def decided(after_s: int) -> list[object]:
    policy_context = PolicyContext(
        "bot", "log", "echo", POLICY, POLICY.digest(), 1, group=GroupFacts()
    )
    state = ConversationState(version=1, waiting=(Waiting(1, 1, "bob", SEEN_MS, seen_ms=SEEN_MS),))
    context = DecisionContext(state, GROUP, policy_context, SEEN_MS + after_s * 1_000, b"e" * 32)
    return [draft.event for draft in decide_waited_too_long(context)]


def test_it_waits_for_as_long_as_anything_may_be_answered() -> None:
    assert decided(3_600) == []


def test_after_that_it_is_set_aside_as_too_late() -> None:
    assert MessageDeadLettered(1, "too-late") in decided(3_601)
