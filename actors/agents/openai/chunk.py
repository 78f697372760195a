"""One JSON object of a chat completion: a chunk of a stream, or the whole answer. Pure.

The text is read strictly, because a person gets to see it. Everything else is not needed: what is
odd there counts as not said.
"""

from msgspec import Struct

WHOLE = {"stop", "stop_sequence", "end_turn", "eos", "eos_token", "complete", "completed"}
LENGTH = {"length", "max_tokens", "max_output_tokens", "model_length"}
FILTERED = {"content_filter", "content_filtered", "safety", "sensitive"}
TOOLS = {"tool_calls", "function_call", "tool_use"}
"""What servers give as `finish_reason`. Any other is not known to mean a whole answer."""

NO_REASON = {"", "null", "none"}


class MalformedChunk(ValueError):
    """Not a chunk of a chat completion, or its text is no text."""


class Chunk(Struct, frozen=True):
    """What one object says. `finish`: the reason why the answer ended, in lower case, or "".

    `error`: what the server reported instead, if anything that is more than `null` or `false`.
    """

    text: str = ""
    finish: str = ""
    model: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    error: object = None


def read_chunk(found: object) -> Chunk:
    """The chunk that a JSON value is. Raises `MalformedChunk`."""
    if not isinstance(found, dict):
        raise MalformedChunk
    error = found if found.get("object") == "error" else found.get("error")
    if error:
        return Chunk(error=error)
    choices = found.get("choices")
    if not isinstance(choices, list | None):
        raise MalformedChunk
    first = [choice for choice in choices or () if _is_first(choice)]
    usage = found.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    model = found.get("model")
    return Chunk(
        text="".join(_text(choice.get("delta") or choice.get("message")) for choice in first),
        finish="".join(_finish(choice.get("finish_reason")) for choice in first[-1:]),
        model=model if isinstance(model, str) else None,
        tokens_in=_count(counts.get("prompt_tokens")),
        tokens_out=_count(counts.get("completion_tokens")),
    )


def _is_first(choice: object) -> bool:
    if not isinstance(choice, dict):
        raise MalformedChunk
    return choice.get("index") in (None, 0, "0")


def _text(said: object) -> str:
    if said is None:
        return ""
    if not isinstance(said, dict):
        raise MalformedChunk
    content, refusal = said.get("content"), said.get("refusal")
    if isinstance(content, list):
        return "".join(_part(part) for part in content)
    if not isinstance(content, str | None):
        raise MalformedChunk
    return content or (refusal if isinstance(refusal, str) else "")


def _part(part: object) -> str:
    if not isinstance(part, dict):
        raise MalformedChunk
    text = part.get("text") if part.get("type") == "text" else None
    if not isinstance(text, str | None):
        raise MalformedChunk
    return text or ""


def _finish(reason: object) -> str:
    word = reason.strip().lower() if isinstance(reason, str) else ""
    return "" if word in NO_REASON else word


def _count(tokens: object) -> int | None:
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None
