"""A message's trail holds all that followed from it, and nothing of another message."""

import pytest

from events.conversation.events import (
    AgentReplied,
    DecisionInputs,
    Dispatched,
    MessageIgnored,
    MessageQueued,
    MessageSeen,
    PolicyDecided,
    ReplySent,
)
from events.event import Draft, Event
from events.policy.account_policy import ToolGrant
from events.watermark import WatermarkAdvanced
from store.log.memory_log import MemoryLog
from store.read_models.trail import last_message, trail_of_identity, trail_of_seq

STREAM = "account/a/peer/x"
LOOKED_AT = DecisionInputs(1, b"p" * 16, 1, "bot", 1)


def message(identity: bytes) -> MessageSeen:
    return MessageSeen(identity, "x", 1, b"d" * 32, 2, "feed")


def decided(version: int) -> PolicyDecided:
    grant = ToolGrant()
    return PolicyDecided(version, "process", "allowed", "dm-policy", False, grant, LOOKED_AT)


ONE, TWO = b"1" * 16, b"2" * 16

STORY: list[Event] = [
    message(ONE),  # 1
    decided(1),  # 2
    message(TWO),  # 3
    Dispatched((1,), "x", "echo", ToolGrant()),  # 4
    decided(3),  # 5
    AgentReplied(4, 1, b"d" * 32, 2, False, 1),  # 6
    MessageQueued("reply", b"d" * 32, 2, answers=4),  # 7
    Dispatched((3,), "x", "echo", ToolGrant()),  # 8
    ReplySent(7, 1, False, 1),  # 9
    MessageIgnored(b"3" * 16, "x", 2, "blank", "feed"),  # 10
    WatermarkAdvanced(2),  # 11
]


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    log.commit([Draft("account/a", WatermarkAdvanced(1))], expected={"account/a": 0})
    log.commit([Draft(STREAM, event) for event in STORY], expected={STREAM: 0})
    return log


def versions(log: MemoryLog, seq: int) -> list[int] | None:
    trail = trail_of_seq(log, seq)
    return [record.version for record in (trail.message, *trail.events)] if trail else None


@pytest.mark.parametrize("version", [1, 2, 4, 6, 7, 9])
def test_every_event_of_a_message_leads_to_its_whole_trail(log: MemoryLog, version: int) -> None:
    assert versions(log, version + 1) == [1, 2, 4, 6, 7, 9]


def test_another_messages_events_are_not_among_them(log: MemoryLog) -> None:
    assert versions(log, 9) == [3, 5, 8]


def test_an_ignored_message_is_its_own_trail(log: MemoryLog) -> None:
    assert versions(log, 11) == [10]


def test_an_event_of_no_message_has_no_trail(log: MemoryLog) -> None:
    assert versions(log, 1) is None
    assert versions(log, 12) is None
    assert versions(log, 99) is None


def test_an_identity_leads_to_the_same_trail(log: MemoryLog) -> None:
    assert trail_of_identity(log, ONE) == trail_of_seq(log, 2)
    assert trail_of_identity(log, b"9" * 16) is None


def test_the_last_message_of_a_conversation_is_its_newest(log: MemoryLog) -> None:
    newest = last_message(log, STREAM)
    assert newest is not None
    assert newest.version == 10
    assert last_message(log, "account/a/peer/nobody") is None


def test_a_reply_is_its_messages_however_many_events_lie_between() -> None:
    between = [WatermarkAdvanced(number) for number in range(6_000)]
    story: list[Event] = [*STORY[:2], *between, Dispatched((1,), "x", "echo", ToolGrant())]
    turn = len(story)
    story += [*between, AgentReplied(turn, 1, b"d" * 32, 2, False, 1)]
    replied = len(story)
    story += [MessageQueued("reply", b"d" * 32, 2, answers=turn)]
    log = MemoryLog()
    log.commit([Draft(STREAM, event) for event in story], expected={STREAM: 0})
    whole = [1, 2, turn, replied, replied + 1]
    for version in whole:
        assert versions(log, version) == whole


def test_the_last_message_is_found_however_far_back_it_is() -> None:
    log = MemoryLog()
    events: list[Event] = [message(ONE), *(WatermarkAdvanced(number) for number in range(12_000))]
    log.commit([Draft(STREAM, event) for event in events], expected={STREAM: 0})
    found = last_message(log, STREAM)
    assert found is not None
    assert found.version == 1
    assert last_message(log, "account/a/peer/nobody") is None
