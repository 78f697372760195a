"""Codes, notices and the operator's words queued; messages sent, or found unsendable."""

from hashlib import sha256
from typing import get_args

import pytest

from events.conversation import notices
from events.conversation.effects import RequestCode, Send
from events.conversation.events import (
    MessageQueued,
    NoCode,
    PairingWithheld,
    ReplyFailed,
    ReplySent,
)
from events.conversation.outbox import decide_code, decide_sent, wire_id
from events.watermark import WatermarkAdvanced
from tests.events.builders import NOW_MS, PEER, STRANGERS_PAIR, kinds
from tests.events.conversation_story import ConversationStory

CODE = "ABCD2345"


def test_an_id_of_the_mesh_is_not_given_out_again_by_a_restored_log() -> None:
    """It counts its versions from where the backup was made."""
    ids = {
        wire_id("c0ffee00", 7, MessageQueued("reply", sha256(salt).digest(), 5))
        for salt in (b"before the backup", b"after it")
    }
    assert len(ids) == 2
    assert all(wire_id.startswith("c0ffee00-7-") for wire_id in ids)


def stranger(*texts: str) -> ConversationStory:
    """A stranger has written; the account has recorded nothing yet."""
    story = ConversationStory(PEER, STRANGERS_PAIR)
    for text in texts or ("hello",):
        story.says(text)
    return story


# --- codes -------------------------------------------------------------------------------------


def test_a_strangers_message_calls_for_a_code() -> None:
    story = ConversationStory(PEER, STRANGERS_PAIR)
    assert kinds(story.says("hello")) == ["MessageSeen", "PolicyDecided"]
    assert story.effects() == [RequestCode(1)]
    assert not story.state.at_rest


def test_the_code_is_told_with_the_command_that_approves_it() -> None:
    story = stranger()
    events = story.code_issued(1, CODE)
    [queued] = events
    assert isinstance(queued, MessageQueued)
    assert (queued.purpose, queued.answers) == ("pairing", 1)
    [text] = story.texts(events)
    assert text == notices.pairing_code("alice", CODE)
    assert "alice" in text
    assert f"ztm-chat pairing approve ztm-chat {CODE}" in text
    assert story.recorded[-1].cause == 1


def test_a_code_is_told_once_however_often_the_account_gives_it() -> None:
    story = stranger()
    story.code_issued(1, CODE)
    story.says("hello?")
    assert story.code_issued(1, CODE) == [PairingWithheld(4, "pending")]
    assert len(story.state.outbox) == 1


def test_a_new_request_brings_a_new_code() -> None:
    story = stranger()
    story.code_issued(1, CODE)
    story.says("hello?")
    assert kinds(story.code_issued(2, "WXYZ6789")) == ["MessageQueued"]
    assert len(story.state.outbox) == 2


def test_several_messages_of_a_stranger_get_one_code() -> None:
    story = stranger("one", "two", "three")
    first, second, third = [message.version for message in story.state.uncoded]
    assert first < second < third
    events = story.code_issued(1, CODE)
    assert kinds(events) == ["MessageQueued", "PairingWithheld", "PairingWithheld"]
    assert events[1:] == [PairingWithheld(second, "pending"), PairingWithheld(third, "pending")]
    assert not story.state.uncoded


def test_a_code_for_a_message_that_waits_no_more_is_not_told() -> None:
    story = stranger()
    story.code_withheld("limit")
    assert decide_code(story.context, 1, 1, CODE) == []


@pytest.mark.parametrize("reason", get_args(NoCode))
def test_without_a_code_there_is_silence_and_the_reason_on_record(reason: NoCode) -> None:
    story = stranger("one")
    events = story.code_withheld(reason)
    assert events == [PairingWithheld(1, reason), WatermarkAdvanced(NOW_MS)]
    assert story.effects() == []


def test_a_stranger_whose_request_is_pending_is_not_given_another_code() -> None:
    story = ConversationStory(PEER, STRANGERS_PAIR)
    story.stands(pairing="pending")
    assert kinds(story.says("hello")) == ["MessageSeen", "PolicyDecided", "WatermarkAdvanced"]
    assert story.effects() == []


# --- approval ----------------------------------------------------------------------------------


def test_the_approved_person_is_told_once() -> None:
    story = ConversationStory(PEER, STRANGERS_PAIR)
    [queued] = story.announce(5)
    assert isinstance(queued, MessageQueued)
    assert queued.purpose == "approved"
    assert story.texts([queued]) == [notices.APPROVED]
    assert story.announce(5) == []
    story.crash()
    assert story.announce(5) == []


def test_a_second_approval_is_told_again() -> None:
    story = ConversationStory(PEER, STRANGERS_PAIR)
    story.announce(5)
    assert kinds(story.announce(9)) == ["MessageQueued"]


def test_messages_from_before_the_approval_stay_decided() -> None:
    story = stranger("let me in")
    story.code_issued(1, CODE)
    story.sent()
    story.stands(pairing="approved")
    assert kinds(story.announce(5)) == ["MessageQueued"]
    assert kinds(story.sent()) == ["ReplySent"]
    assert story.state.at_rest
    assert kinds(story.says("thanks")) == ["MessageSeen", "PolicyDecided", "Dispatched"]
    assert story.turn.messages == (story.state.version - 2,)


# --- sent, or not ------------------------------------------------------------------------------


def test_one_message_is_sent_at_a_time_oldest_first() -> None:
    story = ConversationStory()
    story.announce(1)
    story.announce(2)
    assert story.effects() == [Send(1)]
    story.sent()
    assert story.effects() == [Send(2)]


def test_a_message_that_stands_in_the_mesh_is_done() -> None:
    story = ConversationStory()
    story.announce(1)
    drafts = decide_sent(story.context, 1, sent_ms=NOW_MS + 5, reconciled=True, posts=2)
    assert story.follow(drafts) == [ReplySent(1, NOW_MS + 5, reconciled=True, posts=2)]
    assert story.state.at_rest


def test_a_message_is_confirmed_once() -> None:
    story = ConversationStory()
    story.announce(1)
    story.sent()
    assert story.sent(1) == []
    assert story.unsendable(1) == []


def test_nothing_is_confirmed_that_was_never_queued() -> None:
    story = ConversationStory()
    story.announce(1)
    assert story.sent(7) == []
    assert story.effects() == [Send(1)]


def test_a_message_that_can_never_be_sent_does_not_hold_up_the_next() -> None:
    story = ConversationStory()
    story.announce(1)
    story.announce(2)
    assert story.unsendable() == [ReplyFailed(1, "refused")]
    assert story.effects() == [Send(2)]


def test_a_crash_before_the_confirmation_leaves_the_message_to_be_sent() -> None:
    story = ConversationStory()
    story.announce(1)
    story.crash()
    assert story.effects() == [Send(1)]
