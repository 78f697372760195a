"""Reading a chat completion, whichever way the server sends it. Pure.

A server that was asked to stream may send server-sent events (one JSON chunk a `data:` line, then
`[DONE]`), or ignore that and send one JSON object; which of them it is shows in the first line,
more reliably than in its content type. Both hold the same fields.
"""

import json
import re

from actors.agents.openai.chunk import (
    FILTERED,
    LENGTH,
    TOOLS,
    WHOLE,
    MalformedChunk,
    read_chunk,
)
from actors.agents.openai.secret import Secret
from actors.agents.openai.server_errors import from_error
from actors.agents.openai.thoughts import without_thoughts
from actors.agents.protocol import (
    AgentBroken,
    AgentError,
    AgentRefused,
    AgentUnavailable,
    Answer,
    spoken,
)

EVENT_LINE = re.compile(r"(data|event|id|retry)?:")


class Completion:
    """Takes an answer's body line by line; `done` once the server said that this was all.

    That a stream ended doesn't make its answer whole: the server has to say why it ended, or
    that all was sent.

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
        self._finish = ""
        self._counts: tuple[int | None, int | None] = (None, None)
        self._model: str | None = None
        self._in_error_event = False

    @property
    def ended(self) -> bool:
        """Whether the server said why the answer ended: only counts and `[DONE]` may follow."""
        return bool(self._finish)

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
        elif line.startswith("event:"):
            self._in_error_event = line.removeprefix("event:").strip() == "error"
        elif not line:
            self._in_error_event = False

    def answer(self, *, model: str, key: Secret | None = None) -> Answer:
        """The whole answer; `model` is the one that was asked, if the server names none.

        What a server echoes of the `key` stays out of it.
        """
        if not self._streamed:
            self._take("\n".join(self._body))
        elif not self.done and not self.ended:
            raise AgentUnavailable(f"{self._url} closed its stream before the answer was complete")
        text = self._whole_text()
        if not text or self._finish not in {"", *WHOLE, *LENGTH, *TOOLS}:
            raise self._unusable()
        named = self._model
        if key is not None:
            text = key.taken_out_of(text)
            named = None if named and key.is_echoed_in(named) else named
        return spoken(
            text,
            model=named or model,
            tokens_in=self._counts[0],
            tokens_out=self._counts[1],
            cut_short=self._finish in LENGTH,
        )

    def _data(self, data: str) -> None:
        if data == "[DONE]":
            self.done = True
        elif data:
            self._take(data)

    def _take(self, text: str) -> None:
        found = self._parsed(text)
        if self._in_error_event:
            raise from_error(self._url, found)
        try:
            chunk = read_chunk(found)
        except MalformedChunk:
            raise self._garbled(cut_off=False) from None
        if chunk.error:
            raise from_error(self._url, chunk.error)
        self._counts = (
            self._counts[0] if chunk.tokens_in is None else chunk.tokens_in,
            self._counts[1] if chunk.tokens_out is None else chunk.tokens_out,
        )
        self._model = chunk.model or self._model
        self._finish = chunk.finish or self._finish
        self._room -= len(chunk.text.encode("utf-8", "surrogatepass"))
        if self._room < 0:
            raise AgentBroken(f"{self._url} sent a longer answer than maxReplyBytes allows")
        self._text.append(chunk.text)

    def _parsed(self, text: str) -> object:
        try:
            # Not msgspec's decoder: it refuses half a surrogate pair, and servers that escape may
            # cut a pair in two.
            return json.loads(text)
        except (ValueError, RecursionError):
            # Without its cause, which may quote the text.
            raise self._garbled(cut_off=text.startswith("{")) from None

    def _garbled(self, *, cut_off: bool) -> AgentBroken:
        said = f"{self._url} did not answer with a chat completion"
        cure = "" if cut_off else "; check baseUrl, which often ends in /v1"
        return AgentBroken(said + cure, transient=cut_off)

    def _whole_text(self) -> str:
        # By way of UTF-16, where halves that belong together meet; one left alone becomes U+FFFD.
        halves = "".join(self._text).encode("utf-16-le", "surrogatepass")
        return without_thoughts(halves.decode("utf-16-le", "replace")).strip()

    def _unusable(self) -> AgentError:
        finish = self._finish
        if finish in FILTERED:
            return AgentRefused(f"{self._url}: the server's content filter blocked the answer")
        if finish in LENGTH:
            said = "used up its tokens before it answered; allow more tokens"
        elif finish in TOOLS:
            said = "called a tool, though none was offered; use a model that answers in text"
        elif finish in {"", *WHOLE}:
            said = "gave an answer without text"
        else:
            return AgentUnavailable(
                f"{self._url}: the answer was broken off (its finish_reason is neither stop nor "
                "length); look into the server's own log"
            )
        return AgentBroken(f"{self._url}: the model {said}", transient=True)
