"""How an agent is written in the configuration: one section `agent`, told apart by its `kind`.

    agent: {kind: echo}
    agent: {kind: command, argv: [~/bin/answer, --brief], timeoutMs: 60000}
    agent: {kind: openai, baseUrl: "http://127.0.0.1:11434/v1", model: llama3.3}

Anything out of bounds raises ValueError, which names the option and what is allowed; a decoder
adds where. Values that could hold a secret are never quoted.
"""

import re
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from actors.http.urls import is_loopback

MIN_TIMEOUT_MS, MAX_TIMEOUT_MS = 1_000, 3_600_000
MIN_REPLY_BYTES, MAX_REPLY_BYTES = 1_024, 4_194_304
MAX_HISTORY_LINES = 40
"""How many earlier messages an agent is ever told."""

ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie", "api-key", "x-api-key"}
OWN_HEADERS = {"host", "content-type", "content-length", "transfer-encoding", "idempotency-key"}


class EchoSettings(
    Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag_field="kind", tag="echo"
):
    """The built-in echo. `delay_ms` makes it slow, to try out what waiting looks like."""

    delay_ms: int = 0

    def __post_init__(self) -> None:
        _between("delayMs", self.delay_ms, 0, 600_000)


class CommandSettings(
    Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag_field="kind", tag="command"
):
    """A program: `argv` as it is run (no shell), `env` the variables it may see besides the safe
    ones, `cwd` the folder it runs in, `output` what it writes: plain text, or one JSON object.
    """

    argv: tuple[str, ...]
    timeout_ms: int = 120_000
    max_reply_bytes: int = 262_144
    env: tuple[str, ...] = ()
    cwd: str | None = None
    output: Literal["text", "json"] = "text"

    def __post_init__(self) -> None:
        if not self.argv or not self.argv[0].strip():
            raise ValueError("argv must name a program, then its arguments: [program, arg, …]")
        if any("\0" in part for part in self.argv):
            raise ValueError("argv can't contain a NUL character")
        _between("timeoutMs", self.timeout_ms, MIN_TIMEOUT_MS, MAX_TIMEOUT_MS)
        _between("maxReplyBytes", self.max_reply_bytes, MIN_REPLY_BYTES, MAX_REPLY_BYTES)
        for name in self.env:
            _env_name("env", name)
        _whole_path("cwd", self.cwd)


class OpenAISettings(
    Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag_field="kind", tag="openai"
):
    """A server of OpenAI-compatible chat completions.

    `base_url` is what comes before `/chat/completions`. The key lies in the variable `key_env` or
    the file `key_file`, never here. `history_lines` earlier messages are sent along: use 0 for a
    server that remembers by itself, such as an OpenClaw gateway. `omit` leaves out fields that a
    strict server doesn't know.
    """

    base_url: str
    model: str
    key_env: str | None = None
    key_file: str | None = None
    timeout_ms: int = 600_000
    system_prompt: str = ""
    history_lines: int = 20
    stream: bool = True
    max_reply_bytes: int = 262_144
    headers: dict[str, str] = {}
    omit: tuple[Literal["user", "stream_options"], ...] = ()

    def __post_init__(self) -> None:
        _server(self.base_url)
        if not self.model.strip():
            raise ValueError("model must be the name of a model, as the server calls it")
        if self.key_env is not None and self.key_file is not None:
            raise ValueError("keyEnv and keyFile can't both be set: keep one")
        if self.key_env is not None:
            _env_name("keyEnv", self.key_env)
        _whole_path("keyFile", self.key_file)
        _between("timeoutMs", self.timeout_ms, MIN_TIMEOUT_MS, MAX_TIMEOUT_MS)
        _between("historyLines", self.history_lines, 0, MAX_HISTORY_LINES)
        _between("maxReplyBytes", self.max_reply_bytes, MIN_REPLY_BYTES, MAX_REPLY_BYTES)
        for name, value in self.headers.items():
            _header(name, value)

    def warnings(self) -> tuple[str, ...]:
        """What is allowed, but an operator should know."""
        if urlsplit(self.base_url).scheme == "https" or is_loopback(self.base_url):
            return ()
        what = "the key and every message" if self.key_env or self.key_file else "every message"
        return (f"baseUrl: plain http to another machine exposes {what}; use https",)


AgentSettings = EchoSettings | CommandSettings | OpenAISettings


def _between(option: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{option} must be between {least} and {most} (found {value})")


def _env_name(option: str, name: str) -> None:
    # Not quoted: people put the key itself where the variable's name belongs.
    if not ENV_NAME.fullmatch(name):
        raise ValueError(f"{option} must name an environment variable: letters, digits and _")


def _whole_path(option: str, path: str | None) -> None:
    # A relative path would depend on where the daemon was started.
    if path is not None and (not path.startswith(("/", "~/")) or "\0" in path):
        raise ValueError(f"{option} must be an absolute path: it begins with / or ~/")


def _server(base_url: str) -> None:
    try:
        url = urlsplit(base_url)
        well_formed = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        well_formed = False
    if not well_formed or not base_url.isprintable() or " " in base_url:
        raise ValueError("baseUrl must be an http or https address: http://127.0.0.1:11434/v1")
    if _holds_more_than_a_place(url):
        raise ValueError(
            "baseUrl can't contain a user, a password, ? or #; a key belongs in keyEnv or keyFile"
        )


def _holds_more_than_a_place(url: SplitResult) -> bool:
    return "@" in url.netloc or bool(url.query or url.fragment)


def _header(name: str, value: str) -> None:
    if not HEADER_NAME.fullmatch(name):
        raise ValueError("headers: a name may contain only letters, digits and -")
    if name.lower() in SECRET_HEADERS:
        raise ValueError(f"headers: {name} is a secret; use keyEnv or keyFile")
    if name.lower() in OWN_HEADERS:
        raise ValueError(f"headers: {name} is set by ztm-chat itself")
    if not HEADER_VALUE.fullmatch(value):
        raise ValueError(f"headers: the value of {name} must be printable ASCII")
