"""Where the demo happens: a mesh with two people, a group, the bot's agent, and a daemon for it."""

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
from ztm_chat.demo.daemon_process import DaemonProcess
from ztm_chat.demo.record import Message, Record
from ztm_chat.mesh import Entry, Mesh, Timing

BOT = "my-bot"
ALICE = "alice"
BOB = "bob"
TEAM = "team"

ECHO: Mapping[str, Any] = {"kind": "echo", "delayMs": 400}
"""The built-in agent, thinking for a moment: so that it can be killed while it thinks."""

T = TypeVar("T")

_LOOK_S = 0.02


class NotSeen(Exception):
    """What should have happened did not: what was expected, and what was found instead."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}; found {found}")
        self.expected = expected
        self.found = found


class Stage:
    """The people, the daemon, and both records. `patience_s`: how long anything may take."""

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
        self.record = Record(folder / "log")
        self.daemon = DaemonProcess(
            self._write_configuration(agent), folder / "daemon.log", scale=scale
        )

    def _write_configuration(self, agent: Mapping[str, Any]) -> Path:
        """The user's own kind of file, and the permit by which the daemon joins the mesh."""
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
        """Start the daemon, and wait for the first such event of its new life."""
        before = self.record.head()
        self.daemon.start()
        self.wait(
            lambda: self.record.find(until, after=before),
            expected=f"the daemon to start ({until.__name__} in its log)",
        )

    def stop_daemon(self) -> None:
        """End the daemon as its operator would. Raises NotSeen unless it ends in good order."""
        try:
            status = self.daemon.stop()
        except subprocess.TimeoutExpired as error:
            raise NotSeen("the daemon to stop", f"nothing of it in {error.timeout:g} s") from error
        if status != 0:
            raise NotSeen("the daemon to stop in good order", f"exit status {status}")

    def operate(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the operator's. Raises NotSeen when it does not end."""
        try:
            return self.daemon.command(*arguments)
        except subprocess.TimeoutExpired as error:
            expected = f"the end of ztm-chat {' '.join(arguments)}"
            raise NotSeen(expected, f"nothing of it in {error.timeout:g} s") from error

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
        """What the bot wrote in this message's chat that holds its text."""
        in_group = "/group/" in message.stream
        said = self.from_bot_to_team() if in_group else self.from_bot(message.sender)
        return [entry for entry in said if message.text in entry.text]

    def times_answered(self, message: Message) -> int:
        """How often the bot gave an answer to this message. An answer may be to several at once."""
        return sum(entry.text.count(message.text) for entry in self.answers(message))

    # Waiting

    def wait(self, question: Callable[[], T | None], *, expected: str) -> T:
        """Ask until the answer is something.

        Raises NotSeen when it takes too long, or when the daemon, once started, has ended.
        """
        deadline = time.monotonic() + self.patience_s
        while True:
            status = self.daemon.exit_status
            answer = question()
            if answer:
                return answer
            if status is not None and self.daemon.pid:
                raise NotSeen(expected, f"that the daemon ended by itself, with status {status}")
            if time.monotonic() > deadline:
                raise NotSeen(expected, f"nothing of it within {self.patience_s:g} s")
            time.sleep(_LOOK_S)


@contextmanager
def open_stage(
    *,
    scale: float,
    keep: bool = False,
    agent: Mapping[str, Any] = ECHO,
    patience_s: float = 30.0,
) -> Iterator[Stage]:
    """A stage on a running mesh, the daemon not yet started.

    At the end the daemon is killed if need be, and the folder removed; unless it is to be kept, or
    something was not as it should be.
    """
    folder = Path(tempfile.mkdtemp(prefix="ztm-chat-demo-"))
    try:
        with Mesh(timing=Timing().scaled(scale)) as mesh:
            stage = Stage(folder, mesh, scale=scale, agent=agent, patience_s=patience_s)
            try:
                yield stage
            finally:
                stage.daemon.kill()
                stage.record.close()
    except Exception:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(folder)


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)
