"""A child gets the signals' defaults, also where the tests run as a background job."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

IN_BACKGROUND = "trap '' HUP INT TERM; exec \"$@\""
CHILD = "import signal; print([signal.getsignal(n) == signal.SIG_IGN for n in (1, 2, 15)])"
PARENT = f"""\
import signal, subprocess, sys
from tests.child_signals import give_children_default_signals
if sys.argv[1] == "default":
    give_children_default_signals()
signal.raise_signal(signal.SIGINT)
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


@pytest.mark.parametrize(("what", "ignored"), [("default", False), ("inherited", True)])
def test_a_child_ignores_no_signal_that_its_parent_ignores(what: str, ignored: bool) -> None:
    command = ["sh", "-c", IN_BACKGROUND, "sh", sys.executable, "-c", PARENT, what]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == str([ignored] * 3)
