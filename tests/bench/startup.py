"""How long the daemon takes to start on a long log, and what known conversations cost in memory.

    PYTHONPATH=.:bin .venv/bin/python tests/bench/startup.py [--events 10000,1000000] [--active 100]

For each number of events a log is made, seven events a message, ten messages a conversation; the
daemon is started on it as a process, and a message is sent to it. Prints seconds from the start of
the process until it runs, and until the agent was asked about that message (by the log's own
times), and the memory it then takes. The mesh ticks 20 times as fast as a real one, so what is
measured is the daemon, not the mesh. With --active, so many conversations (groups, as a thousand
people would be a thousand agents) are then spoken in, and the memory is printed again.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path
from random import Random

from events.conversation.events import (
    AgentReplied,
    DecisionInputs,
    Dispatched,
    MessageQueued,
    MessageSeen,
    PolicyDecided,
    ReplySent,
)
from events.event import Body, Draft
from events.policy.account_policy import ToolGrant
from events.watermark import WatermarkAdvanced
from store.log.lmdb_log import LmdbLog
from tests.daemon_config import write_config
from ztm_chat.mesh import Mesh, MeshAgent, Timing

SCALE = 0.05
LIFE = 7
ROOT = Path(__file__).resolve().parents[2]


def life(chance: Random, stream: str, version: int) -> list[Draft]:
    """The events of a message from its arrival to its answer's."""
    now_ms = time.time_ns() // 1_000_000
    body = Body("bot/somebody", "some words", chance.randbytes(16))
    looked_at = DecisionInputs(now_ms, b"p" * 16, 1, "my-bot", 1)
    grant = ToolGrant()
    events = [
        MessageSeen(chance.randbytes(16), "somebody", now_ms, body.digest, 10, "feed"),
        PolicyDecided(version + 1, "process", "allowed", "dm-policy", False, grant, looked_at),
        Dispatched((version + 1,), "somebody", "echo", grant),
        AgentReplied(version + 3, 1, body.digest, 10, silent=False, elapsed_ms=1),
        MessageQueued("reply", body.digest, 10, version + 3),
        ReplySent(version + 5, now_ms, reconciled=False, posts=1),
        WatermarkAdvanced(now_ms),
    ]
    first = Draft(stream, events[0], bodies=(body,))
    return [first, *(Draft(stream, event) for event in events[1:])]


def fill(folder: Path, events: int) -> int:
    """Make a log of about so many events; how many conversations it has."""
    chance = Random(1)
    conversations = max(1, events // 70)
    versions = [0] * conversations
    log = LmdbLog.open(folder)
    room = threading.Semaphore(2_000)
    for number in range(events // LIFE):
        of = number % conversations
        stream = f"account/bot/peer/known{of}"
        drafts = life(chance, stream, versions[of])
        room.acquire()
        log.append(drafts, expected={stream: versions[of]}, then=lambda _: room.release())
        versions[of] += LIFE
    log.close()
    return conversations


def resident_mb(pid: int) -> float:
    """A process's own memory, without the pages of the log that it maps, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1_024
    return 0.0


def speak_in_groups(alice: MeshAgent, count: int, log_folder: Path) -> None:
    """Say something in so many groups with the bot, and wait until all are answered."""
    groups = [("alice", f"group{number}") for number in range(count)]
    for creator, group in groups:
        alice.create_group(group, name=group, members=[creator, "my-bot"])
    for creator, group in groups:
        alice.send_to_group(creator, group, "hello again")
    log = LmdbLog.open_reader(log_folder)
    sent = (
        record for record in log.follow(0, threading.Event()) if isinstance(record.event, ReplySent)
    )
    in_groups = (reply.stream for reply in sent if "/group/" in reply.stream)
    assert len(set(islice(in_groups, count))) == count
    log.close()


def measure(events: int, active: int) -> None:
    """Make the log, start the daemon on it, speak to it; print a row."""
    with tempfile.TemporaryDirectory() as name, Mesh(timing=Timing().scaled(SCALE)) as mesh:
        folder = Path(name)
        conversations = fill(folder / "log", events)
        bot, alice = mesh.join("my-bot"), mesh.join("alice")
        write_config(folder, bot.url, enableGroups=True, groupPolicy="open", requireMention=False)
        alice.send("my-bot", "hello")
        began = time.time()
        daemon = subprocess.Popen(
            [sys.executable, "-P", "-m", "ztm_chat", "run", "--config", folder / "openclaw.yaml"],
            cwd=ROOT,
            env={**os.environ, "ZTM_CHAT_TIME_SCALE": str(SCALE)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert daemon.stderr is not None
        try:
            daemon.stderr.readline()
            runs = time.time() - began
            alice.wait_for(bool, sender="my-bot", timeout_s=60)
            memory = resident_mb(daemon.pid)
            speak_in_groups(alice, active, folder / "log")
            busy = resident_mb(daemon.pid)
        finally:
            daemon.terminate()
            daemon.wait(10)
        log = LmdbLog.open_reader(folder / "log")
        asked = next(
            record.time / 1e9
            for record in log.read_stream("account/bot/peer/alice")
            if isinstance(record.event, Dispatched)
        )
        size = log.stats().used / 2**20
        log.close()
        print(
            f"{events:>12,} {conversations:>13,} {size:>8,.0f} {runs:>8.2f} {asked - began:>8.2f}"
            f" {memory:>8.0f} {busy:>8.0f}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", default="10000,1000000")
    parser.add_argument("--active", type=int, default=0)
    options = parser.parse_args()
    print(
        f"{'events':>12} {'conversations':>13} {'log MB':>8} {'runs s':>8} {'asked s':>8}", end=""
    )
    print(f" {'MB':>8} {'MB busy':>8}")
    for events in options.events.split(","):
        measure(int(events), options.active)


if __name__ == "__main__":
    main()
