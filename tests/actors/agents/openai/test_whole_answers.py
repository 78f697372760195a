"""Which answers are whole: the table in docs/agents.md, held against a real server."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator

import pytest

from actors.agents.openai import openai_agent
from actors.agents.protocol import AgentError, Answer, Question
from tests.actors.agents.openai.scripted_server import SSE, Reply, ask, head
from tests.documentation_pages import DOCS, section

TEXT = "The tram leaves at nine."
TEXTS = {"no text": "", "some": TEXT[:8], "all": TEXT}
REASONS = ("stop", "length", "abort", "error object", "content_filter", "none")
ENDINGS = ("`[DONE]`", "end of stream", "cut", "silence")


def table() -> dict[tuple[str, str, str], str]:
    """The outcome by text, reason and ending, as the documentation states it."""
    lines = section(DOCS / "agents.md", "When an answer is whole").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    assert tuple(rows[0][2:]) == ENDINGS
    return {
        (text, reason.strip("`"), ending): outcome
        for words, reason, *outcomes in rows[2:]
        for text in re.split(r" or ", words)
        for ending, outcome in zip(ENDINGS, outcomes, strict=True)
    }


OUTCOMES = table()


def events(text: str, reason: str) -> Iterator[dict[str, object]]:
    yield {"choices": [{"delta": {"role": "assistant", "content": ""}}]}
    for start in range(0, len(text), 5):
        yield {"choices": [{"delta": {"content": text[start : start + 5]}}]}
    if reason == "error object":
        yield {"error": {"message": "whisper", "type": "server_error"}}
    elif reason != "none":
        yield {"choices": [{"delta": {}, "finish_reason": reason}]}


def streaming(text: str, reason: str, ending: str) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events(text, reason))
        if ending == "`[DONE]`":
            stream += "data: [DONE]\n\n"
        # More is announced than comes, but where the stream ends as it should.
        length = len(stream) + (100 if ending in ("cut", "silence") else 0)
        writer.write(head("200 OK", SSE, f"content-length: {length}") + stream.encode())
        await writer.drain()
        if ending == "silence":
            await asyncio.Event().wait()

    return reply


def outcome(reply: Reply, question: Question) -> tuple[str, Answer | None]:
    try:
        answer, _ = ask(reply, question, timeout_ms=1_000)
    except AgentError as error:
        return "asked again" if error.transient else "dead letter", None
    return "sent with a mark" if answer.cut_short else "sent", answer


@pytest.mark.parametrize(
    ("text", "reason", "ending"),
    [(text, reason, ending) for text in TEXTS for reason in REASONS for ending in ENDINGS],
)
def test_the_outcome_is_what_the_documentation_says(
    text: str,
    reason: str,
    ending: str,
    question: Callable[..., Question],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openai_agent, "LAST_WORDS_S", 0.2)
    found, answer = outcome(streaming(TEXTS[text], reason, ending), question())
    assert found == OUTCOMES[text, reason, ending]
    assert answer is None or answer.text == TEXTS[text]


def test_an_answer_whose_end_is_known_is_not_held_up_by_a_silent_server(
    question: Callable[..., Question],
) -> None:
    """The documented wait is seconds, not the time limit of the whole question."""

    async def in_time() -> Answer:
        reply = streaming(TEXT, "stop", "silence")
        return (await asyncio.to_thread(ask, reply, question(), timeout_ms=600_000))[0]

    assert openai_agent.LAST_WORDS_S <= 5
    assert asyncio.run(asyncio.wait_for(in_time(), 60)).text == TEXT
