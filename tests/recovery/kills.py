"""A real daemon on real sockets, killed with SIGKILL in mid-traffic, again and again.

The mesh lives on in this process, as it would on other machines, and its own record says at the end
what was shown and what was answered: every message once, whatever was killed when.
"""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from store.log.lmdb_log import LmdbLog
from tests.daemon_config import write_config
from ztm_chat.mesh import Entry, Mesh, MeshAgent, MessageLost, MessageRefused, Timing

ROOT = Path(__file__).resolve().parents[2]
SCALE = 0.03
TOKEN = re.compile(r"#(\d+)#")


class Soak:
    """Traffic of three people in direct chats and a group, faults of the mesh, and kills."""

    def __init__(self, folder: Path, seed: int, mesh: Mesh) -> None:
        self.folder = folder
        self.mesh = mesh
        self.random = random.Random(seed)
        self.bot = mesh.join("my-bot")
        self.people = [mesh.join(name) for name in ("alice", "bob", "carol")]
        names = [person.username for person in self.people]
        self.people[0].create_group("team", name="Team", members=[*names, "my-bot"])
        self.sent: dict[int, str] = {}
        self.kills = 0
        self._next = 0
        self._quiet = threading.Event()
        self._traffic = threading.Thread(target=self._talk, args=(seed,), daemon=True)
        config_of(folder, self.bot)

    # The daemon

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the daemon as a user would."""
        return start_daemon(self.folder)

    def kill_again_and_again(self, kills: int) -> None:
        """`kills` times: start, let it work for a random while, SIGKILL."""
        self._traffic.start()
        for _ in range(kills):
            daemon = self.start()
            self._disturb()
            time.sleep(self.random.uniform(0.35, 1.3))
            assert daemon.poll() is None, f"the daemon ended by itself:\n{self.daemon_log()}"
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
            self.kills += 1
        self._quiet.set()
        self._traffic.join()

    def finish(self, timeout_s: float = 90.0) -> None:
        """Start once more and wait until everything is answered; then stop in good order."""
        daemon = self.start()
        try:
            self.mesh.wait_for(self._all_answered, timeout_s=timeout_s)
            time.sleep(60 * SCALE)  # what would be answered twice has its time to be
        finally:
            daemon.terminate()
            daemon.wait(10)

    def daemon_log(self) -> str:
        return (self.folder / "daemon.log").read_text()[-4_000:]

    # The people and the mesh

    def _talk(self, seed: int) -> None:
        chance = random.Random(seed + 1)
        while not self._quiet.is_set():
            person = chance.choice(self.people)
            number = self._next = self._next + 1
            text = f"message #{number}#"
            try:
                if chance.random() < 0.3:
                    person.send_to_group("alice", "team", text)
                    self.sent[number] = "team"
                else:
                    person.send("my-bot", text)
                    self.sent[number] = person.username
            except (MessageLost, MessageRefused):
                pass  # the mesh itself lost it: it was never shown to anybody
            time.sleep(chance.uniform(0.05, 0.4))

    def _disturb(self) -> None:
        """One of the mesh's own troubles, now and then."""
        draw = self.random.random()
        if draw < 0.1:
            self.bot.deafen()
        elif draw < 0.2:
            self.bot.lose_posts(2)
        elif draw < 0.3:
            self.mesh.hub_down()
            threading.Timer(self.random.uniform(0.05, 0.6), self.mesh.hub_up).start()
        elif draw < 0.4:
            self.bot.kill()
            threading.Timer(self.random.uniform(0.05, 0.3), self.bot.restart).start()

    # The record

    def answers(self, where: str) -> Iterator[int]:
        """The numbers that the bot answered in one chat, in the order of its own files."""
        reader = self.people[0] if where == "team" else self._person(where)
        for entry in self._from_bot(reader, where):
            yield from (int(number) for number in TOKEN.findall(entry.text))

    def _from_bot(self, reader: MeshAgent, where: str) -> list[Entry]:
        if where == "team":
            found = reader.inbox(group=("alice", "team"))
            return [entry for entry in found if entry.sender == "my-bot"]
        return reader.inbox("my-bot")

    def _person(self, name: str) -> MeshAgent:
        return next(person for person in self.people if person.username == name)

    def _all_answered(self) -> bool | None:
        places = {*self.sent.values()}
        answered = {number for where in places for number in self.answers(where)}
        return True if answered >= set(self.sent) else None

    def check(self) -> None:
        """Seen = decided = answered, once each, and the log is whole."""
        for where in {*self.sent.values()}:
            answered = Counter(self.answers(where))
            expected = Counter(number for number, place in self.sent.items() if place == where)
            assert answered == expected, (
                f"{where}: missing {sorted(expected - answered)}, twice or foreign"
                f" {sorted(answered - expected)}\n{self.daemon_log()}"
            )
        log = LmdbLog.open_reader(self.folder / "log")
        try:
            assert list(log.open_work()) == []
            versions: Counter[str] = Counter()
            for number, recorded in enumerate(log.read(), start=1):
                versions[recorded.stream] += 1
                assert (recorded.seq, recorded.version) == (number, versions[recorded.stream])
        finally:
            log.close()


def config_of(folder: Path, bot: MeshAgent, store: dict[str, str] | None = None) -> None:
    """Write the configuration of a daemon for `bot`, all of whose files are in `folder`."""
    write_config(
        folder,
        bot.url,
        store,
        enableGroups=True,
        groupPolicy="open",
        creatorBypass=False,
        requireMention=False,
        turnBudget=100_000,
    )


def start_daemon(folder: Path) -> "subprocess.Popen[bytes]":
    """Start the daemon that `folder` configures, logging to a file there."""
    environ = {**os.environ, "ZTM_CHAT_TIME_SCALE": str(SCALE), "ZTM_CHAT_LOG_LEVEL": "warn"}
    command = [sys.executable, "-P", "-m", "ztm_chat", "run"]
    with (folder / "daemon.log").open("ab") as errors:
        return subprocess.Popen(
            [*command, "--config", str(folder / "openclaw.yaml")],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )


def soak(folder: Path, kills: int, seed: int) -> Soak:
    """A whole soak; returns it for what it can tell."""
    with Mesh(timing=Timing().scaled(SCALE)) as mesh:
        run = Soak(folder, seed, mesh)
        run.kill_again_and_again(kills)
        run.finish()
        run.check()
    return run
