"""The silence word, as models write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.agents.protocol import spoken
from actors.agents.silence import SILENT, without_silent_word


@pytest.mark.parametrize(
    "text",
    [
        "ZTM_SILENT",
        "ZTM_SILENT.",
        " ZTM_SILENT!\n",
        "**ZTM_SILENT**",
        "`ZTM_SILENT`",
        "```\nZTM_SILENT\n```",
        "_ZTM_SILENT_",
        "“ZTM_SILENT”",
        '"ZTM_SILENT".',
        "[ZTM_SILENT]",
        "ztm_silent",
        "ZTM\\_SILENT",
        "ZTM_SILENT\nZTM_SILENT",
    ],
)
def test_the_word_is_known_however_it_is_decorated(text: str) -> None:
    answer = spoken(text)
    assert answer.silent
    assert answer.text == ""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Hello. ZTM_SILENT", "Hello."),
        ("Hello.\n\nZTM_SILENT.", "Hello."),
        ("**ZTM_SILENT**\nHello.", "Hello."),
        ("Hello `ZTM_SILENT` world.", "Hello world."),
        ("Hello ZTM_SILENT.", "Hello."),
        ("ZTM_SILENT 5", "5"),
        ("ZTM_SILENT \N{THUMBS UP SIGN}", "\N{THUMBS UP SIGN}"),
    ],
)
def test_beside_text_the_word_is_taken_out(text: str, kept: str) -> None:
    answer = spoken(text)
    assert not answer.silent
    assert answer.text == kept


@pytest.mark.parametrize(
    "text", ["Hello.", "  indented", "XZTM_SILENT", "ZTM_SILENTLY", "ZTM SILENT"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert without_silent_word(text) == (text, False)


@given(st.text(), st.text())
def test_the_word_never_reaches_a_chat_between_blanks(before: str, after: str) -> None:
    kept, _ = without_silent_word(f"{before} {SILENT} {after}")
    assert f" {SILENT} " not in f" {kept} "
