"""What the daemon logs holds no secret, and can't play tricks on a terminal."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.process.logs import HIDDEN, clean, redact

ROOT = Path(__file__).resolve().parents[3]
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefgh12345678",
        "Bearer abcdef.ghijkl-mnop",
        "Basic dXNlcjpwYXNz",
        PEM,
        PEM[:40],
        "https://user:hunter2@host/path",
        "https://host/path?token=hunter2&x=1",
        "https://host/path?api_key=hunter2",
        "Authorization: Token hunter2x",
        '{"token": "hunter2x"}',
        "password=hunter2x",
    ],
)
def test_what_looks_like_a_secret_is_cut_out(secret: str) -> None:
    shown = clean(f"before {secret} after")
    assert HIDDEN in shown
    for part in ("hunter2", "MIIEvQ", "abcdef", "dXNlcjpwYXNz"):
        assert part not in shown


@given(
    st.sampled_from(["Bearer ", "token=", '"apiKey": "', "authorization: basic ", "password: "]),
    st.from_regex(r"[A-Za-z0-9_.-]{3,20}[0-9][A-Za-z0-9_.-]{3,20}", fullmatch=True),
)
def test_no_part_of_a_secret_is_left_over(before: str, secret: str) -> None:
    shown = clean(f"the server refused {before}{secret} and closed")
    assert secret not in shown
    assert shown.startswith("the server refused ")
    assert shown.endswith(" and closed")


def test_a_sentence_about_a_secret_stays_readable() -> None:
    told = "agent.apiKey: the variable FOO is not set"
    assert clean(told) == told


@pytest.mark.parametrize("name", ["api_key", "Authorization", "permit", "access_token", "password"])
def test_a_value_with_a_secrets_name_is_hidden_whatever_it_is(name: str) -> None:
    assert redact(None, "info", {"event": "x", name: object()})[name] == HIDDEN


def test_what_is_no_text_is_cleaned_as_text() -> None:
    line: dict[str, Any] = {"event": "x", "error": ValueError("\x1b[31m Bearer abc123def")}
    assert redact(None, "info", line)["error"] == f"\\x1b[31m {HIDDEN}"
    assert redact(None, "info", {"event": "x", "count": 3, "ok": None})["count"] == 3


@given(st.text())
@example("\x1b[2J\x07\r\n\u202e\u200b")
def test_no_value_can_move_the_cursor(text: str) -> None:
    shown = clean(text)
    assert not {category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(min_size=1))
def test_an_ordinary_line_stays_what_it_is_or_is_escaped(text: str) -> None:
    line: dict[str, Any] = {"event": text, "peer": text}
    redacted = redact(None, "info", line)
    assert redacted["event"] == redacted["peer"]


def test_a_long_value_is_cut() -> None:
    assert len(clean("x" * 100_000)) < 3_000


def run(code: str, level: str = "") -> list[dict[str, Any]]:
    """The lines that a process logs that isn't on a terminal."""
    done = subprocess.run(
        [sys.executable, "-c", f"from actors.process.logs import set_up_logs\n{code}"],
        cwd=ROOT,
        env={"ZTM_CHAT_LOG_LEVEL": level},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


SET_UP = "import logging, os\nset_up_logs(os.environ)\nlog = logging.getLogger('actors.x')\n"


def test_lines_are_json_where_nobody_watches() -> None:
    (line,) = run(SET_UP + "log.warning('%s is deaf', 'account/a')")
    assert (line["event"], line["level"], line["logger"]) == (
        "account/a is deaf",
        "warning",
        "actors.x",
    )


def test_a_trace_is_told_without_its_secrets() -> None:
    code = SET_UP + (
        "try:\n    raise RuntimeError('Bearer abcdefghijkl')\n"
        "except RuntimeError:\n    log.exception('failed')\n"
    )
    (line,) = run(code)
    assert "RuntimeError" in line["exception"]
    assert "abcdefghijkl" not in json.dumps(line)


@pytest.mark.parametrize(("level", "heard"), [("debug", 2), ("info", 1), ("error", 0)])
def test_the_level_comes_from_the_environment(level: str, heard: int) -> None:
    assert len(run(SET_UP + "log.debug('d')\nlog.info('i')", level)) == heard


def test_a_level_that_does_not_exist_is_said_once() -> None:
    lines = run(SET_UP + "log.info('i')", "loud")
    assert ["ZTM_CHAT_LOG_LEVEL" in line["event"] for line in lines] == [True, False]
