"""The Chat app's HTTP API, below `/api/meshes/{mesh}/apps/ztm/chat/api/`."""

import hashlib
import math
from collections.abc import Mapping

from ztm_chat.mesh.agent.agent import JoinedMesh
from ztm_chat.mesh.agent.app_host import CannotStart
from ztm_chat.mesh.agent.connection import NotConnected
from ztm_chat.mesh.agent.membership import DownloadFailed
from ztm_chat.mesh.http.exchange import (
    APP_FAILED,
    CREATED,
    FORBIDDEN,
    NOT_CONNECTED,
    NOT_FOUND,
    ApiRequest,
    ApiResponse,
    Handler,
    Methods,
    as_json,
    as_text,
    bytes_or_404,
    failure,
    json_or_404,
)
from ztm_chat.mesh.model import wire
from ztm_chat.mesh.model.chat_app import ChatGroup, ChatPeer
from ztm_chat.mesh.model.hub import Endpoint
from ztm_chat.mesh.model.paths import attachment
from ztm_chat.mesh.model.timing import Timing
from ztm_chat.mesh.model.wire import JSON
from ztm_chat.mesh.model.world import HUB_ADDRESS


class ChatApi:
    """Answers requests to the Chat app of one joined mesh. It has no state of its own."""

    def __init__(self, joined: JoinedMesh) -> None:
        self._joined = joined
        self._member = joined.member

    def methods(self, request: ApiRequest) -> Methods:
        """What can be done at a path below the app's own.

        Handlers raise CannotStart, NotConnected, and ValueError for a body that is no JSON.
        """
        query, body = request.query, request.body
        match request.parts:
            case ["api", "appinfo"]:
                return {"GET": self._appinfo}
            case ["api", "users"]:
                return {"GET": self._users}
            case ["api", "endpoints"]:
                return {"GET": self._endpoints}
            case ["api", "chats"]:
                return {"GET": self._chats}
            case ["api", "peers", peer, "messages"]:
                return {
                    "GET": lambda: self._messages(ChatPeer(peer), query),
                    "POST": lambda: self._post(ChatPeer(peer), body),
                }
            case ["api", "groups", creator, group]:
                return {
                    "GET": lambda: self._group(ChatGroup(creator, group)),
                    "POST": lambda: self._set_group(ChatGroup(creator, group), body),
                }
            case ["api", "groups", creator, group, "messages"]:
                return {
                    "GET": lambda: self._messages(ChatGroup(creator, group), query),
                    "POST": lambda: self._post(ChatGroup(creator, group), body),
                }
            case ["api", "files"]:
                return {"POST": lambda: self._add_file(body)}
            case ["api", "files", owner, digest]:
                return {"GET": lambda: self._file(owner, digest)}
        return {}

    async def answer(self, handler: Handler) -> ApiResponse:
        """Run a handler with the app started; its errors become the agent's answers."""
        try:
            self._joined.host.running()
            return await handler()
        except CannotStart:
            return APP_FAILED
        except NotConnected:
            return NOT_CONNECTED
        except ValueError as refused:
            return failure(str(refused), name="SyntaxError")

    async def _appinfo(self) -> ApiResponse:
        endpoint = {"id": self._member.id, "name": self._member.permit["agent"].get("name")}
        return as_json(
            {
                "name": "chat",
                "provider": "ztm",
                "username": self._member.username,
                "endpoint": endpoint,
            }
        )

    async def _users(self) -> ApiResponse:
        await self._member.connection.ready()
        return as_json(self._member.world.hub.usernames())

    async def _endpoints(self) -> ApiResponse:
        await self._member.connection.ready()
        hub = self._member.world.hub
        timing = self._member.world.timing
        return as_json([_endpoint(e, hub.now_ms(), timing) for e in hub.endpoints.values()])

    async def _chats(self) -> ApiResponse:
        return as_json(self._joined.host.running().chats())

    async def _messages(self, chat: ChatPeer | ChatGroup, query: Mapping[str, str]) -> ApiResponse:
        since, before = _limit(query, "since", 0), _limit(query, "before", math.inf)
        return json_or_404(self._joined.host.running().messages(chat, since, before))

    async def _post(self, chat: ChatPeer | ChatGroup, body: bytes) -> ApiResponse:
        return CREATED if await self._joined.send(chat, body) else NOT_FOUND

    async def _group(self, group: ChatGroup) -> ApiResponse:
        return json_or_404(self._joined.host.running().group(group))

    async def _set_group(self, group: ChatGroup, body: bytes) -> ApiResponse:
        info = wire.decode(body)
        if info is None:
            return failure("cannot read property of null", name="TypeError")
        if group.creator != self._member.username:
            return FORBIDDEN
        await self._member.connection.ready()
        self._joined.set_group(group, info if isinstance(info, dict) else {})
        return CREATED

    async def _add_file(self, data: bytes) -> ApiResponse:
        await self._member.connection.ready()
        digest = hashlib.sha256(data + str(len(data)).encode()).hexdigest()
        self._member.write(attachment(self._member.username, digest), data)
        return as_text(digest)

    async def _file(self, owner: str, digest: str) -> ApiResponse:
        try:
            await self._member.connection.ready()
            data = self._member.sync(attachment(owner, digest))
        except (NotConnected, DownloadFailed):
            return NOT_FOUND
        return bytes_or_404(data)


def _limit(query: Mapping[str, str], name: str, default: float) -> float:
    """A limit in ms; missing, zero or not a number means no limit."""
    value = wire.parse_float(query.get(name, ""))
    return default if math.isnan(value) or value == 0 else value


def _endpoint(endpoint: Endpoint, now_ms: int, timing: Timing) -> dict[str, JSON]:
    """An agent as `endpoints` lists it; its last heartbeat tells whether it is there."""
    beat_ms = max(1, round(timing.heartbeat_s * 1000))
    age_ms = (now_ms - endpoint.connected_at) % beat_ms
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "username": endpoint.username,
        "ip": "127.0.0.1",
        "port": endpoint.port,
        "heartbeat": now_ms - age_ms if endpoint.online else endpoint.last_seen,
        "ping": 1 if endpoint.online else None,
        "hubs": [HUB_ADDRESS],
        "agent": {"version": {}, "labels": []},
    }
