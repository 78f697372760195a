"""A program of this machine as the agent.

It reads one JSON document, the `Question` in camelCase, from its standard input, and writes its
answer to its standard output: UTF-8 text, or with `output="json"` one object
`{"text", "silent", "model", "tokensIn", "tokensOut"}`. Exit statuses follow sysexits.h:

    0                       the answer is what was written
    75 (EX_TEMPFAIL)        it failed, trying again may help
    64 to 78, 126, 127      it failed, trying again won't help
    any other, or a signal  it failed, trying again may help

A run ends with its turn: everything that it started is killed when the program has ended, at the
time limit, and when the turn is cancelled. It sees no variable of the daemon's environment but
the safe ones and those that the configuration names. What strangers choose (names, texts) reaches
it through its input only, never through its arguments or environment.
"""

import asyncio
import errno
import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from actors.agents.protocol import (
    AgentBroken,
    AgentError,
    AgentRefused,
    AgentTimeout,
    AgentUnavailable,
    Answer,
    Question,
    spoken,
)
from actors.agents.subprocess_turn import SubprocessTurn

SAFE_ENV = {"PATH", "HOME", "LANG", "TZ", "TMPDIR"}
EX_TEMPFAIL = 75
PERMANENT_STATUSES = {*range(64, 79), 126, 127} - {EX_TEMPFAIL}
PASSING_ERRNOS = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY}


class CommandReply(msgspec.Struct, rename="camel"):
    """What a program writes with `output="json"`; other fields are ignored."""

    text: str = ""
    silent: bool = False
    model: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None


class CommandAgent:
    """Asks the program `argv`: one run a question, `timeout_s` seconds at most.

    `environ` is the daemon's environment, of which `env_names` are passed on besides `SAFE_ENV`.
    """

    name = "command"

    def __init__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        max_reply_bytes: int = 262_144,
        env_names: Sequence[str] = (),
        environ: Mapping[str, str] = os.environ,
        cwd: str | None = None,
        output: Literal["text", "json"] = "text",
    ) -> None:
        self._argv = tuple(argv)
        self._timeout_s = timeout_s
        self._max_reply_bytes = max_reply_bytes
        self._env = _environment(environ, set(env_names))
        self._cwd = cwd
        self._output = output

    async def ask(self, question: Question) -> Answer:
        """Run the program once; whatever comes of it, nothing of it is left when this returns."""
        turn = await self._start()
        try:
            async with asyncio.timeout(self._timeout_s):
                turn.say(_document(question))
                status = await turn.finished()
        except TimeoutError:
            raise AgentTimeout(
                f"{self._program} gave no answer within {self._timeout_s:g} s and was killed"
            ) from None
        finally:
            await turn.end()
        self._check(turn, status)
        return self._answer(bytes(turn.output))

    async def aclose(self) -> None:
        """Nothing is held: each program ended with its turn."""

    @property
    def _program(self) -> str:
        # Only the program's name: arguments may hold what isn't for the log.
        return f"the command {self._argv[0]!r}"

    async def _start(self) -> SubprocessTurn:
        try:
            return await SubprocessTurn.start(
                self._argv, env=self._env, cwd=self._cwd, max_output_bytes=self._max_reply_bytes
            )
        except OSError as error:
            raise self._not_started(error) from error

    def _not_started(self, error: OSError) -> AgentError:
        said = f"cannot start {self._program}: {error.strerror}"
        if error.errno in PASSING_ERRNOS:
            return AgentUnavailable(said)
        if self._cwd is not None and not Path(self._cwd).is_dir():
            return AgentRefused(f"{said}; its folder {self._cwd!r} (cwd) is missing")
        if error.errno == errno.ENOENT:
            return AgentRefused(
                f"{said}; give its absolute path in argv, or install it or its interpreter"
            )
        if error.errno == errno.EACCES:
            return AgentRefused(f"{said}; make it executable: chmod +x")
        if error.errno == errno.ENOEXEC:
            return AgentRefused(f"{said}; a script's first line must name its interpreter: #!…")
        return AgentRefused(f"{said}; check argv")

    def _check(self, turn: SubprocessTurn, status: int | None) -> None:
        if turn.too_much:
            raise AgentBroken(
                f"{self._program} wrote too much and was killed: {self._max_reply_bytes} bytes "
                f"of answer (maxReplyBytes) and 1 MiB of standard error are allowed"
            )
        if status:
            noise = f"{turn.noise_bytes} bytes on its standard error, not stored; run it by hand"
            said = f"{self._program} {_ended(status)} ({noise})"
            raise AgentRefused(said) if status in PERMANENT_STATUSES else AgentUnavailable(said)

    def _answer(self, output: bytes) -> Answer:
        try:
            text = output.decode()
        except UnicodeDecodeError as error:
            raise AgentBroken(
                f"{self._program} did not write UTF-8 (byte {error.start}); Python programs "
                "need PYTHONIOENCODING=utf-8, others a LANG that ends in .UTF-8"
            ) from None
        if self._output == "text":
            return spoken(text.rstrip("\r\n"))
        return self._from_json(text)

    def _from_json(self, text: str) -> Answer:
        try:
            reply = msgspec.json.decode(text, type=CommandReply)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            # Without its cause, which may quote what was written.
            raise AgentBroken(
                f'{self._program} did not write JSON such as {{"text": "…"}} (output: json)'
            ) from None
        if reply.silent:
            return Answer(text="", model=None, silent=True)
        return spoken(
            reply.text,
            model=reply.model,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
        )


def _document(question: Question) -> bytes:
    # In ASCII, so that no program can read it in the wrong encoding.
    return json.dumps(msgspec.to_builtins(question)).encode()


def _environment(environ: Mapping[str, str], named: set[str]) -> dict[str, str]:
    passed = SAFE_ENV | named
    return {
        name: value for name, value in environ.items() if name in passed or name.startswith("LC_")
    }


def _ended(status: int) -> str:
    if status > 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
