"""Reading a chat completion, whichever way the server sends it. Pure.

A server that was asked to stream may send server-sent events (one JSON chunk a `data:` line, then
`[DONE]`), or ignore that and send one JSON object; which of them it is shows in the first line,
more reliably than in its content type. Both hold the same fields.
"""

import json
import re

import msgspec

from actors.agents.openai.secret import Secret
from actors.agents.openai.server_errors import from_error
from actors.agents.protocol import (
    AgentBroken,
    AgentError,
    AgentRefused,
    AgentUnavailable,
    Answer,
    spoken,
)

EVENT_LINE = re.compile(r"(data|event|id|retry)?:")
LEADING_THOUGHT = re.compile(r"\A\s*<think>.*?(</think>|\Z)", re.DOTALL)


class _Part(msgspec.Struct):
    type: str | None = None
    text: str | None = None


class _Said(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content if part.type == "text")
        return self.content or self.refusal or ""


class _Choice(msgspec.Struct):
    index: int | None = 0
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    model: str | None = None
    error: object = None


class Completion:
    """Takes an answer's body line by line; `done` once the server said that this was all.

    `url` is for errors. More than `max_reply_bytes` of text raise `AgentBroken`; an error that
    the server reports on the way raises the `AgentError` that it is.
    """

    def __init__(self, url: str, *, max_reply_bytes: int) -> None:
        self.done = False
        self._url = url
        self._room = max_reply_bytes
        self._streamed: bool | None = None
        self._body: list[str] = []
        self._text: list[str] = []
        self._finish: str | None = None
        self._usage = _Usage()
        self._model: str | None = None

    def feed(self, line: str) -> None:
        """The next line of the body, without its end."""
        if self._streamed is None:
            line = line.lstrip("\ufeff")
            if not line.strip():
                return
            self._streamed = EVENT_LINE.match(line) is not None
        if not self._streamed:
            self._body.append(line)
        elif line.startswith("data:"):
            self._data(line.removeprefix("data:").strip())

    def answer(self, *, model: str, key: Secret | None = None) -> Answer:
        """The whole answer; `model` is the one that was asked, if the server names none.

        What a server echoes of the `key` stays out of it.
        """
        if self._streamed:
            if not self.done and self._finish is None:
                raise AgentUnavailable(
                    f"{self._url} closed its stream before the answer was complete"
                )
        else:
            self._take("\n".join(self._body))
        text = self._whole_text()
        if not text or self._finish == "content_filter":
            raise self._unusable()
        named = self._model
        if key is not None:
            text = key.taken_out_of(text)
            named = None if named and key.is_echoed_in(named) else named
        return spoken(
            text,
            model=named or model,
            tokens_in=self._usage.prompt_tokens,
            tokens_out=self._usage.completion_tokens,
        )

    def _data(self, data: str) -> None:
        if data == "[DONE]":
            self.done = True
        elif data:
            self._take(data)

    def _take(self, text: str) -> None:
        chunk = self._chunk(text)
        if chunk.error is not None:
            raise from_error(self._url, chunk.error)
        self._usage = chunk.usage or self._usage
        self._model = chunk.model or self._model
        for choice in chunk.choices or ():
            if not choice.index:
                self._choice(choice)

    def _chunk(self, text: str) -> _Chunk:
        # Errors go without their cause, which may quote the text.
        try:
            # Not msgspec's own decoder: it refuses half a surrogate pair, and servers that escape
            # may cut a pair in two.
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise self._garbled(cut_off=text.startswith("{")) from None
        try:
            return msgspec.convert(found, _Chunk)
        except (msgspec.ValidationError, UnicodeError):  # the latter: a key is half a pair
            raise self._garbled(cut_off=False) from None

    def _garbled(self, *, cut_off: bool) -> AgentBroken:
        said = f"{self._url} did not answer with a chat completion"
        cure = "" if cut_off else "; check baseUrl, which often ends in /v1"
        return AgentBroken(said + cure, transient=cut_off)

    def _choice(self, choice: _Choice) -> None:
        self._finish = choice.finish_reason or self._finish
        said = choice.delta or choice.message
        text = said.text() if said else ""
        self._room -= len(text.encode("utf-8", "surrogatepass"))
        if self._room < 0:
            raise AgentBroken(f"{self._url} sent a longer answer than maxReplyBytes allows")
        self._text.append(text)

    def _whole_text(self) -> str:
        # By way of UTF-16, where halves that belong together meet; one left alone becomes U+FFFD.
        halves = "".join(self._text).encode("utf-16-le", "surrogatepass")
        return LEADING_THOUGHT.sub("", halves.decode("utf-16-le", "replace"), count=1).strip()

    def _unusable(self) -> AgentError:
        match self._finish:
            case "content_filter":
                return AgentRefused(f"{self._url}: the server's content filter blocked the answer")
            case "length":
                said = "used up its tokens before it answered; allow more tokens"
            case "tool_calls" | "function_call":
                said = "called a tool, though none was offered; use a model that answers in text"
            case _:
                said = "gave an answer without text"
        return AgentBroken(f"{self._url}: the model {said}", transient=True)
