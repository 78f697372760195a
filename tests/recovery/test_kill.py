"""kill -9 in mid-traffic, on real processes: nothing is lost, nothing is answered twice."""

import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recovery.kills import soak

Record = Callable[[str], None]


@pytest.fixture
def record(capsys: pytest.CaptureFixture[str]) -> Record:
    """Print a line past pytest's capture: the seed repeats a run, also one that passed."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return write


@pytest.mark.timeout(240)
def test_25_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, record: Record) -> None:
    seed = secrets.randbits(32)
    record(f"seed {seed}")
    run = soak(tmp_path, kills=25, seed=seed)
    assert run.kills == 25
    assert run.sent


@pytest.mark.kill
@pytest.mark.timeout(900)
def test_200_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, record: Record) -> None:
    seed = secrets.randbits(32)
    record(f"seed {seed}")
    run = soak(tmp_path, kills=200, seed=seed)
    record(f"{run.kills} kills survived, {len(run.sent)} messages")
    assert run.kills == 200
