"""An accepted message that got no answer is shown as that, and is listed as a dead letter."""

import json
from typing import Any

import pytest

from events.conversation.events import (
    DecisionInputs,
    Dispatched,
    MessageDeadLettered,
    MessageDropped,
    MessageRetried,
    MessageSeen,
    PolicyDecided,
)
from events.event import Draft, Event
from events.policy.account_policy import ToolGrant
from store.audit.decisions import Decisions
from store.log.memory_log import MemoryLog
from store.read_models.dead_letters import dead_letters
from ztm_chat.printing.decision_rows import as_csv, as_json, line

STREAM = "account/a/peer/x"
ALL = ToolGrant()


def accepted(first: int) -> list[Event]:
    """A message at the version `first`, and its decision."""
    inputs = DecisionInputs(1, b"p" * 16, 1, "bot", 1)
    return [
        MessageSeen(bytes([first]) * 16, "x", first, b"d" * 32, 2, "feed"),
        PolicyDecided(first, "process", "allowed", "dm-policy", False, ALL, inputs),
    ]


def written(*events: Event) -> MemoryLog:
    log = MemoryLog()
    log.commit([Draft(STREAM, event) for event in events], expected={STREAM: 0})
    return log


def outcomes(log: MemoryLog) -> list[str | None]:
    decisions = Decisions(log)
    return [decisions.unanswered(decision) for decision in decisions.all()]


def listed(log: MemoryLog) -> list[tuple[int, str]]:
    return [(letter.seen.version, letter.reason) for letter in dead_letters(log)]


OVER_BUDGET = [*accepted(1), *accepted(3), Dispatched((1,), "x", "echo", ALL)]


@pytest.mark.parametrize("reason", ["budget", "agent"])
def test_a_message_set_aside_is_no_answered_one(reason: str) -> None:
    log = written(*OVER_BUDGET, MessageDeadLettered(3, reason))
    assert outcomes(log) == [None, reason]
    assert listed(log) == [(3, reason)]


def test_a_message_that_was_retried_is_open_again_until_it_fails_again() -> None:
    retried = [MessageDeadLettered(3, "budget"), MessageRetried(3, "x", 3, ALL)]
    log = written(*OVER_BUDGET, *retried)
    assert outcomes(log) == [None, None]
    assert listed(log) == []
    log = written(*OVER_BUDGET, *retried, MessageDeadLettered(7, "agent"))
    assert outcomes(log) == [None, "agent"]
    assert listed(log) == [(3, "agent")]


def test_a_message_that_was_dropped_stays_unanswered_and_is_listed_no_more() -> None:
    log = written(*OVER_BUDGET, MessageDeadLettered(3, "budget"), MessageDropped(3))
    assert outcomes(log) == [None, "budget"]
    assert listed(log) == []


@pytest.mark.parametrize("reason", ["revoked", "erased"])
def test_who_is_not_to_be_answered_is_no_dead_letter_to_look_at(reason: str) -> None:
    log = written(*OVER_BUDGET, MessageDeadLettered(3, reason))
    assert outcomes(log) == [None, reason]
    assert listed(log) == []


def test_every_way_to_print_a_decision_says_that_it_was_not_answered() -> None:
    log = written(*OVER_BUDGET, MessageDeadLettered(3, "budget"))
    answered, unanswered = Decisions(log).all()
    assert "process  allowed (dm-policy), not answered: budget  x" in line(
        unanswered, None, "budget"
    )
    assert "not answered" not in line(answered, None, None)
    found: dict[str, Any] = json.loads(as_json(unanswered, None, "budget"))
    assert found["unanswered"] == "budget"
    assert as_csv(unanswered, None, "budget").endswith(",budget")
