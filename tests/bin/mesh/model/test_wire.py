import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztm_chat.mesh.model import wire

UNREADABLE = [chr(c) for c in (*range(8), 0x0B, *range(0x0E, 0x20))]


def test_27_control_characters_are_written_raw_and_refused_on_reading() -> None:
    assert len(UNREADABLE) == 27
    for character in UNREADABLE:
        written = wire.encode({"text": character})
        assert character.encode() in written
        with pytest.raises(ValueError, match="control character"):
            wire.decode(written)


@pytest.mark.parametrize("text", ["\b\t\n\f\r", "\x7f", "\x80\x9f", "\u2028", '"\\/', "é你😀"])
def test_other_characters_survive(text: str) -> None:
    assert wire.decode(wire.encode(text)) == text


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert wire.encode(wire.decode(b'"a\\ud800b"')) == b'"a?b"'


def test_numbers_are_doubles() -> None:
    assert wire.encode(wire.decode(str(2**53 + 1).encode())) == str(2**53).encode()
    assert wire.encode(wire.decode(b"1.0")) == b"1"


@pytest.mark.parametrize("number", [str(2**63 - 1), "1e19", "-1e300"])
def test_a_large_number_is_written_so_that_it_can_be_read_back(number: str) -> None:
    assert wire.decode(wire.encode(wire.decode(number.encode()))) == float(number)


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"{", b"NaN", b"18446744073709551616", b"1e999", b'"\xff"', b"[" * 5000],
)
def test_malformed_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it is the contract that it is no more special
        wire.decode(body)


def test_keys_keep_their_order() -> None:
    assert wire.encode(wire.decode(b'{"z": 1, "a": [true, null]}')) == b'{"z":1,"a":[true,null]}'


@pytest.mark.parametrize(
    ("text", "number"),
    [("12.5", 12.5), ("12abc", 12), (" -3e2x", -300), ("Infinity", float("inf"))],
)
def test_a_number_is_parsed_up_to_the_first_other_character(text: str, number: float) -> None:
    assert wire.parse_float(text) == number


def test_each_part_of_a_path_is_decoded_separately() -> None:
    assert wire.path_parts(b"/a%2Fb/%2541/x%20y%0A") == ["a/b", "%41", "x y\n"]


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=UNREADABLE))
_numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


@given(_values)
def test_every_json_parser_reads_what_the_agent_writes(value: wire.JSON) -> None:
    written = wire.encode(value)
    assert json.loads(written) == value
    assert wire.decode(written) == value
