"""What a chat completion server's failures mean: is it worth asking again, and what is the cure?
Pure.

A server's own words are never passed on, because servers quote prompts and keys in them; only
error codes that are known by name are.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from actors.agents.protocol import AgentError, AgentRefused, AgentUnavailable

TRANSIENT_STATUSES = {408, 409, 425, 429}
MAX_RETRY_AFTER_S = 86_400.0

PERMANENT_CODES = {
    "authentication_error",
    "content_filter",
    "context_length_exceeded",
    "exceed_context_size_error",
    "insufficient_quota",
    "invalid_api_key",
    "invalid_request_error",
    "model_not_found",
    "not_found_error",
    "permission_error",
}
TRANSIENT_CODES = {
    "api_error",
    "gateway_unavailable",
    "overloaded_error",
    "rate_limit_error",
    "rate_limit_exceeded",
    "server_error",
    "timeout",
}

CONTEXT_STATUSES = {400, 413, 422, 500}
CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error"}
CONTEXT_WORDS = re.compile(
    r"context.?(length|size|window)|(prompt|input) is too long|too many (input )?tokens",
    re.IGNORECASE,
)
"""What servers without such a code write of a question that the model's context can't hold."""

CURES = {
    400: "check model; a strict server may need omit: [user, stream_options]",
    401: "check the key (keyEnv, keyFile)",
    402: "check the account that pays for this key",
    403: "check the key (keyEnv, keyFile) and what it may be used for",
    404: "check baseUrl, which often ends in /v1, and model",
    405: "check baseUrl, which often ends in /v1",
    422: "check model; a strict server may need omit: [user, stream_options]",
    429: "the server asks for fewer requests",
}


class ContextTooLong(AgentRefused):
    """The question is longer than the model's context: with less history it may fit."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"{said}: the question is longer than the model's context; lower historyLines"
        )


def from_status(
    url: str, status: int, headers: Mapping[str, str], body: bytes, *, now_s: float
) -> AgentError:
    """The error that an answer with this status is. `headers` by lower-case name."""
    error = _error_in(body)
    said = f"{url} answered {_named(status)}{_in_brackets(_codes(error))}"
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (
        status in CONTEXT_STATUSES and _is_context_too_long(error)
    ):
        return ContextTooLong(said)
    if 300 <= status < 400:
        return AgentRefused(f"{said}: a redirect; give the final address as baseUrl")
    cure = f"; {CURES[status]}" if status in CURES else ""
    if _is_transient(status):
        wait_s = retry_after_s(headers, now_s=now_s)
        return AgentUnavailable(said + cure, retry_after_s=wait_s)
    return AgentRefused(said + (cure or "; check baseUrl"))


def from_error(url: str, error: object) -> AgentError:
    """The error that an `error` object within an answer of status 200 is."""
    codes = _codes(error)
    said = f"{url} reported an error instead of an answer{_in_brackets(codes)}"
    if _is_context_too_long(error):
        return ContextTooLong(said)
    status = _status_in(error)
    if status is not None:
        permanent = not _is_transient(status)
        said += f": {_named(status)}"
    else:
        permanent = any(code in PERMANENT_CODES for code in codes)
    return AgentRefused(said) if permanent else AgentUnavailable(said)


def retry_after_s(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """Seconds that `Retry-After` asks to wait (a number or a date), at most a day; else None."""
    value = headers.get("retry-after", "").strip()
    try:
        wait_s = float(value) if value[:1].isdigit() else _date_s(value) - now_s
    except (ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S)


def _date_s(value: str) -> float:
    date = parsedate_to_datetime(value)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _is_transient(status: int) -> bool:
    return status in TRANSIENT_STATUSES or status >= 500


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _error_in(body: bytes) -> object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found.get("error", found) if isinstance(found, dict) else None


def _codes(error: object) -> list[str]:
    if not isinstance(error, dict):
        return []
    said = [error.get("code"), error.get("type")]
    return [c for c in said if isinstance(c, str) and c in PERMANENT_CODES | TRANSIENT_CODES]


def _is_context_too_long(error: object) -> bool:
    if CONTEXT_CODES.intersection(_codes(error)):
        return True
    words = error.get("message") if isinstance(error, dict) else error
    return isinstance(words, str) and CONTEXT_WORDS.search(words) is not None


def _in_brackets(codes: list[str]) -> str:
    return f" ({', '.join(codes)})" if codes else ""


def _status_in(error: object) -> int | None:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else None
