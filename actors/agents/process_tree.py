"""What a program started, found also when it left the program's process group and session.

All of it inherits a variable of the program's environment, which Linux shows under /proc.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TURN_VARIABLE = "ZTM_CHAT_TURN"
"""Marks a program and everything that it starts: a random value for each turn."""

_ROUNDS = 10


def kill_tree(mark: str) -> None:
    """Kill every process whose environment holds `mark`, until there is none.

    Where there is no /proc nothing is found. What cleared its environment isn't either.
    """
    # Again and again, because a process may start another before it is killed.
    for _ in range(_ROUNDS):
        found = list(_marked(f"{TURN_VARIABLE}={mark}".encode()))
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _marked(variable: bytes) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        # Gone meanwhile, or of another user.
        with suppress(OSError):
            if variable in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)
