"""A message whose group can't be looked up waits, but not for ever."""

from events.conversation.arrivals import decide_waited_too_long
from events.conversation.decision_builder import Moment
from events.conversation.events import MessageSetAside
from events.conversation.policy_context import GroupFacts, Standing
from events.conversation.state import Conversation, Waiting
from events.policy.account_policy import AccountPolicy
from events.streams import Group

POLICY = AccountPolicy("bot", enable_groups=True, answer_horizon_s=3_600)
GROUP = Group("bot", "anna", "team")
SEEN_MS = 1_750_000_000_000


def decided(after_s: int) -> list[object]:
    standing = Standing("bot", "log", "echo", POLICY, POLICY.digest(), 1, group=GroupFacts())
    state = Conversation(version=1, waiting=(Waiting(1, 1, "bob", SEEN_MS, seen_ms=SEEN_MS),))
    moment = Moment(state, GROUP, standing, SEEN_MS + after_s * 1_000, b"e" * 32)
    return [draft.event for draft in decide_waited_too_long(moment)]


def test_it_waits_for_as_long_as_anything_may_be_answered() -> None:
    assert decided(3_600) == []


def test_after_that_it_is_set_aside_as_too_late() -> None:
    assert MessageSetAside(1, "too-late") in decided(3_601)
