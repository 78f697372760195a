"""Labels of authors in a prompt: no two names have the same one."""

import re
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.agents.openai.author_label import LABEL_CHARS, author_label
from events.blank import is_blank

PASS_FOR_ALICE = [
    "alice:",
    ":alice",
    "alice :",
    "alice\uff1a",
    "alice\u2236",
    "alice\ua789",
    " alice",
    "alice ",
    "alice\t",
    "alice\u00a0",
    "alice\u200b",
    "\u200falice",
    "\u202ealice\u202c",
    "\u2066alice\u2069",
    "al\u00adice",
    "alice\u034f",
    "alice\u3164",
    "alice\ufe0f",
    "alice\u2800",
    "alice\U000e0061",
    "alice\x00",
    "alice\n",
    "alice\\",
]
ODD_NAMES = st.text(alphabet=st.sampled_from(list("ab \\:u{}#3a\u200b\u0301é\n")) | st.characters())


@pytest.mark.parametrize("name", ["alice", "Alice", "anna maria", "my-bot", "李雷", "José", "a#1"])
def test_a_common_name_is_its_own_label(name: str) -> None:
    assert author_label(name) == name


@pytest.mark.parametrize("name", PASS_FOR_ALICE)
def test_a_name_that_would_pass_for_alice_shows_what_it_has_more(name: str) -> None:
    assert author_label(name) not in ("alice", author_label("alice"))
    assert "\\" in author_label(name)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("alice:", r"alice\u{3a}"),
        ("a  b", r"a \u{20}b"),
        (" a b ", r"\u{20}a b\u{20}"),
        (" ", r"\u{20}"),
        ("", r"\u{}"),
        (r"alice\u{3a}", r"alice\\u{3a}"),
        ("Jose\u0301", r"Jose\u{301}"),
    ],
)
def test_what_does_not_show_is_written_out(name: str, label: str) -> None:
    assert author_label(name) == label


def test_long_names_that_begin_alike_are_told_apart() -> None:
    names = ["x" * 64, "x" * 65, "x" * 64 + "a", "x" * 64 + "b", "x" * 63 + "\\", "x" * 63 + ":"]
    assert len({author_label(name) for name in names}) == len(names)
    assert author_label("x" * 64) == "x" * 64
    assert author_label("x" * 65).startswith("x" * 64 + r"\#")


def test_nobody_can_choose_the_label_of_a_name_that_was_cut() -> None:
    label = author_label("x" * 40 + "\u200b" * 40)
    assert author_label(label) != label
    assert author_label(label.replace("\\", "")) != label


@given(ODD_NAMES)
def test_a_label_gives_back_its_name_unless_it_was_cut(name: str) -> None:
    label = author_label(name)
    if cut := re.search(r"^((?:[^\\]|\\\\|\\u\{[0-9a-f]*\})*)\\#[0-9a-f]{32}$", label):
        assert name.startswith(unescaped(cut[1]))
        assert len(cut[1]) <= LABEL_CHARS
    else:
        assert unescaped(label) == name
        assert len(label) <= LABEL_CHARS


@given(ODD_NAMES)
def test_a_label_is_one_visible_line_that_ends_at_its_colon(name: str) -> None:
    label = author_label(name)
    assert label == label.strip() != ""
    assert label.isprintable()
    assert "  " not in label
    assert ":" not in normalize("NFKC", label)
    assert not any(is_blank(char) for char in label if char != " ")


def unescaped(label: str) -> str:
    def char(escape: re.Match[str]) -> str:
        return chr(int(escape[1], 16)) if escape[1] else "\\" if escape[0] == "\\\\" else ""

    return re.sub(r"\\u\{([0-9a-f]*)\}|\\\\", char, label)
