"""The demo's world: a mesh with two people, a group and the bot's agent, and a daemon for it."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from events.event import Event
from events.streams import GroupId, PeerId, conversation_stream
from ztm_chat.demo.sandbox.daemon_process import DaemonProcess
from ztm_chat.demo.sandbox.log_view import LogView, Message
from ztm_chat.mesh import Entry, Mesh, Timing

BOT = "my-bot"
ALICE = "alice"
BOB = "bob"
TEAM = "team"

ECHO: Mapping[str, Any] = {"kind": "echo", "delayMs": 400}
"""The built-in agent, slowed down so that the daemon can be killed in the middle of a turn."""

T = TypeVar("T")

_LOOK_S = 0.02


class ExpectationFailed(Exception):
    """Something did not happen: what was expected, and what was found instead."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}; found {found}")
        self.expected = expected
        self.found = found


class Sandbox:
    """The people, the daemon, and both records. `patience_s`: how long any step may take."""

    def __init__(
        self, folder: Path, mesh: Mesh, *, scale: float, agent: Mapping[str, Any], patience_s: float
    ) -> None:
        self.folder = folder
        self.mesh = mesh
        self.scale = scale
        self.patience_s = patience_s
        self.bot = mesh.start_agent(username=BOT)
        self.people = {name: mesh.join(name) for name in (ALICE, BOB)}
        self.people[ALICE].create_group(TEAM, name="Team", members=[ALICE, BOB, BOT])
        self.log = LogView(folder / "log")
        self.daemon = DaemonProcess(
            self._write_configuration(agent), folder / "daemon.log", scale=scale
        )

    def _write_configuration(self, agent: Mapping[str, Any]) -> Path:
        """A configuration as a user writes it, and the permit to join the mesh."""
        permit = self.mesh.permit(BOT, self.bot.public_key)
        _write_private(self.folder / "permit.json", json.dumps(permit))
        account = {
            "agentUrl": self.bot.url,
            "permitSource": "file",
            "permitFilePath": "permit.json",
            "meshName": self.mesh.name,
            "username": BOT,
            "dmPolicy": "pairing",
            "enableGroups": True,
            "groupPolicy": "open",
            "requireMention": True,
            "agent": dict(agent),
        }
        section = {
            "store": {"path": "log"},
            "gateway": {"socket": "socket"},
            "accounts": {BOT: account},
        }
        path = self.folder / "openclaw.yaml"
        _write_private(path, yaml.safe_dump({"channels": {"ztm-chat": section}}, sort_keys=False))
        return path

    def start_daemon(self, *, until: type[Event]) -> None:
        """Start the daemon, and wait for the first new event of this type."""
        before = self.log.head()
        self.daemon.start()
        self.wait(
            lambda: self.log.find(until, after=before),
            expected=f"the daemon to start ({until.__name__} in its log)",
        )

    def stop_daemon(self) -> None:
        """Stop the daemon by SIGTERM. Raises ExpectationFailed unless it exits with status 0."""
        try:
            status = self.daemon.stop()
        except subprocess.TimeoutExpired as error:
            raise ExpectationFailed(
                "the daemon to stop", f"it still runs after {error.timeout:g} s"
            ) from error
        if status != 0:
            raise ExpectationFailed("the daemon to exit with status 0", f"exit status {status}")

    def operate(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as the operator. Raises ExpectationFailed when it does not end."""
        try:
            return self.daemon.command(*arguments)
        except subprocess.TimeoutExpired as error:
            expected = f"ztm-chat {' '.join(arguments)} to end"
            raise ExpectationFailed(expected, f"it still runs after {error.timeout:g} s") from error

    # What people do

    def write(self, person: str, text: str) -> Message:
        """A person writes to the bot."""
        sent_ms = self.people[person].send(BOT, text)
        return Message(person, conversation_stream(PeerId(BOT, person)), text, sent_ms)

    def write_to_team(self, person: str, text: str) -> Message:
        """A person writes to the group."""
        sent_ms = self.people[person].send_to_group(ALICE, TEAM, text)
        return Message(person, conversation_stream(GroupId(BOT, ALICE, TEAM)), text, sent_ms)

    # What the mesh's own record says

    def from_bot(self, person: str) -> list[Entry]:
        """What the bot wrote to a person, in the order of publication."""
        return [entry for entry in self.mesh.transcript(person, BOT) if entry.sender == BOT]

    def from_bot_to_team(self) -> list[Entry]:
        """What the bot wrote to the group."""
        said = self.mesh.group_transcript(ALICE, TEAM)
        return [entry for entry in said if entry.sender == BOT]

    def answers(self, message: Message) -> list[Entry]:
        """The bot's messages in the same chat that quote this message's text."""
        in_group = "/group/" in message.stream
        said = self.from_bot_to_team() if in_group else self.from_bot(message.sender)
        return [entry for entry in said if message.text in entry.text]

    def times_answered(self, message: Message) -> int:
        """How often the bot has answered this message. One answer may quote several messages."""
        return sum(entry.text.count(message.text) for entry in self.answers(message))

    # Waiting

    def await_no_open_work(self) -> None:
        """Wait until the daemon has finished everything that it began."""
        self.wait(lambda: not self.log.open_work(), expected="the daemon to finish its work")

    def wait(self, question: Callable[[], T | None], *, expected: str) -> T:
        """Ask until the answer is truthy, and return it.

        Raises ExpectationFailed after `patience_s`, or when the daemon has exited.
        """
        deadline = time.monotonic() + self.patience_s
        while True:
            status = self.daemon.exit_status
            answer = question()
            if answer:
                return answer
            if status is not None and self.daemon.pid:
                raise ExpectationFailed(expected, f"the daemon exited with status {status}")
            if time.monotonic() > deadline:
                raise ExpectationFailed(expected, f"nothing within {self.patience_s:g} s")
            time.sleep(_LOOK_S)


@contextmanager
def open_sandbox(
    *,
    scale: float,
    keep: bool = False,
    agent: Mapping[str, Any] = ECHO,
    patience_s: float = 30.0,
) -> Iterator[Sandbox]:
    """A sandbox on a running mesh, the daemon not yet started.

    At the end the daemon is killed if it still runs, and the folder is removed, unless `keep` is
    set or an exception is on its way.
    """
    folder = Path(tempfile.mkdtemp(prefix="ztm-chat-demo-"))
    try:
        with Mesh(timing=Timing().scaled(scale)) as mesh:
            sandbox = Sandbox(folder, mesh, scale=scale, agent=agent, patience_s=patience_s)
            try:
                yield sandbox
            finally:
                sandbox.daemon.kill()
                sandbox.log.close()
    except Exception:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(folder)


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)
