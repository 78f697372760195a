"""One message has one identity, whoever shows it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ztm.client.entries import RawEntry, RawMessage, parse_file, parse_messages
from actors.ztm.client.paths import PeerFile
from actors.ztm.delivering.deliveries import before_us
from actors.ztm.reading.arrival_factory import ArrivalFactory, MessageFile
from actors.ztm.reading.catalogue import PendingFile
from actors.ztm.reading.message_files import read_large_file
from events.conversation.arrivals import Arrival
from store.log.event_log import SecretKey
from tests.actors.ztm.watched_mesh import group, peer
from ztm_chat.mesh.model import wire

ALICE = peer("alice")
FACTORY = ArrivalFactory(
    "bot", lambda person: SecretKey(b"", person.encode()[:64]), bytes, max_chars=10_000
)

TEXTS = st.text(st.characters(exclude_categories=()))  # lone surrogates are among them
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
FILES = st.fixed_dictionaries(
    {"hash": TEXTS},
    optional={"name": TEXTS, "size": NUMBERS, "contentType": TEXTS, "lastModified": NUMBERS},
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
MESSAGES = JSON | st.fixed_dictionaries(
    {}, optional={"text": TEXTS, "files": st.lists(FILES, max_size=3), "id": TEXTS, "more": JSON}
)


def file_of(*entries: tuple[int, Any], sender: str = "alice", ms: int = 1) -> MessageFile:
    raw = tuple(RawEntry(time, message) for time, message in entries)
    return MessageFile(sender, ms, raw, (), available_ms=5)


def from_feed(data: bytes) -> list[Arrival]:
    entries, flaws = parse_file(data, limit=2**20)
    file = MessageFile("alice", 1, tuple(entries), tuple(flaws), available_ms=5)
    return FACTORY.from_files(ALICE, [file])


def from_chat(data: bytes) -> list[Arrival]:
    messages, _ = parse_messages(data)
    return FACTORY.from_chat(ALICE, messages, heard_ms=5, now_ms=9)


@given(MESSAGES, st.integers(0, 2**52), st.booleans())
def test_feed_and_chat_lead_to_the_same_message(message: Any, time: int, plain: bool) -> None:
    """The file is as the agent wrote it; the Chat app has read that, and writes it anew."""
    in_file = wire.encode([{"time": time, "message": message}])
    again = [
        {"message": entry["message"], "sender": "alice", "time": entry["time"]}
        for entry in json.loads(in_file, strict=False)
    ]
    in_chat = json.dumps(again, ensure_ascii=plain, indent=1).encode("utf-8", "surrogatepass")
    (shown,), (told,) = from_feed(in_file), from_chat(in_chat)
    assert shown.identity == told.identity
    assert (shown.text, shown.files, shown.sent_ms) == (told.text, told.files, told.sent_ms)


@given(MESSAGES, MESSAGES, st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_file_that_is_written_anew_makes_no_message_a_second_one(
    first: Any, second: Any, one_ms: int, other_ms: int
) -> None:
    short = [{"time": one_ms, "message": first}]
    long = [*short, {"time": other_ms, "message": second}]
    before = {arrival.identity for arrival in from_feed(wire.encode(short))}
    after = {arrival.identity for arrival in from_feed(wire.encode(long))}
    assert before < after


def test_the_same_text_twice_in_one_millisecond_is_two_messages() -> None:
    arrivals = FACTORY.from_files(ALICE, [file_of((7, "hi"), (7, "hi"), (7, "ho"))])
    assert sorted(arrival.text for arrival in arrivals) == ["hi", "hi", "ho"]
    assert len({arrival.identity for arrival in arrivals}) == 3


def test_equals_in_two_files_are_two_messages() -> None:
    files = [file_of((7, "hi"), ms=1), file_of((7, "hi"), ms=7)]
    assert len({from_file.identity for from_file in FACTORY.from_files(ALICE, files)}) == 2


def test_the_chat_shows_one_of_equals_and_it_is_the_first() -> None:
    shown = FACTORY.from_files(ALICE, [file_of((7, "hi"), (7, "hi"))])
    (told,) = FACTORY.from_chat(ALICE, [RawMessage(7, "alice", "hi")], heard_ms=5, now_ms=9)
    assert told.identity == shown[0].identity


def test_messages_come_in_the_order_of_time_sender_and_place() -> None:
    files = [
        file_of((9, "late"), (2, "early"), sender="bob", ms=2),
        file_of((5, "b"), (5, "b"), sender="bob", ms=1),
        file_of((5, "a"), sender="alice", ms=3),
    ]
    arrivals = FACTORY.from_files(group("alice", "g"), files)
    ordered = [(arrival.sent_ms, arrival.sender, arrival.text) for arrival in arrivals]
    assert ordered == sorted(ordered)
    assert [arrival.text for arrival in arrivals] == ["early", "a", "b", "b", "late"]


def test_senders_chats_and_times_tell_messages_apart() -> None:
    identities = {
        FACTORY.identity_of(chat, RawMessage(time, sender, "hi"))
        for chat in (ALICE, peer("Alice"), group("alice", "g"))
        for sender in ("alice", "ALICE")
        for time in (1, 2)
    }
    assert len(identities) == 12


def test_what_cannot_be_read_arrives_once_as_malformed() -> None:
    file = MessageFile("alice", 4, (RawEntry(1, "hi"),), ("1 left out: no object",), 5)
    good, bad = FACTORY.from_files(ALICE, [file])
    assert (good.malformed, bad.malformed, bad.text) == (False, True, "")
    assert FACTORY.from_files(ALICE, [file])[1].identity == bad.identity


NOTHINGS = ["null", "1e999", "[]", "{}", '{"text": null}', '{"files": [], "id": "x"}']


@pytest.mark.parametrize("message", ["", *(f', "message": {nothing}' for nothing in NOTHINGS)])
def test_a_message_that_says_nothing_is_malformed_whoever_shows_it(message: str) -> None:
    (shown,) = from_feed(f'[{{"time": 1{message}}}]'.encode())
    (told,) = from_chat(f'[{{"time": 1, "sender": "alice"{message}}}]'.encode())
    assert shown.malformed
    assert told.malformed
    assert shown.identity == told.identity


@pytest.mark.parametrize("message", ['"null"', "false", "0", "[null]", '{"a": 0}', '{"text": ""}'])
def test_a_message_that_says_anything_is_not_malformed(message: str) -> None:
    (shown,) = from_feed(f'[{{"time": 1, "message": {message}}}]'.encode())
    assert not shown.malformed


def test_the_chat_could_have_shown_it_since_it_was_last_asked() -> None:
    messages = [RawMessage(time, "alice", "hi") for time in (1, 70, 999)]
    arrivals = FACTORY.from_chat(ALICE, messages, heard_ms=50, now_ms=100)
    assert [arrival.available_ms for arrival in arrivals] == [50, 70, 100]


def test_a_long_message_is_the_same_in_file_and_chat_and_little_of_it_is_kept() -> None:
    message = {"text": "long" * 200_000, "id": "i" * 100_000}
    in_file = json.dumps([{"time": 7, "message": message}]).encode()
    in_chat = json.dumps([{"time": 7, "message": message, "sender": "alice"}]).encode()
    (shown,), (told,) = from_feed(in_file), from_chat(in_chat)
    pending = PendingFile(PeerFile("alice", "my-bot", 1), ALICE, "h", 1, 5)
    large = read_large_file(in_file, PeerFile("alice", "my-bot", 1), pending, FACTORY)
    assert FACTORY.from_files(ALICE, [large]) == [shown]
    assert shown.identity == told.identity
    assert (len(shown.text), len(shown.wire_id)) == (10_001, 64)
    other = FACTORY.from_chat(
        ALICE, [RawMessage(7, "alice", "long" * 200_001)], heard_ms=5, now_ms=9
    )
    assert other[0].identity != shown.identity


def test_before_us_is_what_is_older_than_the_horizon() -> None:
    arrivals = FACTORY.from_files(ALICE, [file_of((1, "old"), (50, "new"), (90, "ahead"))])
    old, fresh = before_us(arrivals, 50)
    assert [arrival.text for arrival in old] == ["old"]
    assert [arrival.text for arrival in fresh] == ["new", "ahead"]
