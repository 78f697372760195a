"""The command line as an operator uses it: real processes, a real mesh, real signals."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import msgspec
import pytest

from store.log.lmdb_log import LmdbLog
from ztm_chat.mesh import Entry, Mesh, MeshAgent, Timing

ROOT = Path(__file__).resolve().parents[2]
SCALE = 0.04

CONFIG = """\
channels:
  ztm-chat:
    store: {{path: {folder}/state/log}}
    gateway: {{socket: {folder}/state/socket}}
    accounts:
      bot:
        agentUrl: {url}
        permitSource: file
        permitFilePath: {folder}/permit.json
        meshName: demo-mesh
        username: my-bot
        {options}
"""


class Operator:
    """Runs commands for the configuration in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **os.environ,
            "ZTM_CHAT_CONFIG": str(folder / "openclaw.yaml"),
            "ZTM_CHAT_TIME_SCALE": str(SCALE),
            "ZTM_CHAT_LOG_LEVEL": "info",
        }

    def configure(self, url: str, options: str = "dmPolicy: pairing") -> None:
        text = CONFIG.format(folder=self.folder, url=url, options=options)
        (self.folder / "openclaw.yaml").write_text(text)

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints; it has to end with `code`."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ztm_chat", *words],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def start(self) -> "subprocess.Popen[str]":
        """Start the daemon and wait until it says that it runs."""
        daemon = subprocess.Popen(
            [sys.executable, "-P", "-m", "ztm_chat", "run"],
            cwd=ROOT,
            env=self.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert daemon.stderr is not None
        line = daemon.stderr.readline()
        assert "running: 1 account" in line, line + daemon.stderr.read()
        return daemon


def stop(daemon: "subprocess.Popen[str]") -> str:
    """Stop the daemon in good order; the rest of what it logged."""
    daemon.terminate()
    _, logged = daemon.communicate(timeout=10)
    assert daemon.returncode == 0, logged
    return logged


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(timing=Timing().scaled(SCALE)) as mesh:
        yield mesh


@pytest.fixture
def bot(mesh: Mesh) -> MeshAgent:
    return mesh.join("my-bot")


@pytest.fixture
def alice(mesh: Mesh) -> MeshAgent:
    return mesh.join("alice")


@pytest.fixture
def operator(tmp_path: Path, bot: MeshAgent) -> Operator:
    operator = Operator(tmp_path)
    operator.configure(bot.url)
    return operator


@pytest.fixture
def daemon(operator: Operator) -> Iterator["subprocess.Popen[str]"]:
    daemon = operator.start()
    yield daemon
    if daemon.poll() is None:
        stop(daemon)


def replies(count: int) -> Any:
    def enough(entries: list[Entry]) -> bool:
        return len(entries) >= count

    return enough


@pytest.mark.usefixtures("daemon")
def test_a_stranger_is_approved_by_the_code_they_were_given(
    operator: Operator, alice: MeshAgent
) -> None:
    alice.send("my-bot", "let me in")
    (asked,) = alice.wait_for(replies(1), sender="my-bot")
    (pending,) = json.loads(operator.run("pairing", "list", "ztm-chat", "--json"))["pending"]
    assert pending["code"] in asked.text
    assert (pending["person"], pending["account"]) == ("alice", "bot")
    assert pending["code"] in operator.run("pairing", "list")
    answer = operator.run("pairing", "approve", "ztm-chat", pending["code"].lower())
    assert answer == "Approved alice (account bot).\n"
    alice.wait_for(replies(2), sender="my-bot")
    alice.send("my-bot", "thank you")
    entries = alice.wait_for(replies(3), sender="my-bot")
    assert entries[-1].text == "You said: thank you"
    assert operator.run("pairing", "revoke", "alice") == "Revoked alice (account bot).\n"
    assert "alice" not in operator.run("pairing", "list")
    assert "no pending pairing request" in operator.run(
        "pairing", "approve", pending["code"], code=1
    )


@pytest.mark.usefixtures("daemon")
def test_a_denied_request_is_gone(operator: Operator, alice: MeshAgent) -> None:
    alice.send("my-bot", "let me in")
    alice.wait_for(replies(1), sender="my-bot")
    (pending,) = json.loads(operator.run("pairing", "list", "--json"))["pending"]
    assert (
        operator.run("pairing", "deny", "ztm", pending["code"]) == "Denied alice (account bot).\n"
    )
    assert operator.run("pairing", "list") == "No pending ztm-chat pairing requests.\n"


@pytest.mark.usefixtures("daemon")
def test_a_wrong_channel_or_too_many_words_are_refused(operator: Operator) -> None:
    assert "unknown channel 'irc'" in operator.run("pairing", "approve", "irc", "X", code=2)
    assert "give one CODE" in operator.run("pairing", "approve", "a", "b", "c", code=2)


def test_status_tells_what_runs_and_what_ran(
    operator: Operator, daemon: "subprocess.Popen[str]", alice: MeshAgent
) -> None:
    alice.send("my-bot", "hello")
    alice.wait_for(replies(1), sender="my-bot")
    shown = operator.run("status")
    assert "Running since" in shown
    assert "bot: my-bot on demo-mesh" in shown
    assert "enabled, online, dm:pairing, groups off, agent:echo" in shown
    (account,) = json.loads(operator.run("status", "--json"))["accounts"]
    assert (account["online"], account["pendingPairings"]) == (True, 1)
    stop(daemon)
    assert "Not running" in operator.run("status")


def test_why_explains_a_message_with_the_daemon_and_without(
    operator: Operator, daemon: "subprocess.Popen[str]", alice: MeshAgent
) -> None:
    alice.send("my-bot", "why \x1b[31mme?")
    alice.wait_for(replies(1), sender="my-bot")
    for _ in range(2):
        shown = operator.run("why", "--peer", "alice", "--last")
        for part in (
            "Received: direct message from alice (source: mesh files).",
            "Pairing required: dmPolicy is pairing (reason pending).",
            "Queued to be sent: pairing.",
        ):
            assert part in shown
        assert "\x1b" not in shown
        if daemon.poll() is None:
            stop(daemon)
    trail = json.loads(operator.run("why", "--peer", "alice", "--json"))["events"]
    assert [record["type"] for record in trail][:2] == ["MessageSeen", "PolicyDecided"]
    identity, seq = trail[0]["event"]["identity"], trail[-1]["seq"]
    assert operator.run("why", identity[:8]) == operator.run("why", str(seq))


def test_why_offers_what_is_near_an_unknown_message(
    operator: Operator, daemon: "subprocess.Popen[str]", alice: MeshAgent
) -> None:
    alice.send("my-bot", "hello")
    alice.wait_for(replies(1), sender="my-bot")
    stop(daemon)
    assert "belongs to no message (it is GatewayStarted)" in operator.run("why", "1", code=1)
    assert "the log ends at" in operator.run("why", "999", code=1)
    assert "no message has an identity that starts with ffff" in operator.run(
        "why", "ffffffffffffff", code=1
    )
    assert "neither a sequence nor" in operator.run("why", "hello", code=1)
    assert "no conversation with" in operator.run("why", "--peer", "nobody", code=1)
    assert "give a MESSAGE" in operator.run("why", code=2)


@pytest.mark.usefixtures("daemon")
def test_the_socket_is_private_and_refuses_what_it_does_not_know(operator: Operator) -> None:
    path = operator.folder / "state" / "socket"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert post(path, "/pairings/approve", b'{"code": "X", "sudo": true}')[0] == 400
    assert post(path, "/pairings/approve", b"not json")[0] == 400
    assert post(path, "/pairings/approve", b'{"code": "%s"}' % (b"x" * 100_000))[0] == 400
    assert post(path, "/pairings/crown", b"{}")[0] == 404
    assert post(path, "/nothing", b"{}")[0] == 404


def post(path: Path, target: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("localhost", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request("POST", target, body)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def test_a_second_daemon_is_told_who_holds_the_log(
    operator: Operator, daemon: "subprocess.Popen[str]"
) -> None:
    refused = operator.run("run", code=2)
    assert f"process {daemon.pid}" in refused
    assert "Stop it first" in refused


def test_a_signal_stops_it_within_five_seconds_and_removes_the_socket(operator: Operator) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        daemon = operator.start()
        began = time.monotonic()
        daemon.send_signal(number)
        _, logged = daemon.communicate(timeout=10)
        assert daemon.returncode == 0
        assert time.monotonic() - began < 5
        assert signal.Signals(number).name in logged
        assert not (operator.folder / "state" / "socket").exists()


def test_a_start_after_a_kill_removes_the_old_socket(operator: Operator) -> None:
    daemon = operator.start()
    daemon.kill()
    daemon.communicate()
    assert (operator.folder / "state" / "socket").exists()
    stop(operator.start())


def test_commands_that_need_the_daemon_say_how_to_start_it(operator: Operator) -> None:
    assert "start it with: ztm-chat run" in operator.run("pairing", "list", code=1)
    assert "there is no log" in operator.run("status", code=1)
    assert "there is no log here" in operator.run("why", "1", code=2)


def test_all_errors_of_a_configuration_are_reported_at_once(operator: Operator) -> None:
    operator.configure("nonsense", "dmPolicy: allowlist\n        apiTimeout: 5")
    shown = operator.run("run", code=2)
    for option in ("agentUrl", "dmPolicy", "apiTimeout"):
        assert f"channels.ztm-chat.accounts.bot.{option}" in shown
    assert shown.count("openclaw.yaml:") == 3


def test_a_missing_configuration_names_the_places_looked_at(operator: Operator) -> None:
    (operator.folder / "openclaw.yaml").unlink()
    assert str(operator.folder / "openclaw.yaml") in operator.run("run", code=2)


def test_a_log_of_a_later_version_is_left_alone(operator: Operator) -> None:
    stop(operator.start())
    path = operator.folder / "state" / "log"
    with (
        lmdb.open(str(path), max_dbs=16, map_size=1 << 30) as env,
        env.begin(write=True, db=env.open_db(b"meta", create=False)) as txn,
    ):
        about = msgspec.msgpack.decode(txn.get(b"about") or b"")
        txn.put(b"about", msgspec.msgpack.encode(about | {"format": 99}))
    assert "later version" in operator.run("run", code=2)


def test_a_file_in_the_place_of_the_socket_is_reported(operator: Operator) -> None:
    (operator.folder / "state").mkdir(mode=0o700)
    (operator.folder / "state" / "socket").write_text("a file")
    assert "is not a socket: move it" in operator.run("run", code=2)


def test_an_account_that_moved_is_refused(operator: Operator, bot: MeshAgent) -> None:
    stop(operator.start())
    config = operator.folder / "openclaw.yaml"
    config.write_text(config.read_text().replace("username: my-bot", "username: other"))
    assert "give it a new account id" in operator.run("run", code=2)
    assert bot.is_connected


def test_the_log_survives_and_is_whole(operator: Operator, alice: MeshAgent) -> None:
    daemon = operator.start()
    alice.send("my-bot", "hello")
    alice.wait_for(replies(1), sender="my-bot")
    stop(daemon)
    log = LmdbLog.open_reader(operator.folder / "state" / "log")
    names = [type(record.event).__name__ for record in log.read()]
    log.close()
    assert names[0] == "GatewayStarted"
    assert names[-1] == "GatewayStopped"


def test_help_names_every_command(operator: Operator) -> None:
    shown = operator.run("--help")
    for name in ("run", "status", "pairing", "why", "demo"):
        assert f"  {name} " in shown
    assert operator.run("--version") == "ztm-chat 0.1.0\n"


def test_a_message_that_the_agent_could_not_answer_is_retried_or_dropped(
    operator: Operator, bot: MeshAgent, alice: MeshAgent
) -> None:
    flag = operator.folder / "works"
    program = operator.folder / "agent"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n[ -e {flag} ] || exit 64\necho at last\n")
    program.chmod(0o755)
    agent = f"agent: {{kind: command, argv: [{program}]}}"
    operator.configure(bot.url, f"dmPolicy: allow\n        {agent}")
    daemon = operator.start()
    assert operator.run("dead-letters", "list") == "No dead letters.\n"
    for text in ("one", "two"):
        alice.send("my-bot", text)
        alice.wait_for(replies(1 if text == "one" else 2), sender="my-bot")
    (apology, _) = alice.inbox("my-bot")
    assert apology.text.startswith("Sorry")
    listed = operator.run("dead-letters", "list", "--json").splitlines()
    first, second = (json.loads(line) for line in listed)
    assert (first["text"], second["text"], first["sender"]) == ("one", "two", "alice")
    assert "The agent failed on attempt 1" in operator.run(
        "dead-letters", "show", str(first["seq"])
    )
    flag.touch()
    assert "will be sent to the agent again" in operator.run(
        "dead-letters", "retry", str(first["seq"])
    )
    entries = alice.wait_for(replies(3), sender="my-bot")
    assert entries[-1].text == "at last"
    assert "was discarded" in operator.run("dead-letters", "drop", str(second["seq"]))
    assert operator.run("dead-letters", "list") == "No dead letters.\n"
    assert "is not a dead letter" in operator.run(
        "dead-letters", "retry", str(first["seq"]), code=1
    )
    assert "sent it to the agent again" in operator.run("why", str(first["seq"]))
    stop(daemon)
