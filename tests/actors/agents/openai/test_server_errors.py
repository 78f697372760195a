import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.agents.openai.server_errors import from_status, retry_after_s
from actors.agents.protocol import AgentRefused, AgentUnavailable

URL = "http://127.0.0.1:1/v1/chat/completions"


def error(status: int, body: bytes = b"", **headers: str) -> AgentRefused | AgentUnavailable:
    found = from_status(URL, status, headers, body, now_s=0)
    assert isinstance(found, AgentRefused | AgentUnavailable)
    return found


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_busy_or_failing_server_is_asked_again(status: int) -> None:
    assert error(status).transient


@pytest.mark.parametrize("status", [301, 307, 400, 401, 402, 403, 404, 405, 413, 418, 422, 451])
def test_a_refusal_is_for_good_and_names_an_option_to_check(status: int) -> None:
    found = error(status)
    assert not found.transient
    words = ("baseUrl", "model", "keyEnv", "historyLines", "account")
    assert any(word in str(found) for word in words)


def test_an_error_names_the_status_and_codes_that_are_known_and_quotes_nothing_else() -> None:
    body = {"message": "whisper sk-123", "type": "authentication_error", "code": "sk-123"}
    found = error(401, json.dumps({"error": body}).encode())
    assert str(found).startswith(f"{URL} answered 401 Unauthorized (authentication_error); check")
    assert "whisper" not in str(found)
    assert "sk-123" not in str(found)


@given(
    st.binary()
    | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_whatever_the_body_of_an_error_is_the_status_decides(body: bytes) -> None:
    assert error(500, body).transient
    assert str(error(404, body)) == str(error(404))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        ("0", 0),
        ("1.5", 1.5),
        ("999999999", 86_400),
        ("1e400", 86_400),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:02:00 -0000", 20),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("nan", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": value}, now_s=100) == seconds


@given(st.text())
def test_no_retry_after_is_too_odd(value: str) -> None:
    seconds = retry_after_s({"retry-after": value}, now_s=1.7e9)
    assert seconds is None or 0 <= seconds <= 86_400


def test_a_server_that_says_when_to_come_back_is_heard() -> None:
    found = from_status(URL, 429, {"retry-after": "7"}, b"", now_s=0)
    assert found.retry_after_s == 7
    assert from_status(URL, 503, {}, b"", now_s=0).retry_after_s is None
