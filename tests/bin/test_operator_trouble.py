"""What an operator meets when something is wrong: a sentence and an exit code, never a trace."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unicodedata import category

import click
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from ztm_chat import cli
from ztm_chat.mesh import Mesh, Timing
from ztm_chat.printing.terminal import as_json_line, safe

ROOT = Path(__file__).resolve().parents[2]
SCALE = 0.04
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
HEAVY = {"httpx", "lmdb", "pykka", "yaml", "structlog", "starlette", "uvicorn", "cryptography"}
COMMAND = [sys.executable, "-P", "-m", "ztm_chat"]

CONFIG = """\
channels:
  ztm-chat:
    accounts:
      bot: {{agentUrl: "{url}", permitSource: file, permitFilePath: {folder}/permit.json,
             meshName: demo-mesh, username: my-bot}}
"""


class Place:
    """A folder with a configuration, and commands run for it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        config = folder / "openclaw.yaml"
        config.write_text(CONFIG.format(folder=folder, url=url))
        self.environ = {
            **os.environ,
            "ZTM_CHAT_CONFIG": str(config),
            "ZTM_CHAT_STATE_DIR": str(self.state),
            "ZTM_CHAT_TIME_SCALE": str(SCALE),
            "ZTM_CHAT_LOG_LEVEL": "info",
        }

    def run(self, *words: str, code: int = 0, **environ: str) -> str:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=ROOT,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        shown = done.stdout + done.stderr
        assert done.returncode == code, shown
        assert "Traceback" not in shown
        return shown

    def start(self) -> "subprocess.Popen[str]":
        daemon = subprocess.Popen(
            [*COMMAND, "run"], cwd=ROOT, env=self.environ, stderr=subprocess.PIPE, text=True
        )
        assert daemon.stderr is not None
        assert "running: 1 account" in daemon.stderr.readline()
        return daemon


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "http://127.0.0.1:9")  # where nobody listens


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(timing=Timing().scaled(SCALE)) as mesh:
        yield mesh


def test_an_unusable_folder_is_reported_in_one_line(place: Place) -> None:
    place.state.write_text("a file")
    shown = place.run("run", code=2)
    assert f"{place.state}/log" in shown
    assert len(shown.splitlines()) == 1


def test_a_socket_path_too_long_for_the_system_names_the_option(place: Place) -> None:
    long = place.folder / ("x" * 120)
    assert "set gateway.socket" in place.run("run", code=2, ZTM_CHAT_STATE_DIR=str(long))


@pytest.mark.parametrize("scale", ["fast", "-1", "0", "nan", "1e9"])
def test_a_time_scale_that_makes_no_sense_is_refused(place: Place, scale: str) -> None:
    assert "ZTM_CHAT_TIME_SCALE" in place.run("run", code=2, ZTM_CHAT_TIME_SCALE=scale)


def test_signals_right_after_the_start_are_obeyed(place: Place) -> None:
    for number in (signal.SIGTERM, signal.SIGINT) * 3:
        daemon = place.start()
        daemon.send_signal(number)
        _, logged = daemon.communicate(timeout=5)
        assert daemon.returncode == 0, logged
        assert f"stopped by {number.name}" in logged


def test_a_half_sent_request_does_not_hold_up_a_stop(place: Place) -> None:
    daemon = place.start()
    assert daemon.stderr is not None
    assert "no connection" in daemon.stderr.readline()  # the edge is at work
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(str(place.state / "gateway.sock"))
    waiting.sendall(b"POST /pairings/approve HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
    daemon.terminate()
    _, logged = daemon.communicate(timeout=3)
    waiting.close()
    assert daemon.returncode == 0
    assert all(json.loads(line) for line in logged.splitlines())


def test_a_running_daemon_shows_its_actors_and_tasks(tmp_path: Path, mesh: Mesh) -> None:
    place = Place(tmp_path, mesh.join("my-bot").url)
    daemon = place.start()
    alice = mesh.join("alice")
    alice.send("my-bot", "hello")
    alice.wait_for(bool, sender="my-bot")
    assert "actor account/bot" not in place.run("status")
    shown = place.run("status", "--verbose")
    for actor in ("gateway", "account/bot", "account/bot/peer/alice"):
        assert f"actor {actor}: inbox " in shown
    assert "task watch for account/bot" in shown
    daemon.send_signal(signal.SIGUSR1)
    assert daemon.stderr is not None
    logged = ""
    while "actor account/bot/peer/alice: inbox " not in logged:
        logged += daemon.stderr.readline()
    assert "thread log-writer" in logged
    daemon.terminate()
    daemon.communicate(timeout=5)


def test_status_shows_the_last_known_state_when_nothing_runs(tmp_path: Path, mesh: Mesh) -> None:
    place = Place(tmp_path, mesh.join("my-bot").url)
    daemon = place.start()
    alice = mesh.join("alice")
    alice.send("my-bot", "hello")
    alice.wait_for(bool, sender="my-bot")
    daemon.terminate()
    daemon.communicate(timeout=5)
    assert "last known online" in place.run("status")
    (account,) = json.loads(place.run("status", "--json"))["accounts"]
    assert account["online"] is True
    trail = json.loads(place.run("why", "--peer", "alice", "--json"))["events"]
    identity = trail[0]["event"]["identity"]
    wrong = identity[:4] + ("0" if identity[4] != "0" else "1") + "fff"
    assert f"nearest: {identity[:12]}" in place.run("why", wrong, code=1)
    assert place.run("why", identity[:6].upper()) == place.run("why", identity)
    for nonsense in ("", "²", "0x1f", "12 3"):
        assert "neither a sequence nor" in place.run("why", nonsense, code=1)


def test_an_unknown_request_gets_a_sentence(place: Place) -> None:
    from ztm_chat.failure import Failure
    from ztm_chat.socket_client import ask

    daemon = place.start()
    for method, target in (("GET", "/tomorrow"), ("DELETE", "/status")):
        with pytest.raises(Failure, match=f"unknown request {method} {target}"):
            ask(place.state / "gateway.sock", method, target)
    daemon.terminate()
    daemon.communicate(timeout=5)


def broken() -> click.Command:
    @click.command()
    def command() -> None:
        raise RuntimeError("\x1b[31mred")

    return command


@pytest.mark.parametrize(("level", "traced"), [("info", False), ("debug", True)])
def test_an_internal_error_is_one_sentence_and_a_traceback_on_demand(
    monkeypatch: pytest.MonkeyPatch, level: str, traced: bool
) -> None:
    monkeypatch.setenv("ZTM_CHAT_LOG_LEVEL", level)
    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: broken())
    done = CliRunner().invoke(cli.cli, ["status"])
    assert done.exit_code == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ztm-chat: internal error (RuntimeError: \\x1b[31mred)")
    assert ("Traceback" in done.stderr) is traced


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-P", "-m", "ztm_chat", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.split("\n")
    }
    assert "click" in imported
    assert not imported & (HEAVY | {"actors", "store", "events"})


@given(st.text())
@example("\x1b[31m \x9b \u202e \u2028 \U000e0001 \ud800 é 你好")
def test_no_name_can_control_a_terminal(name: str) -> None:
    assert not {category(char) for char in safe(name)} & UNSAFE


@given(st.text())
@example('\x1b[31m \x9b \u202e \u2028 \U000e0001 \ud800 " \\ é 你好')
def test_json_for_a_terminal_is_as_harmless_and_means_the_same(name: str) -> None:
    line = as_json_line({name: [name]})
    assert not {category(char) for char in line} & UNSAFE
    assert json.loads(line) == {name: [name]}
