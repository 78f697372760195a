"""An agent's HTTP server on loopback: uvicorn, which can be killed and restarted on its port."""

import asyncio
import socket
import sys
from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ztm_chat.mesh.agent.agent import Agent
from ztm_chat.mesh.http.exchange import ApiRequest, ApiResponse
from ztm_chat.mesh.http.http_api import HttpApi
from ztm_chat.mesh.http.http_faults import HttpFaults
from ztm_chat.mesh.model import wire

MAX_BODY_BYTES = 32 * 2**20
HOST = "127.0.0.1"


class AgentServer:
    """Serves one agent. While it is stopped, connections are refused and the port is kept."""

    def __init__(self, agent: Agent, reserved: socket.socket) -> None:
        self.faults = HttpFaults()
        self._api = HttpApi(agent, self.faults)
        self._reserved = reserved
        self._requests: set[asyncio.Task[None]] = set()
        self._uvicorn: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def is_serving(self) -> bool:
        return self._uvicorn is not None

    async def start(self) -> None:
        """Listen; return when connections are accepted."""
        config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=300,
        )
        self._uvicorn = _Uvicorn(config)
        listening = _listener(self._reserved)
        self._serving = asyncio.create_task(self._uvicorn.serve(sockets=[listening]))
        await self._uvicorn.ready.wait()

    async def stop(self) -> None:
        """Stop as if killed: open connections are reset, new ones refused."""
        if self._uvicorn is None or self._serving is None:
            return
        server, self._uvicorn = self._uvicorn, None
        server.abort()
        self._serving.cancel()
        for request in self._requests:
            request.cancel()
        await asyncio.gather(self._serving, *self._requests, return_exceptions=True)

    def close(self) -> None:
        """Give the port back."""
        self._reserved.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.ensure_future(self._respond(scope, receive, send))
        self._requests.add(task)
        try:
            await task
        except (ClientDisconnect, asyncio.CancelledError):
            return  # the client left, or the agent died
        finally:
            self._requests.discard(task)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await _body(request)
        if body is None:
            await Response(status_code=413)(scope, receive, send)
            return
        answer = await _unless_gone(self._answer(request, body), receive)
        if answer:
            headers = {"content-type": answer.media_type} if answer.media_type else None
            await Response(answer.body, answer.status, headers)(scope, receive, send)

    async def _answer(self, request: Request, body: bytes) -> ApiResponse:
        """The API's answer, with the faults in force."""
        faults, path = self.faults, request.scope["raw_path"].decode("ascii", "replace")
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        parts = wire.path_parts(request.scope["raw_path"])
        instead, change = faults.take(path)
        await faults.delay(path)
        asked = ApiRequest(request.method, parts, query, body)
        return change(instead or await self._api.answer(asked))


class _Uvicorn(uvicorn.Server):
    """uvicorn that says when it listens, and that can be cut off."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def abort(self) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if transport := getattr(connection, "transport", None):
                transport.abort()


def reserve(port: int) -> socket.socket:
    """Bind a port (0: any free one) without listening, so that nobody else gets it."""
    # Named as TCP, else asyncio leaves Nagle's delay on: 40 ms an answer.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        raise
    return sock


def _listener(reserved: socket.socket) -> socket.socket:
    """A new socket on the reserved port. Except on Linux, the reserving one must go first."""
    address = reserved.getsockname()
    if sys.platform != "linux":
        reserved.close()
    return reserve(address[1])


async def _body(request: Request) -> bytes | None:
    """The request's body, None when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unless_gone(
    answering: Coroutine[Any, Any, ApiResponse], receive: Receive
) -> ApiResponse | None:
    """The answer, or None when the client leaves first: some answers never come."""
    answer, gone = asyncio.ensure_future(answering), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        answer.cancel()
        gone.cancel()
