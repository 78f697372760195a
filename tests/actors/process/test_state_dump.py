"""SIGUSR1 to a process that seems stuck: its log says what every thread and actor is doing."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.process.logs import clean
from actors.process.state_dump import write_state
from tests.daemon_config import write_config

ROOT = Path(__file__).resolve().parents[3]

CHILD = """
import threading
from actors.process.logs import set_up_logs
from actors.process.shutdown_events import DumpState, ShutdownEvents
from actors.process.state_dump import write_state
from actors.runtime.actor_report import ActorReport

reached = threading.Semaphore(0)

def wait_for_ever(password):
    reached.release()
    threading.Event().wait()

def deep(levels):
    deep(levels - 1) if levels else wait_for_ever("hunter2")

set_up_logs({})
threading.Thread(target=wait_for_ever, args=("hunter2",), name="stuck", daemon=True).start()
threading.Thread(target=deep, args=(500,), name="deep", daemon=True).start()
reached.acquire()
reached.acquire()
with ShutdownEvents() as events:
    print("ready", flush=True)
    while isinstance(event := events.wait(), DumpState):
        write_state(
            [
                ActorReport("bot/peer/alice", 3, "append"),
                ActorReport("bot/peer/ben", 0, ""),
                ActorReport("bot/peer/eve", 1, "restart at 12:00:05"),
            ],
            ["bot/peer/alice: send"],
        )
        print("written", flush=True)
    print(event, flush=True)
"""


def test_sigusr1_writes_every_thread_and_actor_to_the_log() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(2):
            process.send_signal(signal.SIGUSR1)
            assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGTERM)
        said, logged = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "Stop(signal='SIGTERM')\n")
    lines = [json.loads(line) for line in logged.splitlines()]
    assert {line["level"] for line in lines} == {"info"}
    events = [line["event"] for line in lines]
    first, second = events[: len(events) // 2], events[len(events) // 2 :]
    assert len(first) == len(second) == 7
    assert first[3:] == [
        "actor bot/peer/alice: inbox 3, waits for append",
        "actor bot/peer/ben: inbox 0, idle",
        "actor bot/peer/eve: inbox 1, waits for restart at 12:00:05",
        "task bot/peer/alice: send",
    ]
    threads = {line.split(":")[0]: line for line in second[:3]}
    assert threads.keys() == {"thread MainThread", "thread stuck", "thread deep"}
    assert "__main__.<module>" in threads["thread MainThread"]
    where = re.compile(r"thread \w+: threading\.\S+ line \d+ < .*__main__\.wait_for_ever line \d+")
    assert where.match(threads["thread stuck"])
    assert where.match(threads["thread deep"]), "where a thread waits is cut off last"
    assert "hunter2" not in logged


def test_a_daemon_answers_sigusr1_and_runs_on(tmp_path: Path) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:1")
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "ztm_chat", "run", "--config", str(config)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stderr is not None
        logged = iter(process.stderr.readline, "")
        assert any("running" in line for line in logged)
        for _ in range(2):
            process.send_signal(signal.SIGUSR1)
            assert any("thread actors-1: " in line for line in logged)
        process.send_signal(signal.SIGTERM)
        assert any("stopped by SIGTERM" in line for line in logged)
        assert process.wait(10) == 0


@pytest.mark.parametrize("line", ["actors.agents.secret.read", "store.log.keyring.key_of"])
def test_names_of_code_are_no_secrets_to_the_log(line: str) -> None:
    assert clean(f"{line} line 123456") == f"{line} line 123456"


def test_a_daemon_without_actors_still_has_threads(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    write_state([], [])
    threads = [record.getMessage().split(":")[0] for record in caplog.records]
    assert "thread MainThread" in threads
