"""The daemon as a child process: `ztm-chat run`, as a user starts it, and nothing survives us."""

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
LEASH = f"""
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""On Linux the kernel kills the daemon when we die, by SIGKILL too. The setting outlives exec, and
is made by the child itself: code of ours between fork and exec is not safe beside threads."""


class DaemonProcess:
    """One daemon after another on the same configuration; their messages go to one file.

    It has a session of its own: Ctrl-C at the terminal reaches only us, and we end it.
    """

    def __init__(self, config: Path, log: Path, *, scale: float) -> None:
        self.config = config
        self.log = log
        self._environ = {**os.environ, "ZTM_CHAT_TIME_SCALE": str(scale)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process now or last running; 0 before the first."""
        return self._process.pid if self._process else 0

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that killed it."""
        return self._process.poll() if self._process else 0

    def start(self) -> None:
        """Start it; whether it is well is for its log to say."""
        command = (*COMMAND, "run", "--config", str(self.config))
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                _on_a_leash(command),
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. One that is gone already is left in peace."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and its exit status. Raises subprocess.TimeoutExpired."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_S)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another command of `ztm-chat` on the same configuration, and wait for it.

        Raises subprocess.TimeoutExpired.
        """
        return subprocess.run(
            _on_a_leash((*COMMAND, *arguments, "--config", str(self.config))),
            env=_plain(self._environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )


def _on_a_leash(command: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", LEASH, str(os.getpid()), *command]


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    return {**environ, "COLUMNS": "86", "NO_COLOR": "1", "PYTHONUTF8": "1"}
