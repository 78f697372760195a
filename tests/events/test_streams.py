import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.streams import (
    GATEWAY,
    ConversationId,
    GroupId,
    PeerId,
    account_stream,
    conversation_stream,
    parse_stream,
)

NAMES = st.text(min_size=1, max_size=12).filter(lambda name: "/" not in name)
CONVERSATIONS = st.builds(PeerId, NAMES, NAMES) | st.builds(GroupId, NAMES, NAMES, NAMES)


def test_streams_are_named_as_the_design_has_it() -> None:
    assert GATEWAY == "gateway"
    assert account_stream("home") == "account/home"
    assert conversation_stream(PeerId("home", "alice")) == "account/home/peer/alice"
    assert conversation_stream(GroupId("home", "alice", "t1")) == "account/home/group/alice/t1"


@given(CONVERSATIONS)
def test_a_conversation_is_found_again_by_its_stream(conversation: ConversationId) -> None:
    assert parse_stream(conversation_stream(conversation)) == conversation


@given(NAMES)
def test_an_account_is_found_again_by_its_stream(account: str) -> None:
    assert parse_stream(account_stream(account)) == account


def test_the_gateway_is_nobodys_conversation() -> None:
    assert parse_stream(GATEWAY) is None


@given(CONVERSATIONS, CONVERSATIONS)
def test_two_conversations_never_share_a_stream(one: ConversationId, other: ConversationId) -> None:
    assert (conversation_stream(one) == conversation_stream(other)) == (one == other)


@pytest.mark.parametrize(
    "stream",
    [
        "",
        "gateway/home",
        "account",
        "account/home/peer",
        "account/home/peer/alice/bob",
        "account/home/group/alice",
        "account/home/group/alice/team/x",
        "account/home/crowd/alice",
        "Account/home",
    ],
)
def test_a_name_that_no_stream_has_is_refused_with_that_name(stream: str) -> None:
    with pytest.raises(ValueError, match="not the name of a stream") as refused:
        parse_stream(stream)
    assert repr(stream) in str(refused.value)
