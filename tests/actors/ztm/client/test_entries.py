"""Message files and the Chat API's messages: whatever they hold, the readable ones come out."""

import json
import math
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ztm.client.entries import RawEntry, RawMessage, parse_file, parse_messages
from actors.ztm.errors import AnswerUnreadable

LIMIT = 10**6
GOOD = '{"time": 1700000000000, "message": {"text": "hello"}}'
HELLO = RawEntry(1700000000000, {"text": "hello"})

NO_JSON = ("NaN", "Infinity")  # which json.dumps writes all the same

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def entries_of(text: str | bytes) -> list[RawEntry]:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_file(data, limit=LIMIT)[0]


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_entries_come_in_the_order_of_the_file() -> None:
    text = '[{"time": 2, "message": "b"}, {"time": 1, "message": "a"}, {"time": 2, "message": "b"}]'
    entries, reasons = parse_file(text.encode(), limit=LIMIT)
    assert entries == [RawEntry(2, "b"), RawEntry(1, "a"), RawEntry(2, "b")]
    assert reasons == []


@pytest.mark.parametrize("message", ["null", "true", "7", '"text"', "[1]", "{}"])
def test_a_message_may_be_any_json(message: str) -> None:
    assert entries_of(f'[{{"time": 1, "message": {message}}}]') == [
        RawEntry(1, json.loads(message))
    ]


def test_control_characters_in_a_text_are_read_as_the_agent_wrote_them() -> None:
    every = "".join(map(chr, [*range(0x20), 0x7F, 0x85, 0x2028]))
    entries = entries_of(b'[{"time": 1, "message": "' + every.encode() + b'"}]')
    assert entries == [RawEntry(1, every)]


def test_bad_utf8_becomes_the_replacement_character() -> None:
    assert entries_of(b'[{"time": 1, "message": "\xff"}]') == [RawEntry(1, "�")]


@pytest.mark.parametrize(
    ("written", "found"), [("1", 1), ("1.9", 1), ("1e3", 1000), ("0", 0), (str(2**53), 2**53)]
)
def test_a_time_is_rounded_down_to_whole_milliseconds(written: str, found: int) -> None:
    entries = entries_of(f'[{{"time": {written}, "message": null}}]')
    assert entries == [RawEntry(found, None)]
    assert type(entries[0].time) is int


@pytest.mark.parametrize(
    "bad",
    [
        "null",
        "7",
        '"text"',
        "[]",
        "{}",
        '{"message": "no time"}',
        '{"time": "1", "message": "x"}',
        '{"time": true, "message": "x"}',
        '{"time": null, "message": "x"}',
        '{"time": -1, "message": "x"}',
        '{"time": -0.5, "message": "x"}',
        '{"time": 9007199254740993, "message": "x"}',
        '{"time": 1e400, "message": "x"}',
        '{"time": NaN, "message": "x"}',
        '{"time": Infinity, "message": "x"}',
        '{"time": 1, "message": -Infinity}',
        '{"time": 1, "message": nonsense}',
        pytest.param(f'{{"time": 1, "message": {nested(65)}}}', id="65 levels"),
        pytest.param(f'{{"time": 1, "message": {nested(100_000)}}}', id="100,000 levels"),
    ],
    ids=str,
)
def test_a_bad_entry_does_not_cost_the_others_and_has_a_reason(bad: str) -> None:
    entries, reasons = parse_file(f"[{GOOD}, {bad}, {GOOD}]".encode(), limit=LIMIT)
    assert entries == [HELLO, HELLO]
    assert len(reasons) == 1
    assert "1 left out (the first at position 1)" in reasons[0]


def test_a_hundred_bad_entries_of_one_kind_give_one_reason() -> None:
    _, reasons = parse_file(f"[{GOOD}, {', '.join(['7'] * 100)}]".encode(), limit=LIMIT)
    assert reasons == ["100 left out (the first at position 1): it is not an object"]


def test_brackets_and_commas_inside_of_texts_do_not_mislead() -> None:
    tricky = json.dumps({"time": 1, "message": 'a"]},[{\\"'})
    entries = entries_of(f"[{tricky}, NaN, {tricky}]")
    assert [entry.message for entry in entries] == ['a"]},[{\\"'] * 2


def test_a_file_that_is_cut_off_gives_its_whole_entries() -> None:
    entries, reasons = parse_file(f'[{GOOD}, {{"time": 2, "mess'.encode(), limit=LIMIT)
    assert entries == [HELLO]
    assert len(reasons) == 1


def test_what_follows_the_list_is_noticed() -> None:
    entries, reasons = parse_file(f"[{GOOD}] more".encode(), limit=LIMIT)
    assert entries == [HELLO]
    assert reasons == ["the list as a whole is not JSON"]


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b"7", b"nonsense", b"\x00", b'{"a": [1]'])
def test_a_file_that_is_no_list_has_a_reason(data: bytes) -> None:
    entries, reasons = parse_file(data, limit=LIMIT)
    assert entries == []
    assert len(reasons) == 1


def test_a_file_is_bounded_before_it_is_parsed() -> None:
    data = f"[{GOOD}]".encode()
    assert parse_file(data, limit=len(data))[0] == [HELLO]
    entries, reasons = parse_file(data, limit=len(data) - 1)
    assert entries == []
    assert reasons == [f"the file has {len(data)} bytes, more than the {len(data) - 1} allowed"]


@pytest.mark.parametrize("unit", ['"\\"', "[", '[""', ",", "7,", '\\"', '{"a":', "9", "[],", "{},"])
def test_a_large_hostile_file_takes_no_time_to_speak_of(unit: str) -> None:
    data = ("[" + unit * (4 * 10**6 // len(unit)) + "7]").encode()
    before = time.process_time()
    assert parse_file(data, limit=len(data))[0] == []
    assert time.process_time() - before < 3


def test_after_a_thousand_bad_entries_the_rest_is_not_read() -> None:
    entries, reasons = parse_file(f"[{'7,' * 1000}{GOOD}]".encode(), limit=LIMIT)
    assert entries == []
    assert any("what follows was not read" in reason for reason in reasons)


@pytest.mark.parametrize("count", [1_001, 1_000_000])
def test_after_a_thousand_entries_the_rest_is_not_read(count: int) -> None:
    data = b"[" + b",".join([b'{"time":1}'] * count) + b"]"
    entries, reasons = parse_file(data, limit=len(data))
    assert len(entries) == 1_000
    (reason,) = reasons
    assert reason.endswith("position 1000): there may be 1000 at most; what follows was not read")


def test_one_long_message_is_read_whole() -> None:
    text = "long \U0001f600" * 400_000
    data = json.dumps([{"time": 1, "message": text}], ensure_ascii=False).encode()
    entries, reasons = parse_file(data, limit=len(data))
    assert (entries, reasons) == ([RawEntry(1, text)], [])


def test_a_message_longer_than_any_limit_of_ours_is_left_out() -> None:
    data = b'[{"time":1,"message":"' + b"x" * 5 * 2**20 + b'"},{"time":1,"message":"a"}]'
    entries, reasons = parse_file(data, limit=len(data))
    assert entries == [RawEntry(1, "a")]
    assert reasons == ["1 left out (the first at position 0): it has more than 4194304 bytes"]


@pytest.mark.parametrize(
    "unit", [b'{"time":1},', b"[],", b"7,", b"[", b'"', b"\\", b'{"time":1,"message":[[],[]]},']
)
def test_reading_a_file_takes_little_memory_whatever_it_holds(unit: bytes) -> None:
    data = b"[" + unit * (16 * 2**20 // len(unit))
    tracemalloc.start()
    parse_file(data, limit=len(data) + 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20


def test_numbers_beyond_a_double_are_null_as_in_javascript() -> None:
    entries = entries_of(f'[{{"time": 1, "message": [1e400, -1e400, {"9" * 5000}]}}]')
    assert entries == [RawEntry(1, [None, None, None])]


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    assert entries_of('[{"time": 1, "time": 2, "message": 1, "message": 2}]') == [RawEntry(2, 2)]


@given(st.binary())
def test_no_bytes_at_all_make_a_file_raise(data: bytes) -> None:
    parse_file(data, limit=LIMIT)
    parse_file(b"[" + data, limit=LIMIT)


@given(st.lists(json_values))
def test_no_json_makes_a_file_raise_and_all_times_are_sane(values: list[Any]) -> None:
    entries, _ = parse_file(json.dumps(values).encode(), limit=LIMIT)
    assert all(0 <= entry.time <= 2**53 for entry in entries)


@given(st.lists(st.tuples(st.integers(0, 2**53), json_values)))
def test_every_sane_entry_is_read(pairs: list[tuple[int, Any]]) -> None:
    sane = [pair for pair in pairs if not any(word in json.dumps(pair) for word in NO_JSON)]
    entries = [{"time": ms, "message": message} for ms, message in sane]
    found, reasons = parse_file(json.dumps(entries).encode(), limit=LIMIT)
    assert [(entry.time, entry.message) for entry in found] == sane
    assert reasons == []


def test_the_chat_api_names_the_sender_of_each_message() -> None:
    messages, reasons = parse_messages(
        b'[{"time": 1.5, "sender": "alice", "message": {"text": "a"}}]'
    )
    assert messages == [RawMessage(1, "alice", {"text": "a"})]
    assert reasons == []


@pytest.mark.parametrize("sender", [None, 7, "", "..", "a/b", "a\nb", "\ud800"])
def test_a_message_of_an_impossible_sender_is_left_out(sender: object) -> None:
    good = {"time": 1, "sender": "alice", "message": "x"}
    messages, reasons = parse_messages(json.dumps([good | {"sender": sender}, good]).encode())
    assert messages == [RawMessage(1, "alice", "x")]
    assert len(reasons) == 1


def test_an_answer_that_is_no_list_of_messages_is_an_error() -> None:
    with pytest.raises(AnswerUnreadable):
        parse_messages(b'{"status": 500}')


@given(st.lists(json_values))
def test_both_sources_read_the_same_message_alike(values: list[Any]) -> None:
    entries = [{"time": n, "message": value} for n, value in enumerate(values)]
    messages = [entry | {"sender": "alice"} for entry in entries]
    from_file, _ = parse_file(json.dumps(entries).encode(), limit=LIMIT)
    from_chat, _ = parse_messages(json.dumps(messages).encode())
    assert [(e.time, e.message) for e in from_file] == [(m.time, m.message) for m in from_chat]
    assert all(math.isfinite(entry.time) for entry in from_file)
