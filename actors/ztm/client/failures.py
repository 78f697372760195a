"""From what a request met (an HTTP error, a status) to the ZtmError that says what to do."""

from actors.http.client import (
    BadAnswer,
    ConnectionLost,
    HttpError,
    Response,
    TimedOut,
    TlsFailed,
    TooLarge,
    UnsendableRequest,
)
from actors.ztm.client.lenient import parse_value
from actors.ztm.errors import (
    AgentDisconnected,
    AgentTimeout,
    AgentUnreachable,
    AnswerTooLarge,
    AnswerUnreadable,
    AppUnavailable,
    MeshUnknown,
    NotConnected,
    NotFound,
    Refused,
    UnexpectedStatus,
    Unsent,
    ZtmError,
    excerpt,
)

__all__ = ["of_http", "of_status"]


def of_http(error: HttpError, *, https: bool) -> ZtmError:
    """The agent did not answer, or not readably; the HTTP error says what was asked and why."""
    match error:
        case TlsFailed():
            return AgentUnreachable(f"{error}; check caFile, certFile and keyFile under tls")
        case ConnectionLost():
            # With TLS 1.3, a server may hang up on our certificate without our seeing its reason.
            proxy = ", or its proxy demands another client certificate (tls)" if https else ""
            return AgentDisconnected(
                f"{error}; see whether the ZTM Agent was stopped or crashed{proxy}"
            )
        case TimedOut():
            return AgentTimeout(f"{error}; see whether the ZTM Agent hangs, or raise apiTimeout")
        case TooLarge():
            return AnswerTooLarge(
                f"{error}; the ZTM Agent's data for this has grown beyond measure"
            )
        case BadAnswer():
            return AnswerUnreadable(f"{error}; see whether agentUrl leads to a ZTM Agent")
        case UnsendableRequest():
            return Unsent(str(error))
        case _:
            return AgentUnreachable(
                f"{error}; see whether the ZTM Agent runs (ztm start agent) and agentUrl is right"
            )


def of_status(answer: Response, what: str, *, quote: bool) -> ZtmError:
    """The agent answered `what` with a failure. `quote`: may its own words be shown?"""
    said = _said(answer.body) if quote else ""
    found = f"{what} was answered with status {answer.status}" + (f" ({said})" if said else "")
    match answer.status:
        case 401 | 403:
            return Refused(f"{found}: not allowed; see who may do this, and what a proxy demands")
        case 404:
            return NotFound(f"{found}: there is no such thing, or not for this user")
        case 500 if b"Not connected to mesh" in answer.body:
            return NotConnected(f"{found}: the agent has no connection to the mesh's hub now")
        case 502:
            return MeshUnknown(f"{found}: the agent has not joined this mesh; see meshName")
        case 503:
            return AppUnavailable(f"{found}: the agent cannot start the Chat app; see its log")
        case _:
            return UnexpectedStatus(
                f"{found}; see the agent's log, and whether agentUrl leads to a ZTM Agent",
                answer.status,
            )


def _said(body: bytes) -> str:
    """The agent's words: the message of its JSON errors (their stack helps nobody), or all."""
    try:
        error = parse_value(body)
    except AnswerUnreadable:
        return excerpt(body)
    message = error.get("message") if isinstance(error, dict) else None
    return excerpt(message if isinstance(message, str) else body)
