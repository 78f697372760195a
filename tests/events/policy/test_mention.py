import time
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from events.policy.mention import mentioned


@pytest.mark.parametrize(
    "text",
    [
        "@my-bot can you help me?",
        "Hey @my-bot what's up?",
        "@my-bot",
        "ask @my-bot",
        "@my-bot.",
        "@my-bot. Hi",
        "@my-bot.\n",
        "@my-bot...",
        "@my-bot...so what",
        "@my-bot's",
        "@my-bot’s",
        "@my-bot,",
        "@my-bot!",
        "@my-bot?",
        "@my-bot:",
        "@my-bot/",
        "@my-bot…",
        "@my-bot-",
        "@my-bot- hi",
        "@my-bot--hi",
        "(@my-bot)",
        "（@my-bot）",
        "“@my-bot”",
        "*@my-bot*",
        "@my-bot你好",
        "@my-bot.你好",
        "你好@my-bot",
        "é@my-bot",
        "@my-botß",
        "@my-botİ",
        "@My-Bot",
        "@MY-BOT",
        "line\n@my-bot\nline",
        "thanks.@my-bot",
        "@@my-bot",
        "@my-bot@my-bot",
        "@my-bot2 and @my-bot",
        "x@my-bot, I mean @my-bot",
        "@my-bot\u200b",
        "@my-bot\u200bx",
        "\u2068@my-bot\u2069",
        "@my-bot👋",
        "＠my-bot",
        "_@my-bot_",
        "__@my-bot__!",
        "_@my-bot help_",
        "@\u2068my-bot\u2069",
        "@alice/@my-bot",
        "请看https://x.example，@my-bot",
        "see https://x.org/@you and @my-bot",
        pytest.param(f"@{'x' * 100}/@my-bot", id="a list of a long name"),
        "[a](https://x.org)@my-bot",
        "[file: a.pdf]\n@my-bot",
    ],
)
def test_a_message_that_mentions_the_bot(text: str) -> None:
    assert mentioned(text, "my-bot")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "hello everyone!",
        "good morning",
        "my-bot",
        "@ my-bot",
        "@my-bo",
        "@my",
        "@my-bot2",
        "@my-bots",
        "@my-bot-x",
        "@my-bot-2 ",
        "@my-bot.org",
        "@my-bot.2",
        "@my-bot_",
        "@my-bot_x",
        "@my_bot",
        "@my‑bot",
        "x@my-bot",
        "X9@my-bot",
        "x@my-bot.org",
        "@my-bot\u0301",
        "@\u200bmy-bot",
        "@my\u200b-bot",
        "@my-b\u200dot",
        "@mу-bot",
        "https://x.example/@my-bot",
        "see x.org/@my-bot/2",
        "https://x.org?to=@my-bot",
        pytest.param(f"https://x.org/{'x' * 100}?to=@my-bot", id="a long address"),
        pytest.param(f"https://x.org/{'@y' * 100}?to=@my-bot", id="a long address with signs"),
        pytest.param(f"see https://x.org/{'x' * 100}/@my-bot", id="a long path"),
        "x_@my-bot",
        "x_@my-bot_",
        "_@my-bot__",
        "[file: @my-bot, 3 kB]",
        "hi\n[file: ask @my-bot now.pdf, 12 kB]",
        "&#64;my-bot",
    ],
)
def test_a_message_that_does_not_mention_the_bot(text: str) -> None:
    assert not mentioned(text, "my-bot")


@pytest.mark.parametrize(
    ("username", "text", "expected"),
    [
        pytest.param("bot", "@botany", False, id="a word that begins so"),
        pytest.param("a.b", "@a.b hi", True, id="a dot in the name"),
        pytest.param("a.b", "@axb", False, id="a dot is only a dot"),
        pytest.param("a+(b", "@a+(b!", True, id="signs of regular expressions"),
        pytest.param("[a-z]*", "@q", False, id="no pattern"),
        pytest.param("My Bot", "hi @my bot.", True, id="a blank in the name"),
        pytest.param("My Bot", "hi @my  bot", False, id="two blanks are not one"),
        pytest.param("a@b", "ask @a@b", True, id="an at sign in the name"),
        pytest.param("bot.", "@bot. Hi", True, id="a dot at its end"),
        pytest.param("Straße", "@STRASSE!", False, id="sharp s"),
        pytest.param("strasse", "@straße", False, id="sharp s in the text"),
        pytest.param("bots", "@botß", False, id="half of a sharp s"),
        pytest.param("İpek", "@i̇pek", True, id="dotted capital I"),
        pytest.param("ipek", "@ıpek", False, id="dotless i is another letter"),
        pytest.param("josé", normalize("NFD", "@José!"), True, id="decomposed in the text"),
        pytest.param(normalize("NFD", "josé"), "@josé", True, id="decomposed in the name"),
        pytest.param("jose", normalize("NFD", "@josé"), False, id="an accent makes another name"),
        pytest.param("ấ" * 20, normalize("NFD", "@" + "ấ" * 20 + "!"), True, id="all decomposed"),
        pytest.param("ấ" * 20, normalize("NFD", "@" + "ấ" * 21), False, id="one letter more"),
        pytest.param("小助手", "@小助手 你好", True, id="not ASCII"),
        pytest.param("小助手", "@小助手，你好", True, id="not ASCII, full-width comma"),
        pytest.param("小助手", "@小助手你好", False, id="not ASCII, letters go on"),
        pytest.param("小助手", "你好@小助手", True, id="a script without blanks before"),
        pytest.param("小助手", "@小助手.com", False, id="not ASCII, a joiner and letters"),
        pytest.param("émile", "@émile2", False, id="not ASCII, a digit goes on"),
        pytest.param("émile", "≠@émile", True, id="not ASCII, a sign before"),
        pytest.param("σοφος", "@ΣΟΦΟΣ!", True, id="final sigma"),
        pytest.param("émile", "x@émile", False, id="not ASCII, an address"),
        pytest.param("🤖", "@🤖!", True, id="an emoji"),
        pytest.param("❤", "@❤\ufe0f hi", True, id="an emoji with its glyph chosen"),
        pytest.param(" my-bot ", "@my-bot", True, id="blanks around the name"),
        pytest.param("", "@ hello", False, id="no name"),
        pytest.param(" ", "@ hello", False, id="a blank name"),
    ],
)
def test_names_of_every_kind(username: str, text: str, *, expected: bool) -> None:
    assert mentioned(text, username) is expected


ALPHABET = "@my-bot.éß\u0301\u200b 你_2X"
NAMES = st.text(alphabet="mybot-.é你 2", min_size=1, max_size=8)


@given(st.text(alphabet=ALPHABET.replace("@", "")), NAMES)
def test_without_an_at_sign_nobody_is_mentioned(text: str, username: str) -> None:
    assert not mentioned(text, username)


@given(st.text(), st.text())
def test_any_text_and_name_get_an_answer(text: str, username: str) -> None:
    mentioned(text, username)


@given(st.text(alphabet=ALPHABET, max_size=8), st.text(alphabet=ALPHABET, max_size=8), NAMES)
@example(before="", after="", username="a.")
def test_a_name_set_off_by_blanks_is_a_mention(before: str, after: str, username: str) -> None:
    if username.strip():
        assert mentioned(f"{before} @{username.strip()} {after}", username)


@given(st.text(alphabet=ALPHABET, max_size=30), NAMES)
def test_composition_does_not_matter(text: str, username: str) -> None:
    decomposed = mentioned(normalize("NFD", text), username)
    assert mentioned(normalize("NFC", text), username) is decomposed


@given(st.text(alphabet=ALPHABET, max_size=30), st.text(alphabet=ALPHABET, max_size=30))
def test_more_text_after_a_blank_never_takes_a_mention_away(text: str, more: str) -> None:
    if mentioned(text, "my-bot"):
        assert mentioned(f"{text} {more}", "my-bot")


@pytest.mark.parametrize(
    ("text", "username"),
    [
        pytest.param("@" * 1_000_000, "my-bot", id="at signs"),
        pytest.param("@my-bo" * 200_000, "my-bot", id="nearly the name"),
        pytest.param("@my-bot." + "my-bot." * 100_000, "my-bot", id="a joined name"),
        pytest.param("@a" + "\u0301\u0316" * 500_000, "my-bot", id="a mountain of marks"),
        pytest.param("@" + "a" * 1_000_000, "a" * 255, id="a long name"),
    ],
)
def test_a_hostile_text_takes_no_longer_than_its_length(text: str, username: str) -> None:
    """A million characters in well under the half minute that a quadratic search would take."""
    began = time.process_time()
    assert not mentioned(text, username)
    assert time.process_time() - began < 5
