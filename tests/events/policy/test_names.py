from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.policy.names import fold, is_nobody, listed, matches, unmistakable

NAMES = st.text(max_size=20)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        pytest.param("alice", "alice", id="the same"),
        pytest.param("  alice\t", "alice", id="blanks around it"),
        pytest.param("Alice", "aLICE", id="case"),
        pytest.param("josé", normalize("NFD", "José"), id="composition"),
        pytest.param("STRAẞE", "straße", id="a capital sharp s"),
        pytest.param("ΣΟΦΟΣ", "σοφος", id="final sigma"),
        pytest.param("Team é: EU", "team É: eu", id="signs and blanks inside"),
    ],
)
def test_an_entry_means_a_name_that_folds_alike(entry: str, name: str) -> None:
    assert matches(entry, name)
    assert fold(entry) == fold(name)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        pytest.param("alice", "alіce", id="a Cyrillic look-alike"),
        pytest.param("bot", "b0t", id="a digit for a letter"),
        pytest.param("bot", "ｂot", id="full width"),
        pytest.param("jose", "josé", id="an accent"),
        pytest.param("alice", "alice2", id="a longer name"),
        pytest.param("my bot", "mybot", id="a blank inside"),
        pytest.param("istanbul", "ıstanbul", id="dotless i"),
        pytest.param("istanbul", "İstanbul", id="dotted capital i"),
        pytest.param("fiona", "ﬁona", id="a ligature"),
        pytest.param("sam", "ſam", id="a long s"),
        pytest.param("STRASSE", "straße", id="a sharp s is one letter"),
        pytest.param("boss", "boß", id="a sharp s for two"),
        pytest.param("boss", "boſs", id="a long s inside"),
        pytest.param("alice", "alice\u200b", id="a zero-width space"),
        pytest.param("*", "alice", id="a star where none is admitted"),
    ],
)
def test_an_entry_does_not_mean_a_look_alike(entry: str, name: str) -> None:
    assert not matches(entry, name)
    assert listed([entry], name) is None


@pytest.mark.parametrize(
    ("entry", "name"),
    [("fiona", "ﬁona"), ("sam", "ſam"), ("STRASSE", "straße"), ("Alice", "alice")],
)
def test_what_version_1_of_the_rules_took_for_one_is_so_for_its_decisions(
    entry: str, name: str
) -> None:
    assert matches(entry, name, rules=1)


@pytest.mark.parametrize(
    "name", ["\u200b", "\u2060\ufeff", "\u3164", "\u034f", "\u202e \u2069", "\x07"]
)
def test_a_name_of_which_nothing_is_visible_is_nobody(name: str) -> None:
    assert is_nobody(name)
    assert not is_nobody(name, rules=1)
    assert listed(["*", name], name, everyone=True) is None


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u3000", "\u200b", "\u3164"])
@pytest.mark.parametrize("ambiguous", [False, True])
def test_a_blank_matches_nobody(blank: str, *, ambiguous: bool) -> None:
    assert not matches(blank, "alice", ambiguous=ambiguous)
    assert not matches(blank, blank, ambiguous=ambiguous)
    assert listed(["*", blank], blank, ambiguous=ambiguous, everyone=True) is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [("alice", True), (" alice ", True), ("Alice", False), ("ALICE", False)],
)
def test_among_users_who_fold_alike_only_the_exact_entry_matches(
    entry: str, *, expected: bool
) -> None:
    assert matches(entry, "alice", ambiguous=True) is expected


def test_compositions_are_told_apart_where_both_are_users() -> None:
    composed, decomposed = normalize("NFC", "josé"), normalize("NFD", "josé")
    assert matches(composed, composed, ambiguous=True)
    assert not matches(composed, decomposed, ambiguous=True)


def test_the_entry_that_matched_is_returned_as_it_was_typed() -> None:
    assert listed(["bob", " Alice "], "alice") == " Alice "


def test_nobody_is_on_an_empty_list() -> None:
    assert listed([], "alice", everyone=True) is None


def test_a_star_lists_everyone_only_where_the_list_admits_it() -> None:
    assert listed(["bob", " * "], "alice", everyone=True) == " * "
    assert listed(["*"], "alice", ambiguous=True, everyone=True) == "*"
    assert listed(["*"], "alice") is None
    assert listed(["*"], "*") == "*"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["alice", "bob"], ["alice", "bob"]),
        (["alice", "bob", "Alice"], ["bob"]),
        (["ALICE", "alice", "Bob", "bob"], []),
        (["alice", "alіce"], ["alice", "alіce"]),
    ],
)
def test_those_that_fold_like_no_other_are_unmistakable(
    names: list[str], expected: list[str]
) -> None:
    assert unmistakable(names) == set(expected)


@given(NAMES)
def test_compositions_of_a_name_fold_alike(name: str) -> None:
    assert fold(normalize("NFD", name)) == fold(normalize("NFC", name))


@given(st.lists(NAMES), NAMES)
def test_an_exact_match_is_a_match(entries: list[str], name: str) -> None:
    """So that a double who turns up can only take a right away, never give one."""
    if name == name.strip() and listed(entries, name, ambiguous=True) is not None:
        assert listed(entries, name) is not None


@given(st.lists(NAMES), NAMES, NAMES)
def test_a_longer_list_never_drops_anybody(entries: list[str], name: str, new: str) -> None:
    if listed(entries, name, everyone=True) is not None:
        assert listed([*entries, new], name, everyone=True) is not None
