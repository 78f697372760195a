"""Children of the store's tests, started and listened to."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

Said = list[dict[str, Any]]


@contextmanager
def child(name: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The child `name` of `tests.store.child_processes`; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.child_processes", name, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next thing that a child says."""
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def run(name: str, folder: Path) -> Said:
    """All that a child says; it must end well, by no signal."""
    with child(name, folder) as process:
        out, _ = process.communicate(timeout=50)
        assert process.returncode == 0, f"ended with {process.returncode} after {out[-200:]}"
    return [json.loads(line) for line in out.splitlines()]
