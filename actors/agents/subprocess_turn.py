"""One run of a program: its input written, its output collected, and its end made certain.

asyncio's own `Process.wait` returns, depending on the Python version, only when every pipe is
closed: a grandchild that keeps one open would hold up the turn. A protocol hears of the exit
itself.
"""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from typing import Self, cast

from actors.agents.process_tree import TURN_VARIABLE, kill_tree

TERMINATE_GRACE_S = 2.0
"""How long a program may tidy up between SIGTERM and SIGKILL."""
DRAIN_S = 1.0
"""How long to wait for the rest of the output of a program that has ended."""
MAX_NOISE_BYTES = 1_048_576
"""How much a program may write to its standard error, which is counted and dropped."""

STDIN, STDOUT, STDERR = 0, 1, 2


class SubprocessTurn(asyncio.SubprocessProtocol):
    """A program in a process group of its own.

    `output` is what it wrote, `noise_bytes` how much it wrote to its standard error, `too_much`
    whether either went past its limit, upon which nothing more is kept and `ended` is set.
    """

    def __init__(self, max_output_bytes: int) -> None:
        self.output = bytearray()
        self.noise_bytes = 0
        self.too_much = False
        self.ended = asyncio.Event()
        self._max_output_bytes = max_output_bytes
        self._killed = False
        self._exited = asyncio.Event()
        self._output_closed = asyncio.Event()
        self._mark = secrets.token_hex(16)
        self._transport: asyncio.SubprocessTransport

    @classmethod
    async def start(
        cls, argv: Sequence[str], *, env: Mapping[str, str], cwd: str | None, max_output_bytes: int
    ) -> Self:
        """Start `argv`, without a shell; raises OSError if it can't be started."""
        turn = cls(max_output_bytes)
        marked = {**env, TURN_VARIABLE: turn._mark}
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: turn, *argv, env=marked, cwd=cwd, start_new_session=True
        )
        turn._transport = transport
        return turn

    def say(self, question: bytes) -> None:
        """Write `question` and end the input; a program that doesn't read it does no harm."""
        stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(STDIN))
        stdin.write(question)
        stdin.close()

    async def finished(self) -> int | None:
        """Wait for the end and for all output; the exit status, negative after a signal.

        None if it wrote too much and still runs.
        """
        await self.ended.wait()
        if self._exited.is_set():
            # What the program left running must not hold its output open.
            self._kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._output_closed.wait(), DRAIN_S)
        return self._transport.get_returncode()

    async def end(self) -> None:
        """End the program and everything that it started, whatever state it is in."""
        try:
            if not self._exited.is_set():
                self._signal(signal.SIGTERM)
                await self._wait_exit(TERMINATE_GRACE_S)
        finally:
            # In `finally`, so that being cancelled once more only cuts the grace short.
            self._kill()
            try:
                await self._wait_exit(DRAIN_S)
            finally:
                self._transport.close()
                await asyncio.to_thread(kill_tree, self._mark)

    async def _wait_exit(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._exited.wait(), seconds)

    def _kill(self) -> None:
        # Once: a group whose members are all dead may leave its number to others.
        if not self._killed:
            self._killed = True
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._transport.get_pid(), number)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Called by asyncio: keep what fits."""
        if self.too_much:
            return
        if fd == STDERR:
            self.noise_bytes += len(data)
        else:
            self.output += data
        if len(self.output) > self._max_output_bytes or self.noise_bytes > MAX_NOISE_BYTES:
            self.too_much = True
            self.ended.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Called by asyncio: the program and all that it started have closed this pipe."""
        if fd == STDOUT:
            self._output_closed.set()

    def process_exited(self) -> None:
        """Called by asyncio: the program has ended, though its output may not have."""
        self._exited.set()
        self.ended.set()
