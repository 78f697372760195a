"""The daemon as a child process: `ztm-chat run`, as a user starts it. It never outlives us."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

COMMAND = (sys.executable, "-P", "-m", "ztm_chat")
"""How this very program is run again."""

STOP_S = 10.0
COMMAND_TIMEOUT_S = 30.0

PR_SET_PDEATHSIG = 1
DIE_WITH_PARENT = f"""
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""On Linux the kernel kills the daemon when we die, even by SIGKILL. The setting survives exec. The
child makes it itself: running Python between fork and exec (preexec_fn) is unsafe with threads."""


class DaemonProcess:
    """A daemon that can be started again and again on one configuration; it logs to `output`.

    It runs in a session of its own: Ctrl-C at the terminal reaches only us, and we stop it.
    """

    def __init__(self, config: Path, output: Path, *, scale: float) -> None:
        self.config = config
        self.output = output
        self._environ = {**os.environ, "ZTM_CHAT_TIME_SCALE": str(scale)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The current or last process; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative for the signal that killed it."""
        return self._process.poll() if self._process else 0

    def start(self) -> None:
        """Start it, and don't wait: whether it is well, its event log tells."""
        command = (*COMMAND, "run", "--config", str(self.config))
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                _dying_with_us(command),
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Send SIGKILL and wait for its end. Does nothing when it has ended already."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Send SIGTERM; return the exit status. Raises subprocess.TimeoutExpired."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_S)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another `ztm-chat` command on the same configuration, and wait for its end.

        Raises subprocess.TimeoutExpired.
        """
        return subprocess.run(
            _dying_with_us((*COMMAND, *arguments, "--config", str(self.config))),
            env=_plain(self._environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )


def _dying_with_us(command: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT, str(os.getpid()), *command]


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    return {**environ, "COLUMNS": "86", "NO_COLOR": "1", "PYTHONUTF8": "1"}
