"""kill -9 in mid-traffic, on real processes: nothing is lost, nothing is answered twice."""

import secrets
from pathlib import Path

import pytest

from tests.recovery.kills import soak


@pytest.mark.timeout(240)
def test_25_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    run = soak(tmp_path, kills=25, seed=seed)
    assert run.kills == 25
    assert run.sent


@pytest.mark.kill
@pytest.mark.timeout(900)
def test_200_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    run = soak(tmp_path, kills=200, seed=seed)
    print(f"{run.kills} kills survived, {len(run.sent)} messages")
    assert run.kills == 200
