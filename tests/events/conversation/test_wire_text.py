import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.conversation.wire_text import MIN_LIMIT, chunks, safe_for_wire

DEADLY = [*range(8), 0x0B, *range(0x0E, 0x20)]
"""What ZTM can't carry, as measured on a real mesh."""

TEXTS = st.text(st.characters(codec=None))


def is_safe(text: str) -> bool:
    return not any(ord(char) in DEADLY or "\ud800" <= char <= "\udfff" for char in text)


# --- safe for the wire -------------------------------------------------------------------------


def test_there_are_27_deadly_characters() -> None:
    assert len(DEADLY) == 27


@pytest.mark.parametrize("code", DEADLY, ids=lambda code: f"U+{code:04X}")
def test_a_deadly_character_does_not_reach_the_wire(code: int) -> None:
    text, changed = safe_for_wire(f"a{chr(code)}b")
    assert is_safe(text)
    assert text.replace(" ", "").replace("\n", "") == "ab"
    assert changed == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello!",
        "a\tb\nc\r\nd\x0c\x08",
        "\x7f\x80\x9b\u2028",
        "你好 👋🏽 é",
        "[1m not an escape",
    ],
)
def test_what_survives_the_wire_is_left_alone(text: str) -> None:
    assert safe_for_wire(text) == (text, 0)


@pytest.mark.parametrize(
    ("text", "expected", "changed"),
    [
        pytest.param("\x1b[1;31mred\x1b[0m!", "red!", 11, id="colours"),
        pytest.param("\x1b[2K\x1b[1Gdone", "done", 8, id="cursor"),
        pytest.param("\x1b[38;5;1", "[38;5;1", 1, id="a sequence without an end"),
        pytest.param("\x1b]0;title\x07text", "text", 10, id="a title"),
        pytest.param("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", 22, id="a hyperlink"),
        pytest.param("\x1b]0;no end", "]0;no end", 1, id="a title without an end"),
        pytest.param("bold\x1b(B\x1b[m", "bold", 6, id="tput sgr0"),
        pytest.param("\x1bHello", "Hello", 1, id="a stray escape takes no letter with it"),
        pytest.param("\x1b\x1b[m[m", "[m", 4, id="one inside another"),
        pytest.param("a\x0bb", "a\nb", 1, id="a vertical tab breaks the line"),
        pytest.param("a\x1fb", "a b", 1, id="a separator separates"),
        pytest.param("a\x00b\x07", "ab", 2, id="NUL and bell"),
        pytest.param("a\ud800b\udc00", "a\ufffdb\ufffd", 2, id="lone surrogates"),
        pytest.param("\ud83d\udc4b", "👋", 2, id="a pair of surrogates"),
        pytest.param("\ud83d\ud83d\udc4b", "\ufffd👋", 3, id="a lone one before a pair"),
    ],
)
def test_what_takes_the_place_of_what_dies(text: str, expected: str, changed: int) -> None:
    assert safe_for_wire(text) == (expected, changed)


@given(TEXTS)
def test_a_safe_text_can_be_sent_and_stays_as_it_is(text: str) -> None:
    safe, changed = safe_for_wire(text)
    assert is_safe(safe)
    safe.encode()
    assert safe_for_wire(safe) == (safe, 0)
    assert (changed == 0) == (safe == text)


@given(st.text(alphabet="\x1b[]m;1\x07\\(B a", max_size=40))
def test_no_play_with_escapes_leaves_one(text: str) -> None:
    safe, _ = safe_for_wire(text)
    assert is_safe(safe)


# --- parts -------------------------------------------------------------------------------------

LIMIT = 200


def words_of(count: int) -> str:
    return " ".join(f"word{number}" for number in range(count))


def test_a_short_text_is_one_part() -> None:
    assert chunks("Hello!\n\n  - there") == ["Hello!\n\n  - there"]


@pytest.mark.parametrize("text", ["", "  ", "\n\n", " " * 50_000])
def test_a_blank_text_has_no_parts(text: str) -> None:
    assert chunks(text) == []


def test_a_text_of_just_the_limit_is_one_part() -> None:
    assert chunks("x" * 4000) == ["x" * 4000]
    assert len(chunks("x" * 4001)) == 2


@pytest.mark.parametrize(
    ("before", "separator"),
    [
        pytest.param("one\ntwo. three four", "\n\n", id="between paragraphs first"),
        pytest.param("one. two three", "\n", id="then between lines"),
        pytest.param("one two three.", " ", id="then between sentences"),
        pytest.param("一二三。", "", id="also of Chinese"),
        pytest.param('he said "no."', " ", id="after the closing quote"),
    ],
)
def test_where_a_text_is_cut(before: str, separator: str) -> None:
    first = "x " * 55 + before
    assert chunks(f"{first}{separator}more" + " x" * 60, LIMIT) == [first, "more" + " x" * 60]


def test_a_sentence_is_cut_between_words() -> None:
    parts = chunks(words_of(100), LIMIT)
    assert " ".join(parts) == words_of(100)


def test_a_word_too_long_is_cut_anywhere() -> None:
    parts = chunks("x" * 500, LIMIT)
    assert "".join(parts) == "x" * 500


def test_the_indentation_of_the_next_line_is_kept() -> None:
    first = "- item " * 20
    assert chunks(f"{first}\n    - inner" + " x" * 50, LIMIT)[1].startswith("    - inner")


@pytest.mark.parametrize(
    "letter",
    [
        pytest.param("e\u0301\u0316", id="a letter with marks"),
        pytest.param("👩🏽\u200d🚀", id="an emoji of several parts"),
        pytest.param("❤\ufe0f", id="an emoji with its glyph chosen"),
        pytest.param("\ud83d\udc4b", id="a pair of surrogates"),
        pytest.param("🇩🇪", id="a flag"),
        pytest.param(
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", id="Scotland"
        ),
        pytest.param("👨\u200d👩\u200d👧\u200d👦", id="a family"),
        pytest.param("1\ufe0f\u20e3", id="a keycap"),
        pytest.param("\u0915\u094d\u0937\u093f", id="an Indic conjunct"),
        pytest.param("\u1112\u1161\u11ab", id="Hangul in its parts"),
        pytest.param("！\ufe0f", id="the end of a sentence with its glyph chosen"),
        pytest.param("z" + "\u0335" * 90, id="a letter with very many marks"),
    ],
)
def test_no_cut_falls_into_a_letter(letter: str) -> None:
    for shift in range(len(letter)):
        parts = chunks("x" * shift + letter * 200, LIMIT, max_parts=1000)
        assert "".join(parts) == "x" * shift + letter * 200
        assert all(re.fullmatch(f"x*(?:{letter})+", part) for part in parts)


def test_no_cut_falls_between_a_blank_and_its_mark() -> None:
    for shift in range(20):
        text = "x" * (100 + shift) + " \u0301 y" * 40
        parts = chunks(text, LIMIT)
        assert not any(part.startswith("\u0301") for part in parts)
        assert "".join(parts).count(" \u0301") == 40


def test_no_cut_falls_after_a_sign_that_belongs_to_what_follows() -> None:
    assert not any(part.endswith("\u0600") for part in chunks("\u0600 1" * 200, LIMIT))


def test_a_mountain_of_marks_is_cut_all_the_same() -> None:
    assert "".join(chunks("a" + "\u0301" * 500, LIMIT)) == "a" + "\u0301" * 500


def test_a_code_block_is_closed_and_opened_again() -> None:
    code = "\n".join(f"line {number}" for number in range(60))
    parts = chunks(f"Look:\n```python\n{code}\n```\nDone.", LIMIT)
    assert parts[0].startswith("Look:\n```python\nline 0")
    assert all(part.startswith("```python\n") for part in parts[1:])
    assert all(part.endswith("\n```") for part in parts[:-1])
    assert parts[-1].endswith("\n```\nDone.")
    assert re.findall(r"line \d+", "\n".join(parts)) == code.split("\n")


def test_a_cut_just_before_the_end_of_a_code_block_opens_no_empty_one() -> None:
    code = "\n".join("code" for _ in range(30))
    for filling in range(40):
        text = f"{'x' * filling}\n```\n{code}\n```\n{'y ' * 80}"
        assert not any(re.search(r"```\n+```", part) for part in chunks(text, LIMIT))


def test_a_code_block_that_the_text_leaves_open_is_left_open() -> None:
    assert chunks("```\ncode") == ["```\ncode"]
    assert chunks("```\n" + "code\n" * 80, LIMIT)[-1].endswith("code")


@pytest.mark.parametrize(("info", "kept"), [("x" * 40, "x" * 40), ("x" * 41, "")])
def test_a_very_long_word_after_the_backticks_is_not_repeated(info: str, kept: str) -> None:
    second = chunks(f"```{info}\n" + "code\n" * 80, LIMIT)[1]
    assert second.startswith(f"```{kept}\ncode")


def test_an_early_break_does_not_make_a_tiny_part() -> None:
    parts = chunks(f"Yes.\n\nBut: {words_of(100)}", LIMIT)
    assert all(len(part) > LIMIT // 3 for part in parts[:-1])


def test_a_part_is_filled_as_far_as_the_end_of_a_code_block_allows() -> None:
    filled = LIMIT - len("\n") - 16
    assert chunks("x" * filled + " y" * 50, LIMIT)[0] == "x" * filled
    assert chunks("x" * filled + "\n" + "y " * 50, LIMIT)[0] == "x" * filled
    assert chunks("x" * (filled - 1) + ". " + "y " * 50, LIMIT)[0] == "x" * (filled - 1) + "."
    assert chunks("x" * 300, LIMIT)[0] == "x" * filled


def test_the_marks_of_a_code_block_count_towards_the_limit() -> None:
    fence = "`" * 16
    for length in range(LIMIT, 4 * LIMIT):
        parts = chunks(f"{fence}{'i' * 40}\n{'x' * length}\n{fence}", LIMIT)
        assert max(map(len, parts)) <= LIMIT
        assert sum(part.count("x") for part in parts) == length


def test_twenty_parts_are_enough_unless_asked() -> None:
    assert len(chunks("x" * 100_000)) == 20


def test_a_longer_fence_holds_a_shorter_one() -> None:
    code = "\n".join(["```", *("code" for _ in range(50))])
    parts = chunks(f"````md\n{code}\n````", LIMIT)
    assert all(part.startswith("````md\n") and part.endswith("\n````") for part in parts)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("some ``` inside", id="inside a line"),
        pytest.param("```code``` in a line", id="opened and closed in a line"),
        pytest.param("    ```", id="indented as code"),
        pytest.param("`" * 40, id="a rule of backticks"),
    ],
)
def test_what_only_looks_like_a_code_block_is_left_alone(line: str) -> None:
    parts = chunks(f"{line}\n{words_of(60)}", LIMIT)
    assert " ".join(parts).split() == f"{line}\n{words_of(60)}".split()


def test_no_more_than_so_many_parts_and_the_last_says_so() -> None:
    text = words_of(10_000)
    parts = chunks(text, 4000, max_parts=3)
    assert len(parts) == 3
    assert all(len(part) <= 4000 for part in parts)
    left = re.search(r"\n\n\[… (\d+) more characters were left out\]$", parts[-1])
    assert left
    shown = [*parts[:-1], parts[-1][: left.start()]]
    assert text.startswith(" ".join(shown))
    assert text[-int(left[1]) :].split() == text[len(" ".join(shown)) :].split()


def test_a_code_block_that_is_left_out_halfway_is_closed() -> None:
    parts = chunks("```\n" + "code\n" * 2000 + "```", LIMIT, max_parts=2)
    assert re.search(r"\n```\n\n\[… \d+ more characters were left out\]$", parts[-1])


def test_nothing_is_said_to_be_left_out_when_only_blanks_are() -> None:
    assert chunks(words_of(5) + "\n" * 1000, LIMIT, max_parts=1) == [words_of(5)]


@pytest.mark.parametrize(("limit", "max_parts"), [(MIN_LIMIT - 1, 20), (0, 20), (4000, 0)])
def test_limits_that_leave_no_room_are_refused(limit: int, max_parts: int) -> None:
    with pytest.raises(ValueError, match=f"need at least {MIN_LIMIT}"):
        chunks("text", limit, max_parts)


LIMITS = st.integers(MIN_LIMIT, 300)
PIECES = st.sampled_from(
    [
        "word ",
        "long" * 20,
        "End. ",
        "\n",
        "\n\n",
        "   ",
        "\n```py\n",
        "\n```\n",
        "\n````\n",
        "句。",
        "\t",
    ]
)
WRITINGS = st.lists(PIECES, max_size=120).map("".join)


@given(WRITINGS, LIMITS, st.integers(1, 5))
def test_parts_are_few_short_and_not_blank(text: str, limit: int, most: int) -> None:
    parts = chunks(text, limit, most)
    assert len(parts) <= most
    assert all(len(part) <= limit and part.strip() for part in parts)


@given(WRITINGS.map(lambda text: text.replace("`", "")), LIMITS)
def test_joining_the_parts_loses_no_visible_character(text: str, limit: int) -> None:
    joined = "".join(chunks(text, limit, max_parts=1000))
    assert "".join(joined.split()) == "".join(text.split())


@given(WRITINGS, LIMITS)
def test_code_blocks_cost_no_visible_character_either(text: str, limit: int) -> None:
    joined = "".join(chunks(text, limit, max_parts=1000))
    blank_or_fence = re.compile(r"[\s`py]")
    assert blank_or_fence.sub("", joined) == blank_or_fence.sub("", text)


@given(st.lists(st.sampled_from(["word", "other", "End."]), min_size=1, max_size=200), LIMITS)
def test_words_are_cut_only_between_them(words: list[str], limit: int) -> None:
    assert " ".join(chunks(" ".join(words), limit, max_parts=1000)).split() == words


@given(WRITINGS, LIMITS)
def test_a_part_followed_by_another_leaves_no_code_block_open(text: str, limit: int) -> None:
    for part in chunks(text, limit, max_parts=1000)[:-1]:
        fences = re.findall(r"^ {0,3}(`{3,16})([^`\n]*)$", part, re.MULTILINE)
        open_ticks = ""
        for ticks, info in fences:
            if not open_ticks:
                open_ticks = ticks
            elif not info.strip() and len(ticks) >= len(open_ticks):
                open_ticks = ""
        assert not open_ticks


@given(st.text(st.characters(codec=None), max_size=600))
def test_any_text_can_be_cut(text: str) -> None:
    chunks(text, MIN_LIMIT)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\x1b[" * 500_000, id="escapes"),
        pytest.param("\x1b[" + "0" * 1_000_000, id="one escape without end"),
        pytest.param("\x1b]" + "0" * 1_000_000, id="one title without end"),
        pytest.param(" " * 1_000_000 + "x", id="blanks"),
        pytest.param("\n" * 1_000_000 + "x", id="line feeds"),
        pytest.param(" \n" * 500_000 + "x", id="blank lines"),
        pytest.param("`" * 1_000_000, id="backticks"),
        pytest.param("```\n" * 250_000, id="code blocks"),
        pytest.param('."' * 500_000, id="quotes"),
        pytest.param("🇩" * 1_000_000, id="flags"),
        pytest.param("\u0915\u094d" * 500_000, id="one conjunct without end"),
        pytest.param("x " + "\u0301" * 1_000_000, id="marks"),
        pytest.param(" \u0301" * 500_000, id="blanks with marks"),
        pytest.param("👩\u200d" * 500_000, id="one emoji without end"),
    ],
)
def test_a_hostile_text_takes_no_longer_than_its_length(text: str) -> None:
    began = time.process_time()
    safe, _ = safe_for_wire(text)
    chunks(safe)
    chunks(text)
    assert time.process_time() - began < 5
