"""The Chat app's HTTP API, below `/api/meshes/{mesh}/apps/ztm/chat/api/`."""

import asyncio
import hashlib
import math
from collections.abc import Mapping

from ztm_chat.mesh import wire
from ztm_chat.mesh.app_host import AppHost, CannotStart
from ztm_chat.mesh.chat_app import ChatApp, Group, PeerId
from ztm_chat.mesh.connection import NotConnected
from ztm_chat.mesh.exchange import (
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
from ztm_chat.mesh.hub import Endpoint
from ztm_chat.mesh.membership import HUB_ADDRESS, DownloadFailed, Membership
from ztm_chat.mesh.outbox import Outbox
from ztm_chat.mesh.paths import attachment, group_folder, peer_folder
from ztm_chat.mesh.timing import Timing
from ztm_chat.mesh.wire import JSON


class ChatApi:
    """What the person's own client, and a bot, use of one membership's Chat app."""

    def __init__(self, member: Membership) -> None:
        self.member = member
        self.host = AppHost(member)
        self.outbox = Outbox(member)

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
                    "GET": lambda: self._messages(PeerId(peer), query),
                    "POST": lambda: self._post(PeerId(peer), body),
                }
            case ["api", "groups", creator, group]:
                return {
                    "GET": lambda: self._group(Group(creator, group)),
                    "POST": lambda: self._set_group(Group(creator, group), body),
                }
            case ["api", "groups", creator, group, "messages"]:
                return {
                    "GET": lambda: self._messages(Group(creator, group), query),
                    "POST": lambda: self._post(Group(creator, group), body),
                }
            case ["api", "files"]:
                return {"POST": lambda: self._add_file(body)}
            case ["api", "files", owner, digest]:
                return {"GET": lambda: self._file(owner, digest)}
        return {}

    async def answer(self, handler: Handler) -> ApiResponse:
        """Run a handler with the app started; its errors become the agent's answers."""
        try:
            self.host.running()
            return await handler()
        except CannotStart:
            return APP_FAILED
        except NotConnected:
            return NOT_CONNECTED
        except ValueError as refused:
            return failure(str(refused), name="SyntaxError")

    async def send(
        self, to: PeerId | Group, body: bytes
    ) -> "tuple[ApiResponse, asyncio.Task[int | None] | None]":
        """POST a message: the answer and, when it is 201, the task that writes it."""
        app, message = self.host.running(), wire.decode(body)
        await self.member.connection.ready()
        folder = self._open_folder(app, to)
        if folder is None:
            return NOT_FOUND, None
        return CREATED, self.outbox.send(folder, message)

    def _open_folder(self, app: ChatApp, to: PeerId | Group) -> str | None:
        """Where messages to this chat go, opened to its readers; None when we may not write."""
        me, access = self.member.username, self.member.access
        match to:
            case PeerId(""):
                return None
            case PeerId(name):
                folder = peer_folder(me, name)
                access[folder] = frozenset({name})
                return folder
            case Group(creator, group):
                members = app.members(to)
                if members is None or not (creator == me or me in members):
                    return None
                folder = group_folder(me, creator, group)
                access[folder] = members
                return f"{folder}/messages"

    async def _appinfo(self) -> ApiResponse:
        endpoint = {"id": self.member.id, "name": self.member.permit["agent"].get("name")}
        return as_json(
            {
                "name": "chat",
                "provider": "ztm",
                "username": self.member.username,
                "endpoint": endpoint,
            }
        )

    async def _users(self) -> ApiResponse:
        await self.member.connection.ready()
        return as_json(self.member.world.hub.usernames())

    async def _endpoints(self) -> ApiResponse:
        await self.member.connection.ready()
        hub = self.member.world.hub
        timing = self.member.world.timing
        return as_json([_endpoint(e, hub.now_ms(), timing) for e in hub.endpoints.values()])

    async def _chats(self) -> ApiResponse:
        return as_json(self.host.running().chats())

    async def _messages(self, chat: PeerId | Group, query: Mapping[str, str]) -> ApiResponse:
        since, before = _limit(query, "since", 0), _limit(query, "before", math.inf)
        return json_or_404(self.host.running().messages(chat, since, before))

    async def _post(self, chat: PeerId | Group, body: bytes) -> ApiResponse:
        answer, _ = await self.send(chat, body)
        return answer

    async def _group(self, group: Group) -> ApiResponse:
        return json_or_404(self.host.running().group(group))

    async def _set_group(self, group: Group, body: bytes) -> ApiResponse:
        info = wire.decode(body)
        if info is None:
            return failure("cannot read property of null", name="TypeError")
        if group.creator != self.member.username:
            return FORBIDDEN
        await self.member.connection.ready()
        app = self.host.running()
        whole = app.set_group(group, info if isinstance(info, dict) else {})
        folder = group_folder(self.member.username, group.creator, group.id)
        self.member.access[folder] = app.members(group) or frozenset()
        self.member.write(f"{folder}/info.json", wire.encode(whole))
        return CREATED

    async def _add_file(self, data: bytes) -> ApiResponse:
        await self.member.connection.ready()
        digest = hashlib.sha256(data + str(len(data)).encode()).hexdigest()
        self.member.write(attachment(self.member.username, digest), data)
        return as_text(digest)

    async def _file(self, owner: str, digest: str) -> ApiResponse:
        try:
            await self.member.connection.ready()
            data = self.member.sync(attachment(owner, digest))
        except (NotConnected, DownloadFailed):
            return NOT_FOUND
        return bytes_or_404(data)


def _limit(query: Mapping[str, str], name: str, default: float) -> float:
    """A limit in ms; what is missing, zero or no number is no limit."""
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
