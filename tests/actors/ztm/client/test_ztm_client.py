"""Every request of the client, and every way an agent can fail it, over real connections."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.http.client import HttpClient
from actors.ztm.client import answers
from actors.ztm.client.answers import FileInfo, GroupDetails, PeerChat
from actors.ztm.client.ztm_client import Limits, ZtmClient
from actors.ztm.errors import (
    AgentDisconnected,
    AgentTimeout,
    AgentUnreachable,
    AnswerTooLarge,
    AnswerUnreadable,
    AppUnavailable,
    DangerousName,
    MeshUnknown,
    NotConnected,
    NotFound,
    Refused,
    UnexpectedStatus,
    Unsent,
    UnusableUrl,
    ZtmError,
)
from tests.actors.loopback import (
    Handler,
    Loopback,
    answer,
    head,
    in_loop,
    json_answer,
    loopback,
    never,
)

PEM = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"
CHAT = "/api/meshes/my%20mesh/apps/ztm/chat/api"


@asynccontextmanager
async def agent(
    handler: Handler, *, timeout_s: float = 10, limits: Limits | None = None, suffix: str = ""
) -> AsyncIterator[tuple[ZtmClient, Loopback]]:
    async with loopback(handler) as server:
        http = HttpClient()
        url = server.url + suffix
        client = ZtmClient(http, agent_url=url, mesh="my mesh", timeout_s=timeout_s, limits=limits)
        try:
            yield client, server
        finally:
            await http.aclose()


Call = Callable[[ZtmClient], Awaitable[Any]]

REQUESTS: list[tuple[str, Call, object, str]] = [
    ("mesh", lambda c: c.mesh(), {"name": "m"}, "GET /api/meshes/my%20mesh"),
    ("join", lambda c: c.join({"ca": "x"}), {}, "POST /api/meshes/my%20mesh"),
    ("files", lambda c: c.files(), {}, "GET /api/meshes/my%20mesh/files"),
    ("files since", lambda c: c.files(since=0), {}, "GET /api/meshes/my%20mesh/files?since=0"),
    ("file data", lambda c: c.file_data("/é"), [], "GET /api/meshes/my%20mesh/file-data/%C3%A9"),
    (
        "app state",
        lambda c: c.chat_app_state("e:p"),
        {"isRunning": True},
        "GET /api/meshes/my%20mesh/endpoints/e%3Ap/apps/ztm/chat",
    ),
    (
        "stop app",
        lambda c: c.stop_chat_app("ep"),
        {},
        "POST /api/meshes/my%20mesh/endpoints/ep/apps/ztm/chat",
    ),
    ("appinfo", lambda c: c.appinfo(), {"username": "bot"}, f"GET {CHAT}/appinfo"),
    ("users", lambda c: c.users(), [], f"GET {CHAT}/users"),
    ("chats", lambda c: c.chats(), [], f"GET {CHAT}/chats"),
    (
        "peer messages",
        lambda c: c.peer_messages("al ice", since=1),
        [],
        f"GET {CHAT}/peers/al%20ice/messages?since=1",
    ),
    ("send", lambda c: c.send_to_peer("a", {"text": "x"}), {}, f"POST {CHAT}/peers/a/messages"),
    ("group", lambda c: c.group("a", "b"), {"name": "B"}, f"GET {CHAT}/groups/a/b"),
    (
        "group messages",
        lambda c: c.group_messages("a", "Ops: EU"),
        [],
        f"GET {CHAT}/groups/a/Ops%3A%20EU/messages",
    ),
    (
        "send to group",
        lambda c: c.send_to_group("a", "b", {"text": "x"}),
        {},
        f"POST {CHAT}/groups/a/b/messages",
    ),
]


@pytest.mark.parametrize(
    ("call", "body", "expected"),
    [request[1:] for request in REQUESTS],
    ids=[r[0] for r in REQUESTS],
)
@in_loop
async def test_each_request_goes_to_its_place(call: Call, body: object, expected: str) -> None:
    async with agent(lambda _: json_answer(body)) as (client, server):
        await call(client)
    (request,) = server.received
    assert f"{request.method} {request.target}" == expected


@in_loop
async def test_what_is_sent_arrives_as_it_is() -> None:
    message = {"text": "é 😀 \u2028", "id": "1.0"}
    async with agent(lambda _: json_answer({}, 201)) as (client, server):
        await client.send_to_peer("alice", message)
        await client.stop_chat_app("ep")
    assert [json.loads(request.body) for request in server.received] == [
        message,
        {"isRunning": False},
    ]


@in_loop
async def test_answers_are_read_into_what_they_mean() -> None:
    bodies: dict[str, object] = {
        "/api/meshes/my%20mesh/files?since=5": {"/a": {"hash": "h", "size": 1, "since": 6}},
        f"{CHAT}/users": ["alice", 7],
        f"{CHAT}/chats": [{"peer": "alice", "time": 1, "updated": 0}],
        f"{CHAT}/groups/a/b": {"creator": "a", "group": "b", "name": "B", "members": ["a"]},
    }
    async with agent(lambda r: json_answer(bodies[r.target])) as (client, _):
        assert (await client.files(since=5)).files == {"/a": FileInfo("h", 1, 0, 6)}
        users = await client.users()
        assert users.items == ["alice"]
        assert len(users.flaws) == 1
        assert (await client.chats()).items == [PeerChat("alice", 1, 0, None)]
        assert await client.group("a", "b") == GroupDetails("a", "b", "B", ("a",))


@in_loop
async def test_the_identity_is_the_public_key() -> None:
    async with agent(lambda _: answer(200, PEM)) as (client, _):
        assert await client.identity() == PEM


@in_loop
async def test_messages_come_by_time() -> None:
    bodies = [{"time": t, "sender": "alice", "message": t} for t in (3, 1, 2)]
    async with agent(lambda _: json_answer(bodies)) as (client, _):
        times = [m.time for m in (await client.peer_messages("alice")).items]
        assert times == [1, 2, 3]


@in_loop
async def test_what_is_not_there_is_none_or_empty() -> None:
    async with agent(lambda _: answer(404)) as (client, _):
        assert await client.mesh() is None
        assert await client.file_data("/a") is None
        assert await client.group("a", "b") is None
        assert await client.chat_app_state("ep") is None
        assert (await client.peer_messages("alice")).items == []
        assert (await client.group_messages("a", "b")).items == []
        with pytest.raises(NotFound):
            await client.send_to_group("a", "b", {"text": "x"})
        with pytest.raises(NotFound):
            await client.users()


NOT_CONNECTED = json.dumps({"status": 500, "message": "Not connected to mesh", "stack": "at x"})


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (500, NOT_CONNECTED, NotConnected, "(Not connected to mesh)"),
        (500, '{"status": 500, "message": "oops", "stack": "at x"}', UnexpectedStatus, "(oops)"),
        (502, "", MeshUnknown, "has not joined this mesh"),
        (503, "Cannot start the app", AppUnavailable, "(Cannot start the app)"),
        (401, "", Refused, "not allowed"),
        (403, "", Refused, "not allowed"),
        (405, "", UnexpectedStatus, "status 405"),
        (302, "", UnexpectedStatus, "status 302"),
        (500, "\x1b[31m" + "x" * 1000, UnexpectedStatus, "[31m" + "x" * 190),
    ],
)
@in_loop
async def test_each_status_has_its_meaning(
    status: int, body: str, kind: type[ZtmError], says: str
) -> None:
    async with agent(lambda _: answer(status, body)) as (client, server):
        with pytest.raises(kind) as caught:
            await client.users()
    text = str(caught.value)
    assert text.startswith(f"GET {server.url}{CHAT}/users was answered with status {status}")
    assert says in text
    assert text.isprintable()
    assert len(text) < 500
    assert "at x" not in text


@in_loop
async def test_an_unexpected_status_can_be_asked_for() -> None:
    async with agent(lambda _: answer(429)) as (client, _):
        with pytest.raises(UnexpectedStatus) as caught:
            await client.users()
    assert caught.value.status == 429


@pytest.mark.parametrize("body", ["", "<html>", '{"a": 1}', "null", "7"])
@in_loop
async def test_an_answer_of_another_shape_is_unreadable_and_not_quoted(body: str) -> None:
    async with agent(lambda _: answer(200, body)) as (client, server):
        with pytest.raises(AnswerUnreadable) as caught:
            await client.users()
    assert f"{server.url}{CHAT}/users ({len(body)} bytes) is unreadable" in str(caught.value)
    assert "html" not in str(caught.value)


@in_loop
async def test_whatever_reading_an_answer_raises_is_an_error_of_the_agent_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(data: bytes) -> None:
        raise UnicodeEncodeError("utf-8", data.decode(), 0, 1, "hush")

    monkeypatch.setattr(answers, "users", fail)
    async with agent(lambda _: answer(200, "hush")) as (client, _):
        with pytest.raises(AnswerUnreadable, match="is unreadable: UnicodeEncodeError") as caught:
            await client.users()
    assert "hush" not in str(caught.value)


@in_loop
async def test_an_agent_that_is_down_is_unreachable_and_the_error_says_what_to_do() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    http = HttpClient()
    url = f"http://user:hush@127.0.0.1:{port}"
    client = ZtmClient(http, agent_url=url, mesh="m", timeout_s=5)
    with pytest.raises(AgentUnreachable, match=r"Connection refused.*ztm start agent") as caught:
        await client.peer_messages("alice", since=1)
    await http.aclose()
    assert f"http://127.0.0.1:{port}/api/meshes/m/apps" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "since" not in str(caught.value)


@in_loop
async def test_the_timeout_covers_a_body_that_drips() -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield head(200, {"content-length": "100000"})
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    async with agent(lambda _: drip(), timeout_s=0.15) as (client, _):
        with pytest.raises(AgentTimeout, match="raise apiTimeout"):
            await client.users()


@in_loop
async def test_an_agent_that_dies_while_answering_is_disconnected() -> None:
    async def half() -> AsyncIterator[bytes]:
        yield head(200, {"content-length": "100"}) + b"[1,"

    async with agent(lambda _: half()) as (client, _):
        with pytest.raises(AgentDisconnected):
            await client.users()


@in_loop
async def test_an_endless_answer_is_stopped_at_the_limit_of_its_kind() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield head(200, {"connection": "close"})
        while True:
            yield b"x" * 1000

    limits = Limits(files=5000, file_data=6000, messages=7000, other=8000)
    async with agent(lambda _: endless(), limits=limits) as (client, _):
        calls: list[tuple[Awaitable[Any], int]] = [
            (client.files(), 5000),
            (client.file_data("/a"), 6000),
            (client.peer_messages("alice"), 7000),
            (client.chats(), 7000),
            (client.users(), 8000),
            (client.send_to_peer("alice", {}), 8000),
        ]
        for call, limit in calls:
            with pytest.raises(AnswerTooLarge, match=f"the {limit} bytes allowed"):
                await call


@in_loop
async def test_a_dangerous_name_is_refused_before_any_request() -> None:
    async with agent(lambda _: json_answer([])) as (client, server):
        calls: list[Call] = [
            lambda c: c.send_to_peer("..", {"text": "x"}),
            lambda c: c.send_to_peer("a/../../b", {"text": "x"}),
            lambda c: c.peer_messages("a\nb"),
            lambda c: c.group("", "b"),
            lambda c: c.send_to_group("a", ".", {}),
            lambda c: c.file_data("/apps/../../etc/passwd"),
            lambda c: c.stop_chat_app("a/b"),
        ]
        for call in calls:
            with pytest.raises(DangerousName):
                await call(client)
        with pytest.raises(DangerousName):
            ZtmClient(HttpClient(), agent_url=server.url, mesh="..", timeout_s=1)
    assert server.received == []


def test_whatever_a_legal_name_holds_the_agent_reads_that_very_name() -> None:
    legal = st.text(min_size=1, max_size=40).filter(
        lambda name: (
            name not in {".", ".."}
            and "/" not in name
            and not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in name)
            and not set(name) & {"\u2028", "\u2029"}
        )
    )

    with asyncio.Runner() as runner:

        @settings(max_examples=150, deadline=None)
        @given(creator=legal, group=legal)
        def holds(creator: str, group: str) -> None:
            async def scenario() -> list[str]:
                async with agent(lambda _: json_answer([])) as (client, server):
                    await client.group_messages(creator, group)
                return server.received[0].target.removeprefix(f"{CHAT}/groups/").split("/")

            parts = runner.run(scenario())
            assert [unquote(part) for part in parts] == [creator, group, "messages"]

        holds()


@in_loop
async def test_what_cannot_be_json_is_not_sent() -> None:
    async with agent(lambda _: json_answer({}, 201)) as (client, server):
        with pytest.raises(Unsent):
            await client.send_to_peer("alice", {"text": "\ud800"})
    assert server.received == []


@in_loop
async def test_the_agent_may_live_under_a_path_of_a_proxy() -> None:
    async with agent(lambda _: json_answer([]), suffix="/ztm/one/") as (client, server):
        await client.users()
    assert server.received[0].target == f"/ztm/one{CHAT}/users"


@pytest.mark.parametrize(
    "url", ["", "localhost:7777", "ftp://h", "http://", "http://h:x", "http://h?a=b", "http://h#a"]
)
def test_an_unusable_agent_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(UnusableUrl, match="it must be like http://localhost:7777"):
        ZtmClient(HttpClient(), agent_url=url, mesh="m", timeout_s=1)


@in_loop
async def test_a_permit_is_never_part_of_an_error() -> None:
    async with agent(lambda r: answer(500, r.body)) as (client, _):
        with pytest.raises(UnexpectedStatus) as caught:
            await client.join({"ca": "hush", "agent": {"certificate": "hush"}})
    assert "hush" not in str(caught.value)


@in_loop
async def test_a_cancelled_call_leaves_the_client_usable() -> None:
    async def silence() -> AsyncIterator[bytes]:
        asked.set()
        await never()
        yield b""

    asked = asyncio.Event()
    async with agent(lambda _: silence() if not asked.is_set() else json_answer([])) as (client, _):
        hanging = asyncio.create_task(client.users())
        await asked.wait()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert (await client.users()).items == []
