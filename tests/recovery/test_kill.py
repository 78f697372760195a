"""kill -9 in mid-traffic, on real processes: nothing is lost, nothing is answered twice."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recovery.kills import soak

Record = Callable[[str, object], None]


@pytest.mark.timeout(240)
def test_25_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, record_property: Record) -> None:
    seed = secrets.randbits(32)
    record_property("seed", seed)  # it repeats a run, also one that passed
    run = soak(tmp_path, kills=25, seed=seed)
    assert run.kills == 25
    assert run.sent


@pytest.mark.kill
@pytest.mark.timeout(900)
def test_200_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, record_property: Record) -> None:
    seed = secrets.randbits(32)
    record_property("seed", seed)  # it repeats a run, also one that passed
    run = soak(tmp_path, kills=200, seed=seed)
    record_property("kills survived", run.kills)
    record_property("messages", len(run.sent))
    assert run.kills == 200
