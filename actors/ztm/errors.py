"""How a request to the ZTM Agent can fail: each message says what was asked, what came, what to do.

    ZtmError
    ├── AgentUnreachable       no connection to the agent; nothing was carried out
    ├── AgentDisconnected      the connection broke; it may have been carried out
    ├── AgentTimeout           no complete answer within apiTimeout; it may have been carried out
    ├── NotConnected           the agent has no connection to the mesh (500); try again when it has
    ├── MeshUnknown            the agent has not joined the mesh (502)
    ├── AppUnavailable         the Chat app cannot be started (503)
    ├── NotFound               the thing asked for is not there (404)
    ├── Refused                not allowed (401, 403)
    ├── AnswerTooLarge         the answer passed the size limit of its kind
    ├── AnswerUnreadable       the answer is not JSON, or not of the expected shape
    ├── UnexpectedStatus       any other status
    ├── DangerousName          a name that must not become part of a path; nothing was sent
    ├── UnusableUrl            agentUrl is not an http(s) address
    ├── Unsent                 the message cannot be written as JSON; nothing was sent
    ├── TlsFilesUnusable       caFile, certFile or keyFile cannot be used
    └── JoinFailed             the mesh did not come up in time after joining
        ├── WrongUser          the agent belongs to another user
        └── PermitUnusable     no permit from the file or the permit server

No message holds a query, user information of an address, a permit, a key, or anybody's message.
"""


class ZtmError(Exception):
    """Anything that went wrong between us and the ZTM Agent."""


class AgentUnreachable(ZtmError):
    """No connection to the agent (down, wrong address, TLS refused). Nothing was carried out."""


class AgentDisconnected(ZtmError):
    """The connection broke before the answer was complete. A POST may have been carried out."""


class AgentTimeout(ZtmError):
    """The answer was not complete within apiTimeout. A POST may have been carried out."""


class NotConnected(ZtmError):
    """The agent is not connected to the mesh now. A POST was refused, not queued."""


class MeshUnknown(ZtmError):
    """The agent has not joined this mesh."""


class AppUnavailable(ZtmError):
    """The agent could not start the Chat app."""


class NotFound(ZtmError):
    """What was asked for does not exist, or not for us: unknown group, not a member."""


class Refused(ZtmError):
    """The agent, or a proxy before it, does not allow this."""


class AnswerTooLarge(ZtmError):
    """The answer passed its size limit and was not read to its end."""


class AnswerUnreadable(ZtmError):
    """The answer is not what this request brings."""


class UnexpectedStatus(ZtmError):
    """An HTTP status without a meaning of its own here; `status` is its number."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class DangerousName(ZtmError, ValueError):
    """A name that would lead outside its folder, or cannot be written safely."""


class UnusableUrl(ZtmError, ValueError):
    """The configured address cannot be asked."""


class Unsent(ZtmError):
    """What should be sent cannot be written as JSON in UTF-8. Nothing was sent."""


class TlsFilesUnusable(ZtmError):
    """One of caFile, certFile, keyFile is missing, unreadable, or does not fit the others."""


class JoinFailed(ZtmError):
    """The mesh was joined, but did not come up in time."""


class WrongUser(JoinFailed):
    """The agent is in the mesh as another user; acting under that name would be wrong."""


class PermitUnusable(JoinFailed):
    """The permit could not be read, fetched, or lacks what joining needs."""


def excerpt(text: bytes | str, limit: int = 200) -> str:
    """At most `limit` characters, safe to print: no controls, no marks that reorder text."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text[:limit]).strip()
