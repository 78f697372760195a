"""How long a message waits: until the agent is asked, from the response that held it and from its
sender's POST. Prints a table of milliseconds.


The mesh has the real one's ticks (agents publish once a second, the feed takes half a second), and
runs in this process beside the daemon, so CPU is shared with it.
"""

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import actors.process.daemon
from actors.agents.protocol import Answer, Question
from actors.configuration import load
from actors.process.daemon import Daemon
from actors.ztm.client.ztm_client import ZtmClient
from tests.daemon_config import write_config
from ztm_chat.mesh import Mesh, MeshAgent


class Watch:
    """When texts were first in a response, and when the agent was asked about them (ns)."""

    def __init__(self) -> None:
        self.shown: dict[str, int] = {}
        self.asked: dict[str, int] = {}
        self._more = threading.Condition()

    def response(self, data: bytes | None) -> bytes | None:
        now = time.perf_counter_ns()
        for pack_u64 in (data or b"").decode("utf-8", "replace").split('"'):
            if pack_u64.startswith("message ") and "said" not in pack_u64:
                self.shown.setdefault(pack_u64, now)
        return data

    def question(self, question: Question) -> None:
        now = time.perf_counter_ns()
        with self._more:
            for line in question.messages:
                self.asked.setdefault(line.text, now)
            self._more.notify_all()

    def wait_for(self, count: int, timeout_s: float) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.asked) >= count, timeout_s), (
                f"only {len(self.asked)} of {count} were asked about"
            )


class WatchedAgent:
    """Says nothing, and notes when it was asked."""

    name = "watched"

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    async def ask(self, question: Question) -> Answer:
        self._watch.question(question)
        return Answer(text="", silent=True)

    async def aclose(self) -> None:
        pass


def install(watch: Watch) -> None:
    """Put the watch between the client and the intake, and in the agent's place."""
    file_data = ZtmClient.file_data

    async def watched(self: ZtmClient, path: str, *, max_bytes: int | None = None) -> bytes | None:
        return watch.response(await file_data(self, path, max_bytes=max_bytes))

    def build_agent(settings: Any, *, environ: Mapping[str, str] | None = None) -> WatchedAgent:
        del settings, environ
        return WatchedAgent(watch)

    ZtmClient.file_data = watched  # type: ignore[method-assign]
    vars(actors.process.daemon)["build_agent"] = build_agent


def trickle(people: list[MeshAgent], messages: int) -> dict[str, int]:
    """Single messages at random times; when each was posted (ns)."""
    posted = {}
    for number in range(messages):
        time.sleep(random.uniform(0.3, 1.2))
        text = f"message {number}"
        posted[text] = time.perf_counter_ns()
        random.choice(people).send("my-bot", text)
    return posted


def row(name: str, values: list[int]) -> None:
    ms = sorted(value / 1e6 for value in values)
    p90 = ms[int(len(ms) * 0.9)]
    print(f"{name:44} {statistics.median(ms):9.1f} {p90:9.1f} {ms[-1]:9.1f}  n={len(ms)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=60)
    options = parser.parse_args()
    watch = Watch()
    install(watch)
    with Mesh() as mesh, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bot = mesh.join("my-bot")
        people = [mesh.join(person) for person in ("alice", "bob", "carol")]
        config = write_config(folder, bot.url, turnBudget=100_000)
        daemon = Daemon(load(config, {}), release="bench")
        daemon.start()
        try:
            posted = trickle(people, options.messages)
            watch.wait_for(len(posted), 30)
            print(f"{'milliseconds':44} {'p50':>9} {'p90':>9} {'max':>9}")
            row("sender's POST to agent asked", [watch.asked[t] - posted[t] for t in posted])
            row(
                "response held it to agent asked", [watch.asked[t] - watch.shown[t] for t in posted]
            )
        finally:
            daemon.stop("bench")


if __name__ == "__main__":
    main()
