"""The demo as a reader runs it: real processes, and what is left when it is over."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from select import select
from typing import IO

import pytest

from events.streams import PeerId, conversation_stream
from ztm_chat.demo.crash import CrashScene
from ztm_chat.demo.runner import FAILED, INTERRUPTED, run_demo
from ztm_chat.demo.sandbox.log_view import Message
from ztm_chat.demo.sandbox.sandbox import ALICE, BOT, ExpectationFailed, open_sandbox
from ztm_chat.demo.screen import Screen

COMMAND = [sys.executable, "-P", "-m", "ztm_chat", "demo"]
SPEED = "20"
SCENES = [
    "0  The daemon joins the mesh",
    "1  A stranger writes",
    "2  The operator approves",
    "3  In the group, only a mention counts",
    "4  The Chat app goes deaf",
    "5  kill -9 in the middle of a turn",
    "6  Why? The trail of one message",
]
PROCESS = re.compile(r"\(process (\d+)\)")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the demo; its temporary folder is made in `tmp_path`."""
    started = []

    def demo(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*COMMAND, "--speed", SPEED, *arguments],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        started.append(process)
        return process

    yield demo
    for process in started:
        process.kill()
        process.communicate()


def output_of(process: "subprocess.Popen[str]") -> IO[str]:
    assert process.stdout
    return process.stdout


def read_until(process: "subprocess.Popen[str]", wanted: str) -> str:
    """What it prints up to the line that matches `wanted`."""
    output = ""
    for line in output_of(process):
        output += line
        if re.search(wanted, line):
            return output
    pytest.fail(f"it ended without {wanted!r}:\n{output}")


def write(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def assert_nothing_is_left_behind(output: str, folder: Path) -> None:
    assert list(folder.iterdir()) == []
    daemons = [int(process) for process in PROCESS.findall(output)]
    for daemon in daemons:
        with pytest.raises(ProcessLookupError):
            os.kill(daemon, 0)


def test_the_demo_runs_every_scene_and_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    process = start()
    output, _ = process.communicate(timeout=50)
    assert process.returncode == 0, output
    assert [line for line in output.splitlines() if line in SCENES] == SCENES
    assert "4 questions, 4 answers, each exactly once" in output
    assert "8 messages accepted, 8 answered, 1 ignored" in output
    assert len(PROCESS.findall(output)) == 2, "the daemon was started twice"
    assert_nothing_is_left_behind(output, tmp_path)


def test_the_output_is_plain_and_narrow_in_a_pipe(start: Start, tmp_path: Path) -> None:
    process = start("--interactive")
    output, _ = process.communicate("hello\n/what\n", timeout=30)
    assert process.returncode == 0, output
    assert "\x1b" not in output
    lines = output.replace(str(tmp_path), "/tmp").splitlines()
    assert max(map(len, lines)) <= 90
    assert "alice → my-bot   hello" in output


def test_the_reader_types_as_alice_and_is_answered(start: Start, tmp_path: Path) -> None:
    process = start("--interactive")
    write(process, "hello")
    output = read_until(process, r"Pairing code: \w{8}")
    code = output.partition("Pairing code: ")[2][:8]
    write(process, f"/approve {code}")
    output += read_until(process, "You are approved")
    write(process, "hello again")
    output += read_until(process, "You said: hello again")
    write(process, "/group nobody in particular")
    output += read_until(process, "mention_required")
    rest, _ = process.communicate("/group @my-bot and here?\n", timeout=30)
    assert process.returncode == 0, rest
    assert "You said: @my-bot and here?" in rest
    assert_nothing_is_left_behind(output + rest, tmp_path)


def test_the_reader_can_leave_at_once(start: Start, tmp_path: Path) -> None:
    process = start("--interactive")
    output, _ = process.communicate("/quit\n", timeout=30)
    assert process.returncode == 0, output
    assert_nothing_is_left_behind(output, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    process = start()
    output = read_until(process, "2  The operator approves")
    process.send_signal(number)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == INTERRUPTED, rest
    assert "Traceback" not in rest
    assert_nothing_is_left_behind(output + rest, tmp_path)


def test_an_interrupted_interactive_demo_leaves_nothing_behind(
    start: Start, tmp_path: Path
) -> None:
    process = start("--interactive")
    output = read_until(process, "/quit")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == INTERRUPTED, rest
    assert_nothing_is_left_behind(output + rest, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_daemon_dies_with_a_demo_that_is_killed(start: Start) -> None:
    process = start()
    output = read_until(process, r"\(process \d+\)")
    daemon = os.pidfd_open(int(PROCESS.findall(output)[0]))
    try:
        process.kill()
        ended, _, _ = select([daemon], [], [], 10)
        assert ended, "the daemon lives on"
    finally:
        os.close(daemon)


@pytest.mark.parametrize(
    ("agent", "scene", "found"),
    [
        pytest.param(
            {"kind": "command", "argv": ["false"]},
            SCENES[2],
            "found: nothing within 4 s",
            id="an agent that never answers",
        ),
        pytest.param(
            {"kind": "nonsense"},
            SCENES[0],
            "found: the daemon exited with status 2",
            id="a daemon that cannot start",
        ),
    ],
)
def test_a_failure_names_what_was_expected_and_keeps_the_log(
    agent: Mapping[str, object],
    scene: str,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run_demo(speed=10, agent=agent, patience_s=4) == FAILED
    output = capsys.readouterr().out
    assert f"Failed: scene {scene}" in output
    assert found in output
    [folder] = tmp_path.iterdir()
    assert str(folder / "daemon.log") in output
    assert (folder / "daemon.log").is_file()


def test_a_duplicate_answer_fails_the_demo() -> None:
    with open_sandbox(scale=0.05) as sandbox:
        sandbox.bot.accept(sandbox.mesh.permit(BOT, sandbox.bot.public_key))
        stream = conversation_stream(PeerId(BOT, ALICE))
        question = Message(ALICE, stream, "tea?", sandbox.people[ALICE].send(BOT, "tea?"))
        crash = CrashScene(sandbox, Screen())
        sandbox.bot.send(ALICE, "You said: tea?")
        crash.count_answers([question])
        sandbox.bot.send(ALICE, "You said: tea?")
        with pytest.raises(ExpectationFailed, match="'tea\\?': 2"):
            crash.count_answers([question])
