"""A real HTTP server on the loopback: it answers with whatever bytes a test wants, at any pace."""

import asyncio
import functools
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, ParamSpec

from msgspec import Struct

P = ParamSpec("P")

_GONE = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError)


class Received(Struct):
    """A request as it arrived: `target` is the raw, still encoded path with its query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


# Bytes: the whole answer; the connection stays open. Chunks: written one by one, then it closes.
Handler = Callable[[Received], bytes | AsyncIterator[bytes]]


class Loopback:
    """The running server. `received`: all requests; `connections`: how many were made."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.received: list[Received] = []
        self.connections = 0
        self.written = 0
        self.url = ""
        self._conversations: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        conversation = asyncio.create_task(self._converse(reader, writer))
        self._conversations.add(conversation)
        # A task of its own: a cancelled callback of asyncio's server would be reported as a fault.
        await asyncio.wait([conversation])

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(*_GONE):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()
            with suppress(*_GONE):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader)
        self.received.append(request)
        result = self.handler(request)
        if isinstance(result, bytes):
            writer.write(result)
            await writer.drain()
            return True
        async for chunk in result:
            self.written += len(chunk)
            writer.write(chunk)
            await writer.drain()
        return False

    async def hang_up(self) -> None:
        for conversation in self._conversations:
            conversation.cancel()
        if self._conversations:
            await asyncio.wait(self._conversations)


@asynccontextmanager
async def loopback(
    handler: Handler, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Loopback]:
    """A server on a free port of 127.0.0.1, gone when the block ends."""
    running = Loopback(handler)
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    running.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield running
    finally:
        server.close()
        await running.hang_up()
        await server.wait_closed()


def answer(
    status: int = 200, body: bytes | str = b"", headers: dict[str, str] | None = None
) -> bytes:
    """A whole HTTP answer."""
    data = body.encode() if isinstance(body, str) else body
    fields = {"content-length": str(len(data))} | (headers or {})
    return head(status, fields) + data


def json_answer(value: object, status: int = 200) -> bytes:
    """A whole HTTP answer with a JSON body."""
    return answer(status, json.dumps(value), {"content-type": "application/json"})


def head(status: int, fields: dict[str, str]) -> bytes:
    """The head of an HTTP answer; its body may follow at any pace."""
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an `async def` test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def never() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()


async def _read(reader: asyncio.StreamReader) -> Received:
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = start.split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    return Received(method, target, headers, await _body(reader, headers))


def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> Awaitable[bytes]:
    return reader.readexactly(int(headers.get("content-length", "0")))
