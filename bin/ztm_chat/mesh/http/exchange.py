"""What an agent is asked and what it answers, apart from HTTP."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from ztm_chat.mesh.model import wire
from ztm_chat.mesh.model.wire import JSON


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request, its path in percent-decoded parts (below `/`)."""

    method: str
    parts: list[str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A status, and a body of a media type; no body, no media type."""

    status: int
    body: bytes = b""
    media_type: str | None = None


Handler = Callable[[], Awaitable[ApiResponse]]
Methods = Mapping[str, Handler]
"""What can be done at a path, by HTTP method; empty: there is no such path."""


def as_json(value: JSON, status: int = 200) -> ApiResponse:
    """Answer with JSON as the agent writes it."""
    return ApiResponse(status, wire.encode(value), "application/json")


def as_text(text: str, status: int = 200) -> ApiResponse:
    """Answer with plain text."""
    return ApiResponse(status, text.encode(), "text/plain")


def bytes_or_404(data: bytes | None) -> ApiResponse:
    """Answer with a file's bytes, 404 for None."""
    if data is None:
        return NOT_FOUND
    return ApiResponse(200, data, "application/octet-stream")


def json_or_404(value: JSON | None) -> ApiResponse:
    """Answer with JSON, 404 for None."""
    return NOT_FOUND if value is None else as_json(value)


def failure(message: str, *, name: str | None = None) -> ApiResponse:
    """The agent's own error: 500 with a JSON body."""
    cause: dict[str, JSON] = {"name": name} if name else {"status": 500}
    return as_json({**cause, "message": message}, 500)


NO_CONTENT_200 = ApiResponse(200)
CREATED = ApiResponse(201)
FORBIDDEN = ApiResponse(403)
NOT_FOUND = ApiResponse(404)
NOT_ALLOWED = ApiResponse(405)
MESH_UNKNOWN = ApiResponse(502)
APP_FAILED = as_text("Cannot start the app", 503)
NOT_CONNECTED = failure("Not connected to mesh")
