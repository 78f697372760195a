"""What an agent is asked and what it answers, apart from HTTP."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from ztm_chat.mesh import wire
from ztm_chat.mesh.wire import JSON


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request, its path in percent-decoded parts (below `/`)."""

    method: str
    parts: list[str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and a body of a media type; no body, no media type."""

    status: int
    body: bytes = b""
    media_type: str | None = None


Handler = Callable[[], Awaitable[Answer]]
Methods = Mapping[str, Handler]
"""What can be done at a path, by HTTP method; empty: there is no such path."""


def as_json(value: JSON, status: int = 200) -> Answer:
    """Answer with JSON as the agent writes it."""
    return Answer(status, wire.encode(value), "application/json")


def as_text(text: str, status: int = 200) -> Answer:
    """Answer with plain text."""
    return Answer(status, text.encode(), "text/plain")


def bytes_or_404(data: bytes | None) -> Answer:
    """Answer with a file's bytes, 404 for None."""
    if data is None:
        return NOT_FOUND
    return Answer(200, data, "application/octet-stream")


def json_or_404(value: JSON | None) -> Answer:
    """Answer with JSON, 404 for None."""
    return NOT_FOUND if value is None else as_json(value)


def failure(message: str, *, name: str | None = None) -> Answer:
    """The agent's own error: 500 with a JSON body."""
    cause: dict[str, JSON] = {"name": name} if name else {"status": 500}
    return as_json({**cause, "message": message}, 500)


NO_CONTENT_200 = Answer(200)
CREATED = Answer(201)
FORBIDDEN = Answer(403)
NOT_FOUND = Answer(404)
NOT_ALLOWED = Answer(405)
MESH_UNKNOWN = Answer(502)
APP_FAILED = as_text("Cannot start the app", 503)
NOT_CONNECTED = failure("Not connected to mesh")
