"""The agent's HTTP API: which path means what, and its exact answers."""

from collections.abc import Mapping
from dataclasses import replace

from ztm_chat.mesh.agent.agent import Agent, JoinedMesh
from ztm_chat.mesh.agent.app_host import CannotStart
from ztm_chat.mesh.agent.connection import NotConnected
from ztm_chat.mesh.agent.membership import DownloadFailed, describe
from ztm_chat.mesh.http.chat_api import ChatApi
from ztm_chat.mesh.http.exchange import (
    APP_FAILED,
    CREATED,
    FORBIDDEN,
    MESH_UNKNOWN,
    NO_CONTENT_200,
    NOT_ALLOWED,
    NOT_CONNECTED,
    NOT_FOUND,
    ApiRequest,
    ApiResponse,
    Methods,
    as_json,
    as_text,
    bytes_or_404,
    failure,
    json_or_404,
)
from ztm_chat.mesh.http.http_faults import HttpFaults
from ztm_chat.mesh.model import wire

VERSION = {
    "ztm": {"tag": "v2.0.0", "commit": "embedded", "date": "2026-03-04T00:00:00Z"},
    "pipy": {"version": "2.0.0-alpha.4", "commit": "embedded", "date": "2026-03-04T00:00:00Z"},
}


class HttpApi:
    """Answers the requests to one agent."""

    def __init__(self, agent: Agent, faults: HttpFaults) -> None:
        self._agent = agent
        self._faults = faults

    async def answer(self, request: ApiRequest) -> ApiResponse:
        """The agent's answer to any request. `AgentServer` applies the faults."""
        match request.parts:
            case ["api", "meshes", mesh, "apps", provider, app, *rest]:
                return await self._app(mesh, f"{provider}/{app}", replace(request, parts=rest))
        methods = self._methods(request)
        if not methods:
            return NOT_FOUND
        if request.method not in methods:
            return NOT_ALLOWED
        try:
            return await methods[request.method]()
        except NotConnected:
            return NOT_CONNECTED
        except (ValueError, TypeError) as refused:
            return failure(str(refused), name=type(refused).__name__)

    async def _app(self, mesh: str, app: str, request: ApiRequest) -> ApiResponse:
        joined = self._agent.joined.get(mesh)
        if joined is None:
            return MESH_UNKNOWN
        if app != "ztm/chat":
            return APP_FAILED
        chat = ChatApi(joined)
        methods = chat.methods(request)
        if methods and request.method not in methods:
            return NOT_ALLOWED
        return await chat.answer(methods[request.method]) if methods else NOT_FOUND

    def _methods(self, request: ApiRequest) -> Methods:
        query, body = request.query, request.body
        match request.parts:
            case ["api", "version"]:
                return {"GET": self._version}
            case ["api", "identity"]:
                return {"GET": self._identity}
            case ["api", "meshes"]:
                return {"GET": self._meshes}
            case ["api", "meshes", mesh]:
                return {"GET": lambda: self._mesh(mesh), "POST": lambda: self._join(mesh, body)}
            case ["api", "meshes", mesh, "permits", user]:
                return {"POST": lambda: self._permit(mesh, user, body)}
            case ["api", "meshes", _, "files" | "file-data", *_] if self._faults.refuses_files:
                return {}
            case ["api", "meshes", mesh, "files"]:
                return {"GET": lambda: self._files(mesh, query)}
            case ["api", "meshes", mesh, "files", *path]:
                return {"GET": lambda: self._file(mesh, "/" + "/".join(path))}
            case ["api", "meshes", mesh, "file-data", *path] if path:
                return {"GET": lambda: self._file_data(mesh, "/" + "/".join(path))}
            case ["api", "meshes", mesh, "endpoints", endpoint, "apps", provider, app]:
                where = (mesh, endpoint, f"{provider}/{app}")
                return {
                    "GET": lambda: self._app_state(*where),
                    "POST": lambda: self._change_app(*where, body),
                }
        return {}

    async def _version(self) -> ApiResponse:
        return as_json(VERSION)

    async def _identity(self) -> ApiResponse:
        return as_text(self._agent.public_key)

    async def _meshes(self) -> ApiResponse:
        return as_json([joined.member.status() for joined in self._agent.joined.values()])

    async def _mesh(self, mesh: str) -> ApiResponse:
        joined = self._agent.joined.get(mesh)
        return NOT_FOUND if joined is None else as_json(joined.member.status())

    async def _join(self, mesh: str, body: bytes) -> ApiResponse:
        return as_json(self._agent.join(mesh, wire.decode(body)).status(), 201)

    async def _permit(self, mesh: str, user: str, body: bytes) -> ApiResponse:
        joined = self._agent.joined.get(mesh)
        if joined is None:
            return FORBIDDEN
        await joined.member.connection.ready()
        if joined.member.username != "root":
            return FORBIDDEN
        return as_json(self._agent.world.authority.permit(user, body.decode()))

    async def _files(self, mesh: str, query: Mapping[str, str]) -> ApiResponse:
        joined = self._agent.joined.get(mesh)
        if joined is None:
            return NO_CONTENT_200
        if not query.get("since"):
            files = await joined.member.files()
            return as_json({path: describe(file) for path, file in files.items()})
        wait = "wait" in query and not self._faults.ignores_wait
        changed = await joined.member.changes(wire.parse_float(query["since"]), wait=wait)
        return as_json({p: describe(f) | {"since": f.since} for p, f in changed.items()})

    async def _file(self, mesh: str, path: str) -> ApiResponse:
        joined = self._agent.joined.get(mesh)
        return NOT_FOUND if joined is None else json_or_404(await joined.member.file_info(path))

    async def _file_data(self, mesh: str, path: str) -> ApiResponse:
        joined = self._agent.joined.get(mesh)
        if joined is None:
            return NOT_FOUND
        try:
            await joined.member.connection.ready()
            data = joined.member.sync(path)
        except (NotConnected, DownloadFailed):
            return NOT_FOUND
        return bytes_or_404(data)

    def _own_app(self, mesh: str, endpoint: str, app: str) -> JoinedMesh | None:
        """The mesh whose Chat app is meant; None for another app, or another agent's endpoint."""
        joined = self._agent.joined.get(mesh)
        if joined is None:
            raise ValueError(f"Mesh not found: {mesh}")
        return joined if (endpoint, app) == (joined.member.id, "ztm/chat") else None

    async def _app_state(self, mesh: str, endpoint: str, app: str) -> ApiResponse:
        joined = self._own_app(mesh, endpoint, app)
        return NOT_FOUND if joined is None else as_json(joined.host.state())

    async def _change_app(self, mesh: str, endpoint: str, app: str, body: bytes) -> ApiResponse:
        joined, state = self._own_app(mesh, endpoint, app), wire.decode(body)
        if not isinstance(state, dict):
            raise TypeError("the state of an app is an object")
        if joined is None:
            return CREATED
        try:
            joined.host.change(state)
        except CannotStart:
            return failure("Cannot start the app")
        return as_json(joined.host.state(), 201)
