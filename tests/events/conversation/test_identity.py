import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.conversation.identity import canonical, file_hashes, identity, plain_text

PHOTO = {
    "hash": "abc",
    "name": "photo.png",
    "lastModified": 1_700_000_000_000,
    "size": 12_000,
    "contentType": "image/png",
}

STRINGS = st.text(st.characters(codec=None), max_size=8)
NUMBERS = (
    st.integers() | st.floats() | st.sampled_from([2**53 + 1, 10**400, -0.0, 1e21, 1e300, math.inf])
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | STRINGS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(STRINGS | st.sampled_from(["text", "files", "hash", "name"]), inner)
    ),
    max_leaves=12,
)


def nested(depth: int, innermost: object = "x") -> object:
    value = innermost
    for _ in range(depth):
        value = [value]
    return value


def through_javascript(value: object) -> object:
    """`value` as the Chat API gives it: read and written again by a JavaScript engine."""
    match value:
        case str():
            return "".join(
                "?" if "\ud800" <= char <= "\udfff" else char
                for char in value.encode("utf-16", "surrogatepass").decode(
                    "utf-16", "surrogatepass"
                )
            )
        case bool() | None:
            return value
        case int() | float():
            try:
                double = float(value)
            except OverflowError:
                return None
            return double if math.isfinite(double) else None
        case list():
            return [through_javascript(item) for item in value]
        case dict():
            items = {through_javascript(key): item for key, item in value.items()}
            return {key: through_javascript(items[key]) for key in reversed(items)}
    raise TypeError(value)


# --- canonical content -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("Hello", id="a string"),
        pytest.param({"text": "Hello"}, id="an object with text"),
        pytest.param({"text": "Hello", "files": []}, id="and no files"),
        pytest.param({"text": "Hello", "files": None}, id="files null"),
        pytest.param({"files": "?", "text": "Hello"}, id="files that are none"),
        pytest.param({"text": "Hello", "id": "7.0"}, id="an id of ours"),
    ],
)
def test_messages_that_say_the_same_are_alike(message: object) -> None:
    assert canonical(message) == canonical("Hello")
    assert plain_text(message) == "Hello"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Hello", "hello", id="case"),
        pytest.param("é", "e\u0301", id="composition"),
        pytest.param("Hello", "Hello ", id="a blank"),
        pytest.param("", None, id="empty and null"),
        pytest.param("1", 1, id="text and number"),
        pytest.param("null", None, id="text that looks like JSON"),
        pytest.param('["a"]', ["a"], id="text that looks like a list"),
        pytest.param(["a"], {"text": "a"}, id="a list and a text"),
        pytest.param(True, 1, id="true and one"),
        pytest.param({"text": "a", "files": [PHOTO]}, "a", id="with and without a file"),
        pytest.param({"files": [PHOTO]}, {"files": [{"hash": "x"}]}, id="other files"),
        pytest.param(
            {"files": [{"hash": "a"}, {"hash": "b"}]},
            {"files": [{"hash": "b"}, {"hash": "a"}]},
            id="files in another order",
        ),
        pytest.param(
            {"files": [{"hash": "ab"}]}, {"files": [{"hash": "a"}, {"hash": "b"}]}, id="cut"
        ),
        pytest.param({"text": 5}, {"text": 6}, id="text that is a number"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, id="lists in another order"),
    ],
)
def test_messages_that_differ_are_told_apart(one: object, other: object) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, id="order of keys"),
        pytest.param(5, 5.0, id="whole numbers"),
        pytest.param([2**53 + 1], [2**53], id="beyond a double's precision"),
        pytest.param(-0.0, 0, id="minus zero"),
        pytest.param(10**400, None, id="too large for a double"),
        pytest.param([math.nan, math.inf], [None, None], id="not finite"),
        pytest.param("a\ud800", "a?", id="a lone surrogate"),
        pytest.param("\ud83d\udc4b", "👋", id="a pair of surrogates"),
        pytest.param([{"\ud800": 1}], [{"?": 1}], id="a lone surrogate in a key"),
    ],
)
def test_what_only_the_way_here_changes_does_not_count(one: object, other: object) -> None:
    assert canonical(one) == canonical(other)


@given(JSON)
def test_both_ways_give_the_same_content(message: object) -> None:
    api = json.loads(json.dumps(through_javascript(message)))
    assert canonical(api) == canonical(message)
    assert plain_text(api) == plain_text(message)
    assert file_hashes(api) == file_hashes(message)


@given(JSON)
def test_any_message_can_be_read(message: object) -> None:
    canonical(message)
    plain_text(message).encode()


@given(STRINGS, STRINGS, st.lists(STRINGS), st.lists(STRINGS))
def test_content_is_equal_just_if_text_and_files_are(
    text: str, other: str, hashes: list[str], others: list[str]
) -> None:
    def content(words: str, files: list[str]) -> bytes:
        return canonical({"text": words, "files": [{"hash": file} for file in files]})

    same = through_javascript([text, *hashes]) == through_javascript([other, *others])
    assert (content(text, hashes) == content(other, others)) is same


def test_deep_nesting_is_cut_off() -> None:
    assert canonical(nested(900)) == canonical(nested(800))
    assert canonical(nested(60)) != canonical(nested(61))
    assert plain_text(nested(66)) == "[" * 65 + '"…"' + "]" * 65
    assert plain_text(nested(65)) == "[" * 65 + '"x"' + "]" * 65


def test_deep_objects_are_cut_off_too() -> None:
    value: object = "x"
    for _ in range(900):
        value = {"a": value}
    assert plain_text(value) == '{"a":' * 65 + '"…"' + "}" * 65


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError, match="not a JSON value: bytes"):
        canonical([b"bytes"])


# --- what an agent reads -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param("Hello\nthere", "Hello\nthere", id="a string"),
        pytest.param("", "", id="an empty string"),
        pytest.param(
            {"text": "Look", "files": [PHOTO]},
            "Look\n[file: photo.png, 12 kB, image/png]",
            id="text and a file",
        ),
        pytest.param({"files": [PHOTO]}, "[file: photo.png, 12 kB, image/png]", id="only a file"),
        pytest.param(
            {"files": [PHOTO, {"hash": "x", "name": "b"}]},
            "[file: photo.png, 12 kB, image/png]\n[file: b]",
            id="two files",
        ),
        pytest.param({"files": [{"hash": "x"}]}, "[file: unnamed]", id="a file without a name"),
        pytest.param({"text": "a", "files": [{"name": "b"}, 5]}, "a", id="files without a hash"),
        pytest.param({"b": [1, 2.5, "é"], "a": None}, '{"a":null,"b":[1,2.5,"é"]}', id="an object"),
        pytest.param({"text": 5}, '{"text":5}', id="text that is a number"),
        pytest.param({"files": []}, '{"files":[]}', id="no file at all"),
        pytest.param([], "[]", id="a list"),
        pytest.param(5.0, "5", id="a number"),
        pytest.param(1e300, "1e+300", id="a large number"),
        pytest.param(1e20, "1" + "0" * 20, id="the largest power written out"),
        pytest.param(1e21, "1e+21", id="the smallest power not written out"),
        pytest.param(True, "true", id="true"),
        pytest.param(None, "null", id="null"),
        pytest.param("a\ud800", "a?", id="a lone surrogate"),
    ],
)
def test_the_text_that_an_agent_reads(message: object, expected: str) -> None:
    assert plain_text(message) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "[file: f, 0 B]"),
        (999, "[file: f, 999 B]"),
        (999.7, "[file: f, 1 kB]"),
        (12_345, "[file: f, 12 kB]"),
        (999_400, "[file: f, 999 kB]"),
        (999_500, "[file: f, 1 MB]"),
        (5_000_000, "[file: f, 5 MB]"),
        (2_340_000_000, "[file: f, 2.3 GB]"),
        (-1, "[file: f]"),
        (10**400, "[file: f]"),
        (math.nan, "[file: f]"),
        (math.inf, "[file: f]"),
        ("12", "[file: f]"),
        (None, "[file: f]"),
    ],
)
def test_the_size_of_a_file_is_readable(size: object, expected: str) -> None:
    assert plain_text({"files": [{"hash": "x", "name": "f", "size": size}]}) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("a]\n[file: b", "[file: a) (file: b]", id="brackets and lines"),
        pytest.param("a\x1b[31m\x00b", "[file: a(31mb]", id="control characters"),
        pytest.param("cod\u202egpj.exe", "[file: codgpj.exe]", id="a change of direction"),
        pytest.param("x" * 500, f"[file: {'x' * 120}]", id="a very long one"),
        pytest.param("\ud800", "[file: ?]", id="a lone surrogate"),
    ],
)
def test_the_name_of_a_file_can_not_pretend_to_be_more(name: str, expected: str) -> None:
    assert plain_text({"files": [{"hash": "x", "name": name}]}) == expected


def test_the_hashes_of_files_are_found() -> None:
    message = {"text": "a", "files": [PHOTO, {"name": "none"}, {"hash": "def"}]}
    assert file_hashes(message) == ("abc", "def")
    assert file_hashes("a") == file_hashes([PHOTO]) == file_hashes(None) == ()


# --- identity ----------------------------------------------------------------------------------

KEY = b"k" * 32


def test_an_identity_is_the_same_every_time() -> None:
    """Kept in logs: if this value changes, every old message would look new."""
    found = identity(KEY, "peer/alice", "alice", 1_700_000_000_000, canonical("Hello"), 0)
    assert found.hex() == "64ffcd7619ac871e535783acc0436f31"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((b"x" * 32, "peer/alice", "alice", 5, b"text", 0), id="key"),
        pytest.param((KEY, "peer/bob", "alice", 5, b"text", 0), id="chat"),
        pytest.param((KEY, "peer/alice", "Alice", 5, b"text", 0), id="sender"),
        pytest.param((KEY, "peer/alice", "alice", 6, b"text", 0), id="time"),
        pytest.param((KEY, "peer/alice", "alice", -5, b"text", 0), id="time before 1970"),
        pytest.param((KEY, "peer/alice", "alice", 5, b"Text", 0), id="content"),
        pytest.param((KEY, "peer/alice", "alice", 5, b"text", 1), id="place"),
        pytest.param((KEY, "peer/alicea", "lice", 5, b"text", 0), id="a border moved"),
    ],
)
def test_every_part_of_an_identity_counts(other: tuple[bytes, str, str, int, bytes, int]) -> None:
    assert identity(*other) != identity(KEY, "peer/alice", "alice", 5, b"text", 0)


PARTS = st.tuples(
    STRINGS, STRINGS, st.integers(-(10**30), 10**30), st.binary(max_size=4), st.integers(0, 3)
)


@given(PARTS, PARTS)
def test_two_messages_have_one_identity_only_if_all_is_equal(
    one: tuple[str, str, int, bytes, int], other: tuple[str, str, int, bytes, int]
) -> None:
    assert len(identity(KEY, *one)) == 16
    assert (identity(KEY, *one) == identity(KEY, *other)) is (one == other)


@pytest.mark.parametrize("key", [b"", b"k" * 65], ids=["empty", "too long"])
def test_a_key_that_does_not_hide_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        identity(key, "peer/alice", "alice", 5, b"text", 0)


@pytest.mark.parametrize("words", ["see you at noon", "a" * 129, "g", "", "abc\n", "\ud800"])
def test_what_is_no_hash_is_not_recorded_as_one_but_still_tells_messages_apart(words: str) -> None:
    message = {"text": "look", "files": [{"hash": words}, {"hash": "abc"}]}
    assert file_hashes(message) == ("abc",)
    assert canonical(message) != canonical({"text": "look", "files": [{"hash": "abc"}]})


def test_the_hashes_of_a_message_are_bounded() -> None:
    assert len(file_hashes({"files": [{"hash": "abc"}] * 100_000})) == 64
