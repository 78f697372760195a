"""Every request that the daemon makes of a ZTM Agent, for one mesh.

A method asks once and does not retry: what is safe to repeat, and when, is the caller's to know.
Where a GET asks for one thing that is not there, the answer is None (for messages an empty list: no
chat yet); a POST to it raises NotFound. All methods raise ZtmError as `errors` draws it.

ZTM behaviour: whoever reaches the agent's address is the user; it knows no authentication. An https
address is that of somebody's proxy, and TLS, also mutual, is between it and us.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from actors.http.client import HttpClient, HttpError
from actors.http.urls import public_url
from actors.ztm.client import answers, failures
from actors.ztm.client.answers import (
    AppInfo,
    AppState,
    Chat,
    FileList,
    GroupDetails,
    Listing,
    Mesh,
)
from actors.ztm.client.entries import RawMessage, parse_messages
from actors.ztm.client.paths import quote_name, quote_path
from actors.ztm.errors import AnswerUnreadable, NotFound, UnusableUrl

__all__ = ["Limits", "ZtmClient"]

T = TypeVar("T")

_MIB = 2**20


class Limits(Struct, frozen=True):
    """How large an answer may be, in bytes. The list of files and the chats grow with history."""

    files: int = 64 * _MIB
    file_data: int = 16 * _MIB
    messages: int = 16 * _MIB
    other: int = 4 * _MIB


class ZtmClient:
    """One mesh of one agent. `timeout_s` (apiTimeout) bounds each request, its body included.

    The HttpClient belongs to the caller, who may share it and closes it. Raises UnusableUrl and
    DangerousName (the mesh's name).
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        agent_url: str,
        mesh: str,
        timeout_s: float,
        limits: Limits | None = None,
    ) -> None:
        self.mesh_name = mesh
        self.agent_url = public_url(agent_url)
        self._http = http
        self._base = _base(agent_url)
        self._mesh = f"/api/meshes/{quote_name(mesh)}"
        self._chat = f"{self._mesh}/apps/ztm/chat/api"
        self._timeout_s = timeout_s
        self._limits = limits or Limits()

    # The agent

    async def identity(self) -> str:
        """The agent's public key, PEM: what a permit is issued for."""
        return await self._get("/api/identity", answers.identity)

    # The mesh

    async def mesh(self) -> Mesh | None:
        """The mesh as the agent sees it; None when it has not joined it."""
        return await self._find(self._mesh, answers.mesh)

    async def join(self, permit: Mapping[str, object]) -> None:
        """Join with a permit that holds `agent.name`.

        ZTM behaviour: the 201 is given for garbage and unreachable hubs too. Believe only `mesh`.
        """
        await self._ask("POST", self._mesh, json=permit, quote=False)

    async def files(self, since: int | None = None) -> FileList:
        """All files of the mesh that this user may see, or those changed after `since`.

        `since` is in ms of the hub's clock; only with it do the files carry their own `since`. ZTM
        behaviour: a request with `since` always takes 0.5 s.
        """
        path = f"{self._mesh}/files{_since(since)}"
        return await self._get(path, answers.files, self._limits.files)

    async def file_data(self, path: str, *, max_bytes: int | None = None) -> bytes | None:
        """A file's bytes. None: nobody who has them can be reached now, or we are not connected.

        Of more than `max_bytes`, or what is allowed at all, nothing is read: AnswerTooLarge.
        """
        limit = min(max_bytes or self._limits.file_data, self._limits.file_data)
        return await self._find(f"{self._mesh}/file-data{quote_path(path)}", bytes, limit)

    async def chat_app_state(self, endpoint_id: str) -> AppState | None:
        """Whether the Chat app runs on that endpoint."""
        return await self._find(self._app(endpoint_id), lambda data: answers.answer(data, AppState))

    async def stop_chat_app(self, endpoint_id: str) -> None:
        """Stop the Chat app. ZTM behaviour: any request to it starts it afresh."""
        await self._ask("POST", self._app(endpoint_id), json={"isRunning": False})

    # The Chat app

    async def appinfo(self) -> AppInfo:
        """Who the Chat app says that we are."""
        return await self._get(f"{self._chat}/appinfo", lambda data: answers.answer(data, AppInfo))

    async def users(self) -> Listing[str]:
        """The names of all users, offline ones included."""
        return await self._get(f"{self._chat}/users", answers.users)

    async def chats(self) -> Listing[Chat]:
        """All chats, in no order."""
        return await self._get(f"{self._chat}/chats", answers.chats, self._limits.messages)

    async def peer_messages(self, peer: str, *, since: int | None = None) -> Listing[RawMessage]:
        """The messages of the chat with `peer`, by time; `since` (ms) is inclusive.

        ZTM behaviour: each call resets the unread counter that the person's own client shows.
        """
        return await self._messages(self._peer(peer), since)

    async def send_to_peer(self, peer: str, body: object) -> None:
        """Queue a message, as a rule `{"text": …}`.

        ZTM behaviour: accepted is not delivered, and the peer's existence is not checked.
        """
        await self._ask("POST", f"{self._peer(peer)}/messages", json=body)

    async def group(self, creator: str, group: str) -> GroupDetails | None:
        """A group's name and members."""
        return await self._find(self._group(creator, group), answers.group)

    async def group_messages(
        self, creator: str, group: str, *, since: int | None = None
    ) -> Listing[RawMessage]:
        """As `peer_messages`. ZTM behaviour: messages of non-members are among them."""
        return await self._messages(self._group(creator, group), since)

    async def send_to_group(self, creator: str, group: str, body: object) -> None:
        """As `send_to_peer`. Raises NotFound: no such group, or we are no member."""
        await self._ask("POST", f"{self._group(creator, group)}/messages", json=body)

    def _app(self, endpoint_id: str) -> str:
        return f"{self._mesh}/endpoints/{quote_name(endpoint_id)}/apps/ztm/chat"

    def _peer(self, peer: str) -> str:
        return f"{self._chat}/peers/{quote_name(peer)}"

    def _group(self, creator: str, group: str) -> str:
        return f"{self._chat}/groups/{quote_name(creator)}/{quote_name(group)}"

    async def _messages(self, chat: str, since: int | None) -> Listing[RawMessage]:
        path = f"{chat}/messages{_since(since)}"
        found = await self._find(path, parse_messages, self._limits.messages)
        messages, flaws = found or ([], [])
        messages.sort(key=lambda message: message.time)
        return Listing(messages, flaws)

    async def _get(self, path: str, read: Callable[[bytes], T], max_bytes: int | None = None) -> T:
        return self._read(read, await self._ask("GET", path, max_bytes=max_bytes), path)

    async def _find(
        self, path: str, read: Callable[[bytes], T], max_bytes: int | None = None
    ) -> T | None:
        try:
            return await self._get(path, read, max_bytes)
        except NotFound:
            return None

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        max_bytes: int | None = None,
        quote: bool = True,
    ) -> bytes:
        """The body of a successful answer."""
        try:
            answer = await self._http.request(
                method,
                self._base + path,
                json=json,
                max_bytes=max_bytes or self._limits.other,
                timeout_s=self._timeout_s,
            )
        except HttpError as error:
            raise failures.of_http(error, https=self._base.startswith("https:")) from error
        if not 200 <= answer.status < 300:
            raise failures.of_status(answer, f"{method} {self._public(path)}", quote=quote)
        return answer.body

    def _read(self, read: Callable[[bytes], T], data: bytes, path: str) -> T:
        try:
            return read(data)
        except AnswerUnreadable as error:
            why = str(error)
            cause: Exception = error
        except Exception as error:  # noqa: BLE001 - what we did not foresee in an answer is the
            # answer's trouble, to be waited out; its words may quote the data, its kind does not.
            why = type(error).__name__
            cause = error
        raise AnswerUnreadable(
            f"the answer to {self._public(path)} ({len(data)} bytes) is unreadable: {why};"
            " see whether agentUrl leads to a ZTM Agent of a known version"
        ) from cause

    def _public(self, path: str) -> str:
        return public_url(self._base + path)


def _base(agent_url: str) -> str:
    """The address without what follows its path: our own paths are appended to it."""
    try:
        parts = urlsplit(agent_url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise UnusableUrl(
            f"agentUrl {public_url(agent_url)} cannot be used; it must be like"
            " http://localhost:7777"
        )
    return agent_url.rstrip("/")


def _since(since: int | None) -> str:
    return "" if since is None else f"?since={since}"
