"""SIGKILL from inside a real daemon, at each named point: on both sides of every commit and
effect.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.recovery.dying_daemon import POINTS
from tests.recovery.kills import ROOT, SCALE, TOKEN, config_of, start_daemon
from ztm_chat.mesh import Mesh, Timing

FIRST_LIFE_S = 30


def die(folder: Path, point: str, count: int) -> "subprocess.Popen[bytes]":
    """A daemon that kills itself at `point`, for the `count`-th time it gets there."""
    command = [sys.executable, "-P", "-m", "tests.recovery.dying_daemon", point, str(count)]
    environ = {**os.environ, "ZTM_CHAT_TIME_SCALE": str(SCALE), "ZTM_CHAT_LOG_LEVEL": "error"}
    environ["PYTHONPATH"] = f"{ROOT}:{ROOT / 'bin'}"
    return subprocess.Popen(
        [*command, "run", "--config", str(folder / "openclaw.yaml")],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("count", [1, pytest.param(3, marks=pytest.mark.kill)])
def test_a_daemon_that_dies_at_a_point_answers_everything_once(
    point: str, count: int, tmp_path: Path
) -> None:
    with Mesh(timing=Timing().scaled(SCALE)) as mesh:
        bot, alice = mesh.join("my-bot"), mesh.join("alice")
        config_of(tmp_path, bot)
        if point.startswith("settle"):
            bot.lose_posts(1)  # only what is in doubt is looked for
        first = die(tmp_path, point, count)
        numbers = list(range(1, 6))
        try:
            for number in numbers:
                alice.send("my-bot", f"message #{number}#")
                if number < len(numbers):
                    mesh.wait_for(first.poll, timeout_s=4 * SCALE)
            try:
                code = first.wait(FIRST_LIFE_S if count == 1 else 60 * SCALE)
            except subprocess.TimeoutExpired:
                code = None  # this point is not on the way of these messages so often
        finally:
            first.kill()
            first.wait()
        assert code == -signal.SIGKILL or (code is None and count > 1)
        second = start_daemon(tmp_path)
        try:
            alice.wait_for(
                lambda entries: {*_numbers(entries)} >= {*numbers},
                sender="my-bot",
                timeout_s=FIRST_LIFE_S,
            )
        finally:
            second.terminate()
            # Where the first one had answered everything, this one may not have begun yet.
            assert second.wait(10) in (0, -signal.SIGTERM)
        assert Counter(_numbers(alice.inbox("my-bot"))) == Counter(numbers)


def _numbers(entries: Sequence[object]) -> list[int]:
    return [int(number) for entry in entries for number in TOKEN.findall(str(entry))]
