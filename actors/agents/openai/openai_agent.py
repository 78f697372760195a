"""Any server of OpenAI-compatible chat completions: Ollama, vLLM, llama.cpp, LiteLLM, OpenClaw, …

Each question is one `POST <baseUrl>/chat/completions` that holds the whole conversation as far as
it is sent (`prompt`); the server need not remember anything. Two fields help one that does: `user`
names the conversation, and `Idempotency-Key` the question, both as hashes. No tools are offered.

An OpenClaw gateway keeps a session for each `user`: set `historyLines: 0`, or it reads everything
twice. It takes whoever holds its token for its owner, so let `model: openclaw/<agent>` name an
agent whose tools are restricted there. It ends a run when we hang up: give it a long time limit.

A leading `<think>…</think>` is the model talking to itself, and is left out, also where only its
end is there; thoughts written in another way are the server's to separate (`reasoning_content` is
ignored).
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from actors.agents.openai.completion import Completion
from actors.agents.openai.prompt import chat_messages, conversation_id, recent
from actors.agents.openai.secret import Secret
from actors.agents.openai.server_errors import ContextTooLong, from_status
from actors.agents.protocol import (
    AgentBroken,
    AgentError,
    AgentRefused,
    AgentTimeout,
    AgentUnavailable,
    Answer,
    Question,
)
from actors.agents.settings import OpenAISettings
from actors.http.client import (
    BadAnswer,
    HttpClient,
    HttpError,
    StreamedAnswer,
    TimedOut,
    TlsFailed,
    TooLarge,
    UnsendableRequest,
)

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 16_777_216
"""Of a whole answer as it is sent: text, thoughts, and some 300 bytes around each token."""

LAST_WORDS_S = 2.0
"""How long to wait, after the reason why the answer ended, for token counts and `[DONE]`."""


class OpenAIAgent:
    """Asks the server of `settings`. `key` reads the key each time; `client` is closed with it."""

    name = "openai"

    def __init__(
        self,
        settings: OpenAISettings,
        *,
        client: HttpClient,
        key: Callable[[], Secret] | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._client = client
        self._key = key
        self._now_s = now_s
        self._url = settings.base_url.rstrip("/") + "/chat/completions"

    async def ask(self, question: Question) -> Answer:
        """One request; with half the history once more, while the model's context can't hold it.

        Leaving early, also by cancellation, closes the connection.
        """
        now_s = asyncio.get_running_loop().time
        deadline_s = now_s() + self._settings.timeout_ms / 1000
        lines = len(recent(question.history, self._settings.history_lines))
        while True:
            try:
                return await self._ask(question, lines, timeout_s=deadline_s - now_s())
            except ContextTooLong as error:
                if not lines:
                    raise self._too_long_without_history() from None
                log.warning("%s; asking again with %d of %d lines", error, lines // 2, lines)
                lines //= 2

    async def _ask(self, question: Question, history_lines: int, *, timeout_s: float) -> Answer:
        key = self._key() if self._key else None
        completion = Completion(self._url, max_reply_bytes=self._settings.max_reply_bytes)
        try:
            async with self._client.stream(
                "POST",
                self._url,
                json=self._request(question, history_lines),
                headers=self._headers(question, history_lines, key),
                timeout_s=timeout_s,
                max_bytes=MAX_BODY_BYTES,
            ) as response:
                await self._read(response, completion)
        except HttpError as error:
            if not completion.ended:
                # Without its cause: the layers below may quote what the server sent.
                raise self._failure(error) from None
        return completion.answer(model=self._settings.model, key=key)

    async def aclose(self) -> None:
        """Close the connections to the server."""
        await self._client.aclose()

    def _request(self, question: Question, history_lines: int) -> dict[str, object]:
        settings = self._settings
        request: dict[str, object] = {
            "model": settings.model,
            "messages": chat_messages(
                question,
                system_prompt=settings.system_prompt,
                history_lines=history_lines,
            ),
            "stream": settings.stream,
            "user": conversation_id(question),
        }
        if settings.stream:
            request["stream_options"] = {"include_usage": True}
        return {name: value for name, value in request.items() if name not in settings.omit}

    def _headers(
        self, question: Question, history_lines: int, key: Secret | None
    ) -> Mapping[str, str]:
        # Hashed, because it holds names, of which a header could carry only some. With less history
        # it is another request.
        asked = question.key
        if history_lines < len(recent(question.history, self._settings.history_lines)):
            asked += f"/{history_lines}"
        digest = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
        headers = self._settings.headers | {"idempotency-key": digest}
        if key is not None:
            headers["authorization"] = f"Bearer {key.reveal()}"
        return headers

    async def _read(self, response: StreamedAnswer, completion: Completion) -> None:
        if not 200 <= response.status < 300:
            body = await self._error_body(response)
            raise from_status(
                self._url, response.status, response.headers, body, now_s=self._now_s()
            )
        now_s = asyncio.get_running_loop().time
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as patience:
                async for line in response.lines():
                    completion.feed(line)
                    if completion.done:
                        break
                    if completion.ended:
                        patience.reschedule(now_s() + LAST_WORDS_S)

    async def _error_body(self, response: StreamedAnswer) -> bytes:
        try:
            return await response.read()
        except HttpError:
            # The status says enough.
            return b""

    def _too_long_without_history(self) -> AgentError:
        return AgentRefused(
            f"{self._url}: the question is longer than the model's context, even without history; "
            "shorten systemPrompt, lower maxMessageChars, or serve the model with a larger context"
        )

    def _failure(self, error: HttpError) -> AgentError:
        match error:
            case TimedOut():
                return AgentTimeout(
                    f"{self._url} gave no complete answer within "
                    f"{self._settings.timeout_ms / 1000:g} s"
                )
            case TlsFailed() | UnsendableRequest():
                return AgentRefused(f"{error}; check baseUrl")
            case TooLarge():
                return AgentBroken(str(error))
            case BadAnswer():
                return AgentBroken(f"{self._url} does not speak HTTP; check baseUrl")
            case _:
                return AgentUnavailable(str(error))
