"""Storage that fails: nothing unacknowledged is acted upon, and the daemon goes on by itself."""

import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.event import Draft
from store.log.lmdb_log import LmdbLog
from tests.recovery.kills import ROOT, TOKEN, config_of, start_daemon
from tests.store.builders import ALICE, add_all, body, tick
from ztm_chat.mesh import Entry, Mesh, MeshAgent, Timing

SCALE = 0.03


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(timing=Timing().scaled(SCALE)) as mesh:
        yield mesh


@pytest.fixture
def bot(mesh: Mesh, tmp_path: Path) -> MeshAgent:
    bot = mesh.join("my-bot")
    config_of(tmp_path, bot)
    return bot


@pytest.fixture
def alice(mesh: Mesh, bot: MeshAgent) -> MeshAgent:
    del bot
    return mesh.join("alice")


def numbers(entries: list[Entry]) -> list[int]:
    return [int(number) for entry in entries for number in TOKEN.findall(entry.text)]


def status(folder: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ztm_chat", "status", "--json"],
        cwd=ROOT,
        env={"ZTM_CHAT_CONFIG": str(folder / "openclaw.yaml"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def fill(folder: Path, count: int) -> None:
    """Put `count` commits with long bodies, of another account, on record: some 4 kB each."""
    log = LmdbLog.open(folder / "log")
    for number in range(count):
        words = body(f"{number} {'x' * 3_500}")
        add_all(log, Draft(ALICE, tick(number), bodies=(words,)))
    log.close()


@pytest.mark.timeout(180)
def test_a_disk_that_fills_up_and_is_emptied_loses_and_repeats_nothing(
    tmp_path: Path, alice: MeshAgent, mesh: Mesh
) -> None:
    """The limit of a file's size stands for the disk: real failing writes, without root."""
    daemon = start_daemon(tmp_path)
    try:
        alice.send("my-bot", "message #1#")
        alice.wait_for(lambda entries: {*numbers(entries)} >= {1}, sender="my-bot")
        log = tmp_path / "log" / "data.mdb"
        full = log.stat().st_size + 8_192
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        said = tmp_path / "daemon.log"
        sent = [1]
        while "the daemon failed, restarting" not in said.read_text():
            sent.append(sent[-1] + 1)
            assert sent[-1] < 500, "the limit is never reached"
            alice.send("my-bot", f"message #{sent[-1]}#")
            mesh.wait_for(lambda: None, timeout_s=2 * SCALE)
        before = Counter(numbers(alice.inbox("my-bot")))
        assert max(before.values()) == 1
        alice.send("my-bot", f"message #{sent[-1] + 1}#")
        sent.append(sent[-1] + 1)
        assert daemon.poll() is None, "it waits, and does not give up"
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, unlimited)
        alice.wait_for(
            lambda entries: {*numbers(entries)} >= {*sent}, sender="my-bot", timeout_s=90
        )
        assert Counter(numbers(alice.inbox("my-bot"))) == Counter(sent)
        assert status(tmp_path)["running"] is True
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0, (tmp_path / "daemon.log").read_text()


@pytest.mark.timeout(180)
def test_a_log_at_its_limit_says_so_and_goes_on_when_the_limit_is_raised(
    tmp_path: Path, bot: MeshAgent, alice: MeshAgent, mesh: Mesh
) -> None:
    fill(tmp_path, 150)  # the limit is near, and few messages are left to answer afterwards
    config_of(tmp_path, bot, {"mapSize": "1MiB", "maxMapSize": "1MiB"})
    daemon = start_daemon(tmp_path)
    sent: list[int] = []
    try:
        while "is full" not in (tmp_path / "daemon.log").read_text():
            sent.append(len(sent) + 1)
            assert len(sent) < 500, "the limit is never reached"
            alice.send("my-bot", f"message #{sent[-1]}# {'x' * 3_500}")
            mesh.wait_for(lambda: None, timeout_s=2 * SCALE)
        assert "maxMapSize" in str(status(tmp_path)["log"])
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0
    config_of(tmp_path, bot, {"mapSize": "1MiB", "maxMapSize": "1GiB"})
    daemon = start_daemon(tmp_path)
    try:
        alice.wait_for(
            lambda entries: {*numbers(entries)} >= {*sent}, sender="my-bot", timeout_s=90
        )
        assert Counter(numbers(alice.inbox("my-bot"))) == Counter(sent)
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0
