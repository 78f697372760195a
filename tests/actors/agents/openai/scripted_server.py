"""A real server on the loopback that says what a test wants said, and the agent that asks it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from msgspec import Struct

from actors.agents.openai.openai_agent import OpenAIAgent
from actors.agents.openai.secret import Secret
from actors.agents.protocol import Answer, Question
from actors.agents.settings import OpenAISettings
from actors.http.client import HttpClient

KEY = "sk-whisper-0123456789"


class Request(Struct):
    line: str
    headers: dict[str, str]
    body: dict[str, object]


Reply = Callable[[asyncio.StreamWriter], Coroutine[None, None, None]]


class Server:
    """A real server on the loopback that says, byte for byte, what a test wants said."""

    def __init__(self, reply: Reply) -> None:
        self.requests: list[Request] = []
        self.hung_up = asyncio.Event()
        self.base_url = ""
        self._reply = reply

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        headers = {k.lower(): v for k, v in (field.split(": ", 1) for field in rest)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.requests.append(Request(line, headers, body))
        replying = asyncio.create_task(self._reply(writer))
        leaving = asyncio.create_task(reader.read(1))
        await asyncio.wait({replying, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not replying.done() or replying.exception():
            self.hung_up.set()
        for task in (replying, leaving):
            task.cancel()
        await asyncio.gather(replying, leaving, return_exceptions=True)


@asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[Server]:
    server = Server(reply)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    server.base_url = f"http://127.0.0.1:{port}/v1"
    async with listening:
        yield server


@asynccontextmanager
async def asking(base_url: str, **options: object) -> AsyncIterator[OpenAIAgent]:
    known: dict[str, object] = {"base_url": base_url, "model": "asked", "timeout_ms": 10_000}
    settings = OpenAISettings(**(known | options))  # type: ignore[arg-type]
    agent = OpenAIAgent(settings, client=HttpClient(), key=lambda: Secret(KEY), now_s=lambda: 100)
    try:
        yield agent
    finally:
        await agent.aclose()


def ask(reply: Reply, question: Question, **options: object) -> tuple[Answer, Server]:
    async def conversation() -> tuple[Answer, Server]:
        async with (
            serving(reply) as server,
            asking(server.base_url, **options) as agent,
        ):
            return await agent.ask(question), server

    return asyncio.run(conversation())


def head(status: str = "200 OK", *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "connection: close", "", ""]).encode()


def says(body: bytes, *fields: str, status: str = "200 OK") -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(head(status, *fields) + body)
        await writer.drain()

    return reply


def drips(body: bytes, step: int, *fields: str) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(head("200 OK", *fields))
        for start in range(0, len(body), step):
            writer.write(body[start : start + step])
            await writer.drain()
            await asyncio.sleep(0)

    return reply


async def hangs(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


SSE = "content-type: text/event-stream"
JSON = "content-type: application/json"
