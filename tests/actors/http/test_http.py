"""The only way to HTTP, against real servers that answer badly, slowly, endlessly, or never."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.http.client import (
    BadAnswer,
    ConnectionLost,
    HttpClient,
    HttpError,
    TimedOut,
    TooLarge,
    Unreachable,
    UnsendableRequest,
)
from tests.actors.loopback import Received, answer, head, in_loop, loopback, never

MIB = 2**20


async def ask(url: str, *, max_bytes: int = MIB, timeout_s: float = 10) -> bytes:
    client = HttpClient()
    try:
        got = await client.request("GET", url, max_bytes=max_bytes, timeout_s=timeout_s)
    finally:
        await client.aclose()
    return got.body


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@in_loop
async def test_an_answer_has_its_status_its_headers_in_lower_case_and_its_body() -> None:
    async with loopback(lambda _: answer(418, b"tea", {"X-Kind": "Green"})) as server:
        client = HttpClient()
        got = await client.request("GET", server.url, max_bytes=10, timeout_s=10)
        await client.aclose()
    assert (got.status, got.headers["x-kind"], got.body) == (418, "Green", b"tea")


@in_loop
async def test_a_json_body_is_sent_as_utf8_and_says_so() -> None:
    async with loopback(lambda _: answer(201)) as server:
        client = HttpClient()
        body = {"text": "é\u2028😀", "n": 1}
        await client.request("POST", server.url, json=body, max_bytes=10, timeout_s=10)
        await client.aclose()
    sent = server.received[0]
    assert json.loads(sent.body.decode()) == body
    assert sent.headers["content-type"] == "application/json"


@in_loop
async def test_the_deadline_covers_a_body_that_drips() -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield head(200, {"content-length": "1000000"})
        while True:
            yield b"."
            await asyncio.sleep(0.01)

    async with loopback(lambda _: drip()) as server:
        before = asyncio.get_running_loop().time()
        with pytest.raises(TimedOut, match=r"no complete answer within 0\.2 s"):
            await ask(server.url, timeout_s=0.2)
        assert asyncio.get_running_loop().time() - before < 2


@in_loop
async def test_the_deadline_covers_a_server_that_says_nothing() -> None:
    async def silence() -> AsyncIterator[bytes]:
        await never()
        yield b""

    async with loopback(lambda _: silence()) as server:
        with pytest.raises(TimedOut):
            await ask(server.url, timeout_s=0.1)


@in_loop
async def test_an_endless_body_is_stopped_at_its_limit() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield head(200, {"connection": "close"})
        while True:
            yield b"x" * 65536

    async with loopback(lambda _: endless()) as server:
        with pytest.raises(TooLarge, match="larger than the 1048576 bytes allowed"):
            await ask(server.url, max_bytes=MIB)
        # What the sockets buffer lies beyond our limit; a body read to its end would be endless.
        assert server.written < 40 * MIB


@in_loop
async def test_a_body_that_is_announced_too_large_is_not_read() -> None:
    async def announced() -> AsyncIterator[bytes]:
        yield head(200, {"content-length": str(10**15)})
        await never()

    async with loopback(lambda _: announced()) as server:
        with pytest.raises(TooLarge):
            await ask(server.url)


@in_loop
async def test_a_body_of_exactly_the_limit_is_read() -> None:
    async with loopback(lambda _: answer(200, b"12345")) as server:
        assert await ask(server.url, max_bytes=5) == b"12345"
        with pytest.raises(TooLarge):
            await ask(server.url, max_bytes=4)


@in_loop
async def test_a_compressed_answer_is_refused_because_it_could_inflate() -> None:
    packed = answer(200, b"\x1f\x8b", {"content-encoding": "gzip"})
    async with loopback(lambda _: packed) as server:
        with pytest.raises(BadAnswer, match="compressed"):
            await ask(server.url)
    assert server.received[0].headers["accept-encoding"] == "identity"


@in_loop
async def test_a_refused_connection_says_so() -> None:
    with pytest.raises(Unreachable, match="no connection: Connection refused"):
        await ask(f"http://127.0.0.1:{free_port()}/x")


@in_loop
async def test_an_unknown_host_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="no connection: "):
        await ask("http://no-such-host.invalid/x")


async def _cut(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param((), id="before the answer"),
        pytest.param((b"HTTP/1.1 200 OK\r\ncontent-le",), id="in the headers"),
        pytest.param((head(200, {"content-length": "100"}), b"half"), id="in the body"),
        pytest.param(
            (head(200, {"transfer-encoding": "chunked"}), b"4\r\nhalf\r\n"), id="in chunks"
        ),
    ],
)
@in_loop
async def test_a_connection_that_breaks_midway_is_told_apart(chunks: tuple[bytes, ...]) -> None:
    async with loopback(lambda _: _cut(*chunks)) as server:
        with pytest.raises(ConnectionLost, match="broke before the answer was complete"):
            await ask(server.url)


@in_loop
async def test_a_server_that_speaks_another_protocol_is_no_http() -> None:
    async with loopback(lambda _: _cut(b"SSH-2.0-OpenSSH_9\x1b[31m\r\n\r\n")) as server:
        with pytest.raises(BadAnswer, match="not HTTP") as caught:
            await ask(server.url)
    assert str(caught.value).isprintable()


@in_loop
async def test_a_redirect_is_handed_back_and_not_followed() -> None:
    async with loopback(lambda _: answer(302, b"moved", {"location": "/other"})) as server:
        assert await ask(server.url) == b"moved"
    assert len(server.received) == 1


@in_loop
async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    async with loopback(lambda _: answer(200, b"direct")) as server:
        assert await ask(server.url) == b"direct"


@in_loop
async def test_connections_are_kept_and_cookies_are_not() -> None:
    async with loopback(lambda _: answer(200, b"", {"set-cookie": "a=b; Path=/"})) as server:
        client = HttpClient()
        for _ in range(5):
            await client.request("GET", server.url, max_bytes=10, timeout_s=10)
        await client.aclose()
    assert server.connections == 1
    assert all("cookie" not in request.headers for request in server.received)


@in_loop
async def test_a_cancelled_request_gives_its_connection_back() -> None:
    async def silence() -> AsyncIterator[bytes]:
        asked.set()
        await never()
        yield b""

    asked = asyncio.Event()
    quick = answer(200, b"ok")
    async with loopback(lambda r: silence() if r.target == "/hang" else quick) as server:
        client = HttpClient(max_connections=1)
        for _ in range(3):
            asked.clear()
            hanging = asyncio.create_task(
                client.request("GET", f"{server.url}/hang", max_bytes=10, timeout_s=60)
            )
            await asked.wait()
            hanging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hanging
        got = await client.request("GET", server.url, max_bytes=10, timeout_s=5)
        assert got.body == b"ok"
        await client.aclose()


@in_loop
async def test_a_stream_that_is_left_early_gives_its_connection_back() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield head(200, {"connection": "close"})
        while True:
            yield b"data: x\n"
            await asyncio.sleep(0)

    async with loopback(lambda _: endless()) as server:
        client = HttpClient(max_connections=1)
        for _ in range(3):
            async with client.stream("GET", server.url, max_bytes=MIB, timeout_s=10) as stream:
                async for line in stream.lines():
                    assert line == "data: x"
                    break
        await client.aclose()


@in_loop
async def test_an_error_of_the_caller_passes_through_a_stream_unchanged() -> None:
    async with loopback(lambda _: answer(200, b"x")) as server:
        client = HttpClient()
        with pytest.raises(TimeoutError, match="mine"):
            async with client.stream("GET", server.url, max_bytes=10, timeout_s=10):
                raise TimeoutError("mine")
        await client.aclose()


@in_loop
async def test_a_stream_hands_over_the_status_before_the_body_and_the_body_whole() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield head(503, {"connection": "close"})
        await seen.wait()
        yield b"bu"
        yield b"sy"

    seen = asyncio.Event()
    async with loopback(lambda _: slow()) as server:
        client = HttpClient()
        async with client.stream("GET", server.url, max_bytes=10, timeout_s=10) as stream:
            assert stream.status == 503
            seen.set()
            assert await stream.read() == b"busy"
            assert await stream.read() == b""
        await client.aclose()


def test_lines_come_out_whole_however_the_body_was_cut() -> None:
    # What str.splitlines would split at (U+2028, U+0085, FF) may stand raw in a line of JSON.
    text = st.text(st.sampled_from("ab\u2028\u0085\f é😀"), max_size=8)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(text, st.sampled_from(["\n", "\r\n"])), max_size=6), st.data())
    def holds(lines: list[tuple[str, str]], data: st.DataObject) -> None:
        body = "".join(line + end for line, end in lines).encode()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
        parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]

        async def chunked() -> AsyncIterator[bytes]:
            yield head(200, {"transfer-encoding": "chunked", "connection": "close"})
            for part in filter(None, parts):
                yield f"{len(part):x}\r\n".encode() + part + b"\r\n"
            yield b"0\r\n\r\n"

        async def scenario() -> list[str]:
            async with loopback(lambda _: chunked()) as server:
                client = HttpClient()
                async with client.stream("GET", server.url, max_bytes=MIB, timeout_s=10) as stream:
                    got = [line async for line in stream.lines()]
                await client.aclose()
                return got

        assert asyncio.run(scenario()) == [line for line, _ in lines]

    holds()


@in_loop
async def test_a_last_line_without_an_end_and_bad_utf8_are_still_lines() -> None:
    async with loopback(lambda _: answer(200, b"one\n\xff")) as server:
        client = HttpClient()
        async with client.stream("GET", server.url, max_bytes=10, timeout_s=10) as stream:
            assert [line async for line in stream.lines()] == ["one", "�"]
        await client.aclose()


@pytest.mark.parametrize(
    ("url", "headers", "body"),
    [
        ("ftp://127.0.0.1/x", {}, None),
        ("no address", {}, None),
        ("http://[::1/x", {}, None),
        ("http://127.0.0.1:99999/", {}, None),
        ("", {"authorization": "Bearer hush\r\nx: y"}, None),
        ("", {"authorization": "Bearer hush€"}, None),
        ("", {}, {"text": "\ud800"}),
        ("", {}, {"n": float("nan")}),
        ("", {}, {"n": object()}),
    ],
)
@in_loop
async def test_what_cannot_be_sent_is_refused_before_anything_is_sent(
    url: str, headers: dict[str, str], body: object
) -> None:
    client = HttpClient()
    async with loopback(lambda _: answer()) as server:
        with pytest.raises(UnsendableRequest) as caught:
            await client.request(
                "POST", url or server.url, json=body, headers=headers, max_bytes=10, timeout_s=5
            )
        await client.aclose()
        assert server.received == []
    assert "hush" not in str(caught.value)


@in_loop
async def test_no_error_and_no_log_line_shows_what_an_address_hides(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    for url in (
        f"http://user:hush@127.0.0.1:{free_port()}/path?token=hush#hush",
        "http://user:hush@no-such-host.invalid/path?token=hush",
    ):
        with pytest.raises(HttpError) as caught:
            await ask(url)
        assert "/path" in str(caught.value)
        assert "hush" not in str(caught.value)
    async with loopback(lambda _: answer()) as server:
        await ask(f"{server.url}/path?token=hush")
    assert "hush" not in caplog.text


def test_a_received_request_keeps_the_raw_target() -> None:
    @in_loop
    async def scenario() -> None:
        async with loopback(lambda _: answer()) as server:
            await ask(f"{server.url}/a%2Fb%25?x=%20")
        received: list[Received] = server.received
        assert received[0].target == "/a%2Fb%25?x=%20"

    scenario()
