"""A process apart does its work, tells how it failed, and ends with the process that started it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from store.errors import LogUnusable
from store.maintenance.isolation import ReaderDied, run_isolated
from tests.store.processes import child, heard


def refuse(folder: Path) -> None:
    raise LogUnusable("no", where=str(folder), found="nothing", cure="go away")


def fail(folder: Path) -> None:
    raise ValueError(f"odd {folder.name}")


def die(number: int) -> None:
    os.kill(os.getpid(), number)


def test_what_the_work_returns_or_raises_comes_back(tmp_path: Path) -> None:
    assert run_isolated(tmp_path, len, "four") == 4
    with pytest.raises(LogUnusable, match="Go away"):
        run_isolated(tmp_path, refuse, tmp_path)
    with pytest.raises(ValueError, match="odd") as failed:
        run_isolated(tmp_path, fail, tmp_path)
    assert "in fail" in "".join(failed.value.__notes__)


def test_how_the_process_died_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReaderDied, match=r"pages are damaged \(SIGBUS\).*store salvage"):
        run_isolated(tmp_path, die, signal.SIGBUS)
    with pytest.raises(ReaderDied, match="it was killed, perhaps for want of memory"):
        run_isolated(tmp_path, die, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_one_that_started_it(tmp_path: Path, number: int) -> None:
    with child("work_apart_for_ever", tmp_path) as parent:
        aside = Path(heard(parent)["aside"])
        assert aside.exists()
        parent.send_signal(number)
        # All that it started hold its standard output: this returns when the last one has ended.
        parent.communicate(timeout=30)
    assert not aside.exists()


STUCK_VERIFICATION = """
import json, sys, time
from pathlib import Path
from store.verify import section, workers

def prove(self):
    print(json.dumps({"proving": True}), flush=True)
    time.sleep(600)
    yield 0

section.Section.prove = prove  # in the worker too, which imports this file
if __name__ == "__main__":
    workers.prove_in_workers(Path(sys.argv[1]), bodies=False)
"""


def test_no_worker_of_a_verification_outlives_it(written: Path, tmp_path: Path) -> None:
    script = tmp_path / "stuck.py"
    script.write_text(STUCK_VERIFICATION)
    root = Path(__file__).resolve().parents[3]
    verification = subprocess.Popen(
        [sys.executable, str(script), str(written)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert verification.stdout is not None
    assert json.loads(verification.stdout.readline()) == {"proving": True}
    verification.kill()
    verification.communicate(timeout=30)
