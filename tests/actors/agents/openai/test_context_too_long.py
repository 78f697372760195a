"""A question that the model's context cannot hold."""

import asyncio
import json
from collections.abc import Callable

import pytest

from actors.agents.protocol import AgentRefused, Line, Question
from tests.actors.agents.openai.scripted_server import JSON, Request, ask, asking, says, serving

Build = Callable[..., Question]

ANSWER = b'{"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]}'
HISTORY = tuple(Line("user", "alice", f"line {n}", n) for n in range(10))
TOO_LONG = {
    "OpenAI": ("400 No", {"error": {"message": "whisper", "code": "context_length_exceeded"}}),
    "vLLM": (
        "400 No",
        {
            "object": "error",
            "message": "This model's maximum context length is 9 tokens.",
            "code": 400,
        },
    ),
    "llama.cpp": ("400 No", {"error": {"code": 400, "type": "exceed_context_size_error"}}),
    "a proxy": ("413 No", {}),
    "in the stream": ("200 OK", {"error": {"message": "the prompt is too long", "code": 400}}),
}


def sent_until_it_fits(
    lines: int, refusal: tuple[str, dict[str, object]], question: Question
) -> list[Request]:
    """What a server is sent whose model's context holds so many lines of history."""
    status, body = refusal

    async def conversation() -> list[Request]:
        async def reply(writer: asyncio.StreamWriter) -> None:
            fits = str(server.requests[-1].body["messages"]).count("line ") <= lines
            answer = says(ANSWER, JSON) if fits else says(json.dumps(body).encode(), status=status)
            await answer(writer)

        async with serving(reply) as server, asking(server.base_url) as agent:
            assert (await agent.ask(question)).text == "Hello."
            return server.requests

    return asyncio.run(conversation())


@pytest.mark.parametrize("refusal", TOO_LONG.values(), ids=TOO_LONG.keys())
def test_a_context_that_is_too_long_is_asked_again_with_less_history(
    question: Build, refusal: tuple[str, dict[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    sent = sent_until_it_fits(3, refusal, question("now", history=HISTORY))
    messages = [str(request.body["messages"]) for request in sent]
    assert [text.count("line ") for text in messages] == [10, 5, 2]
    assert "line 8" in messages[-1]
    assert len({request.headers["idempotency-key"] for request in sent}) == 3
    assert "lower historyLines" in caplog.text
    assert "whisper" not in caplog.text


def test_a_question_that_is_too_long_by_itself_is_refused_and_names_the_options(
    question: Build,
) -> None:
    refusal = says(b'{"error": {"code": "context_length_exceeded"}}', JSON, status="400 No")
    with pytest.raises(AgentRefused, match="systemPrompt, lower maxMessageChars"):
        ask(refusal, question("now", history=HISTORY))
