"""The text itself: what is no YAML, no UTF-8, too large, too deep, or a trap."""

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from actors.configuration import AccountConfig, ConfigurationInvalid, Problem, load

OURS = "channels:\n  ztm-chat:\n"


def refused_bytes(path: Path, content: bytes) -> Problem:
    path.write_bytes(content)
    with pytest.raises(ConfigurationInvalid) as caught:
        load(path, {"HOME": "/nowhere"})
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("content", "place", "found"),
    [
        (OURS + "\tusername: x\n", (3, 1), "a tab in the indentation"),
        (OURS + '    username: "x\n', (4, 1), "a mistake in the YAML"),
        (OURS + "    é: [\n", (4, 1), "a mistake in the YAML"),
        (OURS + "    a: b: c\n", (3, 9), "a mistake in the YAML"),
        ("a: 1\n---\nb: 2\n", (2, 1), "a second document"),
        ("a: \0\n", (1, 4), "the control character U+0000"),
        ("a: 1\nb: \x1b[0m\n", (2, 4), "the control character U+001B"),
        ("a: " + "[" * 70, (1, 68), "deeper nesting"),
        ("? " * 200, (1, 131), "deeper nesting"),
    ],
    ids=["tab", "quote", "bracket", "colons", "documents", "nul", "escape", "deep", "deep-keys"],
)
def test_what_yaml_cannot_read_is_an_error_with_its_place(
    tmp_path: Path, content: str, place: tuple[int, int], found: str
) -> None:
    problem = refused_bytes(tmp_path / "openclaw.yaml", content.encode())

    assert (problem.line, problem.column) == place
    assert problem.found.startswith(found)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a: 1\nb: é\n".encode("latin-1"), (2, 4)),
        ("a: 1\n".encode("utf-16"), (1, 1)),
        (b"a: 1\nxyz\xed\xa0\x80", (2, 4)),
    ],
    ids=["latin-1", "utf-16", "surrogate"],
)
def test_what_is_not_utf_8_is_an_error_with_its_place(
    tmp_path: Path, content: bytes, place: tuple[int, int]
) -> None:
    problem = refused_bytes(tmp_path / "openclaw.yaml", content)

    assert (problem.line, problem.column) == place
    assert "UTF-8" in problem.found


def test_a_byte_order_mark_is_allowed(tmp_path: Path, env: dict[str, str]) -> None:
    path = tmp_path / "openclaw.yaml"
    path.write_text(
        OURS + "    {agentUrl: http://x, permitSource: file, permitFilePath: p,"
        " meshName: m, username: u}\n",
        encoding="utf-8-sig",
    )

    assert load(path, env).accounts[0].username == "u"


@pytest.mark.parametrize(
    "content",
    ["", "# nothing\n", "[1]", "text", "channels:", "channels: 3", "channels: {irc: {}}",
     OURS, OURS + "    - 1\n", "channels: {ztm-chat: true}"],
)  # fmt: skip
def test_a_file_without_our_section_says_so(tmp_path: Path, content: str) -> None:
    problem = refused_bytes(tmp_path / "openclaw.yaml", content.encode())

    assert problem.option == "channels.ztm-chat"
    assert problem.line >= 1


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("channels:\nztm-chat:\n  heal: true\n", "line 2 has it at the top level"),
        ("channels:\n  irc: {}\n  ztm_chat: {}\n", "did you mean ztm_chat in line 3?"),
        ("channels: {ztm: {}}", "did you mean ztm in line 1?"),
    ],
)
def test_a_section_in_the_wrong_place_or_spelling_is_found(
    tmp_path: Path, content: str, hint: str
) -> None:
    problem = refused_bytes(tmp_path / "openclaw.yaml", content.encode())

    assert hint in (problem.hint or "")


def test_our_section_twice_is_an_error(tmp_path: Path) -> None:
    problem = refused_bytes(tmp_path / "openclaw.yaml", b"channels: {ztm-chat: {}, ztm-chat: {}}")

    assert "twice" in problem.found


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("allowFrom: *names", "alias"),
        ("tls: *names", "alias"),
        ("username: !!python/name:os.system x", "value with a tag"),
        ("tls: !custom {caFile: /x}", "value with a tag"),
        ("username: 2026-11-24", "date"),
        ("apiTimeout: 1.5", "decimal number"),
        ("apiTimeout: 0x", "text"),
        ("apiTimeout: " + "9" * 100, "whole number that can't be read"),
        ("enabled: !!bool maybe", "boolean that can't be read"),
    ],
)
def test_what_no_option_takes_is_named(
    refused_account: Callable[[str], list[Problem]], option: str, kind: str
) -> None:
    (problem,) = refused_account(option)

    assert kind in problem.found


def test_a_key_that_is_no_word_is_an_error(
    refused_account: Callable[[str], list[Problem]],
) -> None:
    problems = refused_account("? [a]\n: 1\n? *x\n: 2\n? " + "k" * 600 + "\n: 3")

    assert [problem.found for problem in problems] == ["a key that is not a name"] * 3


@pytest.mark.parametrize("word", ["on", "123", "null", "1.5"])
def test_a_key_is_the_word_that_was_written(
    load_account: Callable[[str], AccountConfig], word: str
) -> None:
    (group,) = load_account(
        f"groupPermissions: {{a/b: {{toolsBySender: {{{word}: {{deny: [exec]}}}}}}}}"
    ).policy.group_permissions

    assert list(group.tools_by_sender) == [word]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(30)
)


@pytest.mark.parametrize(
    "content",
    [
        BOMB + OURS + "    allowFrom: *a30\n    accounts: *a30\n",
        "a: &a [*a, *a]\n" + OURS + "    allowFrom: *a\n",
        "[" * 1_000_000,
        "{" * 1_000_000,
        "- " * 500_000,
        OURS + "    apiTimeout: " + "1:" * 400_000 + "1\n",
        OURS + "    apiTimeout: 0x" + "f" * 900_000 + "\n",
        OURS + "    username: " + "a:@" * 300_000 + "\n",
        OURS + "    answerHorizon: " + "1d" * 400_000 + "\n",
        OURS + "    allowFrom: [" + "1," * 300_000 + "]\n",
        OURS + "    dmPolicy: " + "allow" * 200_000 + "\n",
    ],
    ids=["bomb", "loop", "brackets", "braces", "dashes", "sixties", "hex", "at", "days", "list",
         "word"],
)  # fmt: skip
def test_a_file_made_to_be_slow_is_refused_quickly(tmp_path: Path, content: str) -> None:
    path = tmp_path / "openclaw.yaml"
    path.write_text(content)
    start = monotonic()

    with pytest.raises(ConfigurationInvalid) as caught:
        load(path, {"HOME": "/nowhere"})

    assert monotonic() - start < 20
    assert len(str(caught.value)) < 50_000


def test_a_file_of_one_mebibyte_is_read_and_one_byte_more_is_not(
    tmp_path: Path, env: dict[str, str]
) -> None:
    path = tmp_path / "openclaw.yaml"
    text = OURS + "    {agentUrl: http://x, permitSource: file, permitFilePath: p,"
    text += " meshName: m, username: u}\n#"
    path.write_text(text + "x" * (1_048_576 - len(text)))
    assert load(path, env).accounts

    problem = refused_bytes(path, path.read_bytes() + b"x")
    assert "1,048,576 bytes" in problem.found
    assert problem.line == 0


def test_a_file_that_cannot_be_read_is_an_error_not_a_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for name in ("missing.yaml", "pipe", ".", "nul\0"):
        with pytest.raises(ConfigurationInvalid, match="readable YAML file"):
            load(tmp_path / name, {"HOME": "/nowhere"})
