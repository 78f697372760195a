import asyncio
import json
import logging
import socket
import traceback
from collections.abc import Callable

import pytest

from actors.agents.openai.openai_agent import MAX_BODY_BYTES, OpenAIAgent
from actors.agents.openai.secret import key_from_env
from actors.agents.protocol import (
    AgentBroken,
    AgentError,
    AgentRefused,
    AgentTimeout,
    AgentUnavailable,
    Answer,
    Line,
    Question,
)
from actors.agents.settings import OpenAISettings
from actors.http.client import HttpClient
from tests.actors.agents.openai.scripted_server import (
    JSON,
    KEY,
    SSE,
    Reply,
    Request,
    ask,
    asking,
    drips,
    hangs,
    head,
    says,
    serving,
)

Build = Callable[..., Question]

HELLO = json.dumps({"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]})
STREAM = (
    b": hi\r\n\r\n"
    b'data: {"choices":[{"delta":{"role":"assistant","content":""}}],"model":"m-1"}\r\n\r\n'
    + 'data: {"choices":[{"delta":{"content":"Grüße, 王 \N{GRINNING FACE}"}}]}\n\n'.encode()
    + 'data: {"choices":[{"delta":{"content":"\u2028."}}]}\r\n\r\n'.encode()
    + b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}\n\n'
    b"data: [DONE]\n\n"
)
STREAMED = Answer("Grüße, 王 \N{GRINNING FACE}\u2028.", model="m-1", tokens_in=9, tokens_out=4)


@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
def test_a_stream_is_read_however_it_arrives(question: Build, step: int) -> None:
    assert ask(drips(STREAM, step, SSE), question())[0] == STREAMED


@pytest.mark.parametrize("field", [JSON, "content-type: text/plain", "x-nothing: known"])
def test_a_wrong_content_type_does_no_harm(question: Build, field: str) -> None:
    assert ask(says(STREAM, field), question())[0] == STREAMED
    assert ask(says(HELLO.encode(), field), question())[0].text == "Hello."


def test_a_server_that_ignores_streaming_is_understood(question: Build) -> None:
    answer, server = ask(says(HELLO.encode(), JSON), question())
    assert answer == Answer("Hello.", model="asked")
    assert server.requests[0].body["stream"] is True


def test_nothing_is_waited_for_after_done(question: Build) -> None:
    async def keeps_open(writer: asyncio.StreamWriter) -> None:
        writer.write(head("200 OK", SSE) + STREAM)
        await hangs(writer)

    async def conversation() -> Answer:
        async with serving(keeps_open) as server, asking(server.base_url) as agent:
            answer = await agent.ask(question())
            await asyncio.wait_for(server.hung_up.wait(), 10)
            return answer

    assert asyncio.run(conversation()) == STREAMED


def test_the_request_is_what_such_servers_expect(question: Build) -> None:
    asked = question("now", history=(Line("assistant", "my-bot", "before", 0),))
    _, server = ask(says(STREAM, SSE), asked, system_prompt="Be brief.", headers={"x-title": "ztm"})
    [request] = server.requests
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-title"] == "ztm"
    assert set(request.body) == {"model", "messages", "stream", "stream_options", "user"}
    assert request.body["model"] == "asked"
    assert request.body["stream_options"] == {"include_usage": True}
    messages = request.body["messages"]
    assert isinstance(messages, list)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[-1]["content"] == "now"


def test_a_strict_server_gets_only_what_it_knows(question: Build) -> None:
    _, server = ask(says(STREAM, SSE), question(), history_lines=0, omit=("user", "stream_options"))
    assert set(server.requests[0].body) == {"model", "messages", "stream"}
    _, server = ask(says(HELLO.encode(), JSON), question(), stream=False)
    assert set(server.requests[0].body) == {"model", "messages", "stream", "user"}
    assert server.requests[0].body["stream"] is False


def test_the_same_key_is_the_same_idempotency_key_whatever_it_holds(question: Build) -> None:
    def sent(key: str) -> str:
        _, server = ask(says(STREAM, SSE), question(key=key))
        return server.requests[0].headers["idempotency-key"]

    odd = "account/x/peer/王\r\nx-evil: 1\ud800/7/1"
    assert sent(odd) == sent(odd) != sent("account/x/peer/王/7/2")
    assert len(sent(odd)) == 64


def test_a_base_url_may_end_in_a_slash(question: Build) -> None:
    async def conversation() -> str:
        async with (
            serving(says(STREAM, SSE)) as server,
            asking(server.base_url + "/") as agent,
        ):
            await agent.ask(question())
            return server.requests[0].line

    assert asyncio.run(conversation()) == "POST /v1/chat/completions HTTP/1.1"


def test_a_server_without_a_key_is_asked_without_one(question: Build) -> None:
    async def conversation() -> dict[str, str]:
        async with serving(says(STREAM, SSE)) as server:
            settings = OpenAISettings(base_url=server.base_url, model="asked")
            agent = OpenAIAgent(settings, client=HttpClient())
            await agent.ask(question())
            await agent.aclose()
            return server.requests[0].headers

    assert "authorization" not in asyncio.run(conversation())


def test_a_missing_key_is_for_good_and_nothing_is_sent(question: Build) -> None:
    async def conversation() -> list[Request]:
        async with serving(says(STREAM, SSE)) as server:
            settings = OpenAISettings(base_url=server.base_url, model="asked", key_env="KEY")
            agent = OpenAIAgent(settings, client=HttpClient(), key=lambda: key_from_env("KEY", {}))
            with pytest.raises(AgentRefused, match="KEY"):
                await agent.ask(question())
            await agent.aclose()
            return server.requests

    assert asyncio.run(conversation()) == []


@pytest.mark.parametrize(
    "reply", [hangs, drips(b": drip\n\n" * 1_000_000, 1, SSE)], ids=["hangs", "drips"]
)
def test_the_time_limit_is_over_all(question: Build, reply: Reply) -> None:
    async def conversation() -> None:
        async with (
            serving(reply) as server,
            asking(server.base_url, timeout_ms=1000) as agent,
        ):
            with pytest.raises(AgentTimeout, match="within 1 s") as caught:
                await agent.ask(question())
            assert caught.value.transient
            await asyncio.wait_for(server.hung_up.wait(), 10)

    asyncio.run(conversation())


def test_cancelling_hangs_up(question: Build) -> None:
    async def conversation() -> bool:
        started = asyncio.Event()

        async def starts(writer: asyncio.StreamWriter) -> None:
            started.set()
            await hangs(writer)

        async with serving(starts) as server, asking(server.base_url) as agent:
            task = asyncio.create_task(agent.ask(question()))
            await asyncio.wait_for(started.wait(), 10)
            task.cancel()
            await asyncio.wait({task})
            await asyncio.wait_for(server.hung_up.wait(), 10)
            return task.cancelled()

    assert asyncio.run(conversation())


def test_nobody_listening_may_pass(question: Build) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"

        async def conversation() -> None:
            async with asking(address) as agent:
                await agent.ask(question())

        with pytest.raises(AgentUnavailable, match="refused") as caught:
            asyncio.run(conversation())
    assert caught.value.transient


NO_ANSWERS: dict[str, tuple[Reply, type[AgentError], bool]] = {
    "nothing": (says(b""), AgentBroken, False),
    "an empty body": (says(b"", "content-length: 0"), AgentBroken, False),
    "a web page": (says(b"<html>whisper", "content-type: text/html"), AgentBroken, False),
    "half an object": (says(HELLO.encode()[:-9], JSON), AgentBroken, True),
    "less than announced": (
        says(HELLO.encode()[:-9], JSON, f"content-length: {len(HELLO)}"),
        AgentUnavailable,
        True,
    ),
    "half a stream": (says(STREAM[:200], SSE), AgentUnavailable, True),
    "half a chunk": (
        says(b"5\r\ndata:", SSE, "transfer-encoding: chunked"),
        AgentUnavailable,
        True,
    ),
    "no chunk": (says(b"whisper\r\n", SSE, "transfer-encoding: chunked"), AgentBroken, False),
    "compressed": (says(b"\x1f\x8b whisper", JSON, "content-encoding: gzip"), AgentBroken, False),
    "an error in the stream": (
        says(b'data: {"error":{"message":"whisper"}}\n\n', SSE),
        AgentUnavailable,
        True,
    ),
    "bad bytes": (says(b'data: {"choices":[{"delta":\xff\n\n', SSE), AgentBroken, True),
    "no HTTP": (says(b"", status="whisper"), AgentBroken, False),
    "a redirect": (says(b"", "location: /whisper", status="302 Found"), AgentRefused, False),
    "a failure": (says(b'{"error":"whisper"}', status="500 whisper"), AgentUnavailable, True),
    "a refusal": (says(b"whisper" * 50, status="401 Unauthorized"), AgentRefused, False),
    "a huge refusal": (
        says(b"x", "content-length: 999999999", status="404 No"),
        AgentBroken,
        False,
    ),
}


@pytest.mark.parametrize(
    ("reply", "error", "transient"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys()
)
def test_what_is_no_answer_is_an_error_that_quotes_nothing(
    question: Build, reply: Reply, error: type[AgentError], transient: bool
) -> None:
    with pytest.raises(error) as caught:
        ask(reply, question("my whisper"))
    assert caught.value.transient is transient
    assert "whisper" not in str(caught.value)


async def never_ends(writer: asyncio.StreamWriter) -> None:
    writer.write(head("200 OK", SSE))
    while True:
        writer.write(b'data: {"choices":[{"delta":{"content":"whisper whisper"}}]}\n\n' * 100)
        await writer.drain()


async def never_ends_a_line(writer: asyncio.StreamWriter) -> None:
    writer.write(head("200 OK", JSON))
    while True:
        writer.write(b"whisper " * 10_000)
        await writer.drain()


@pytest.mark.parametrize(
    "reply",
    [never_ends, never_ends_a_line, says(b"x", JSON, f"content-length: {MAX_BODY_BYTES + 1}")],
    ids=["many events", "one line", "announced"],
)
def test_an_endless_answer_is_cut_off(question: Build, reply: Reply) -> None:
    with pytest.raises(AgentBroken) as caught:
        ask(reply, question())
    assert not caught.value.transient
    assert "whisper" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("retry-after: 7", 7),
        ("Retry-After: Thu, 01 Jan 1970 00:01:50 GMT", 10),
        ("retry-after: soon", None),
    ],
)
def test_a_busy_server_says_when_to_come_back(
    question: Build, field: str, seconds: float | None
) -> None:
    with pytest.raises(AgentUnavailable, match="429 Too Many Requests") as caught:
        ask(says(b"{}", field, status="429 Busy"), question())
    assert caught.value.retry_after_s == seconds


def test_a_text_that_cannot_be_sent_is_refused_unquoted(question: Build) -> None:
    with pytest.raises(AgentRefused) as caught:
        ask(says(STREAM, SSE), question("whisper \ud800"))
    assert "whisper" not in str(caught.value)


TELLTALES: dict[str, Reply] = {
    "refusal": says(json.dumps({"error": {"message": KEY, "code": KEY}}).encode(), status="401 No"),
    "failure": says(KEY.encode(), status=f"500 {KEY}"),
    "event": says(f'data: {{"error": {{"message": "{KEY}", "type": "{KEY}"}}}}\n\n'.encode(), SSE),
    "redirect": says(KEY.encode(), f"location: /{KEY}", status="307 Elsewhere"),
    "chunk": says(f"{KEY} {KEY}\r\n\r\n".encode(), "transfer-encoding: chunked"),
    "no HTTP": says(b"", status=KEY),
    "garbage": says(f'{{"choices": "{KEY}"}}'.encode(), JSON),
    "half a stream": says(STREAM[:100], SSE),
    "silence": hangs,
}


@pytest.mark.parametrize("reply", TELLTALES.values(), ids=TELLTALES.keys())
def test_the_key_shows_nowhere(
    question: Build, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpcore").setLevel(logging.WARNING)

    async def conversation() -> None:
        async with (
            serving(reply) as server,
            asking(server.base_url, timeout_ms=1000) as agent,
        ):
            assert KEY not in repr(agent) + repr(vars(agent))
            await agent.ask(question())

    with pytest.raises(AgentError) as caught:
        asyncio.run(conversation())
    trace = "".join(traceback.format_exception(caught.value))
    assert KEY not in str(caught.value) + repr(caught.value) + trace + caplog.text


def naming(model: str, text: str = "Hello.") -> Reply:
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    return says(json.dumps({"choices": [choice], "model": model}).encode(), JSON)


@pytest.mark.parametrize("model", [KEY, KEY.upper(), f"gpt/{KEY}:1", KEY[3:], f"m-{KEY[4:12]}"])
def test_a_model_name_that_echoes_the_key_is_not_recorded(question: Build, model: str) -> None:
    assert ask(naming(model), question())[0] == Answer("Hello.", model="asked")


@pytest.mark.parametrize("model", ["m" * 65, "two words", "m\u202e", "\x1b[31m"])
def test_what_is_no_model_name_is_not_recorded(question: Build, model: str) -> None:
    assert ask(naming(model), question())[0] == Answer("Hello.")


def test_another_model_than_was_asked_is_recorded(question: Build) -> None:
    assert ask(naming("vendor/m-1:2024"), question())[0].model == "vendor/m-1:2024"


def test_an_answer_that_quotes_the_key_is_sent_without_it(question: Build) -> None:
    answer, _ = ask(naming("m-1", f"You sent Bearer {KEY}."), question())
    assert answer.text == "You sent Bearer [redacted]."


def test_many_questions_are_asked_at_a_time(question: Build) -> None:
    async def conversation() -> list[Answer]:
        together = asyncio.Barrier(10)

        async def all_wait(writer: asyncio.StreamWriter) -> None:
            async with asyncio.timeout(10):
                await together.wait()
            await says(STREAM, SSE)(writer)

        async with serving(all_wait) as server, asking(server.base_url) as agent:
            return await asyncio.gather(*(agent.ask(question(str(n))) for n in range(10)))

    assert asyncio.run(conversation()) == [STREAMED] * 10
