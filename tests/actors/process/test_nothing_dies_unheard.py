"""A fault at every boundary: after it the daemon answers a message again, or has stopped with the
reason.

Each fault is raised once, as an `Exception` and as what is none (a Rust library's panic). What
stops the run is heard by `on_failure`, upon which the supervisor starts another one.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from actors.account import AccountActor
from actors.agents.runner import AgentRunner
from actors.configuration import load
from actors.conversation import ConversationActor
from actors.gateway import GatewayActor
from actors.policy_contexts import PolicyContexts
from actors.process.control import Control
from actors.process.daemon import Daemon
from actors.runtime.dispatcher import PooledDispatcher
from actors.runtime.event_sourced import EventSourced
from actors.runtime.loader import Loader
from actors.ztm.account_edge import AccountEdge
from actors.ztm.delivering.deliveries import Deliveries
from actors.ztm.timing import Timing
from actors.ztm.watching.chat_source import ChatSource
from actors.ztm.watching.feed import Feed
from store.keys.keyring import Keyring
from store.log.committer import Committer
from store.log.lmdb_log import LmdbLog
from tests.actors.daemon_runs import SCALE, replies, texts
from tests.daemon_config import write_config
from ztm_chat.mesh import MeshAgent


class RustPanic(BaseException):
    """As pyo3 raises it: no Exception."""


Fault = type[BaseException]
Place = tuple[type, str]

GOES_ON: dict[str, Place] = {
    "a conversation's handler": (ConversationActor, "handle"),
    "what a conversation does when events are durable": (ConversationActor, "on_applied"),
    "the account's handler": (AccountActor, "handle"),
    "the gateway's handler": (GatewayActor, "handle"),
    "an actor that begins": (EventSourced, "on_start"),
    "starting an actor": (PolicyContexts, "of"),
    "loading a state": (Loader, "state"),
    "asking the agent": (AgentRunner, "ask"),
    "sending": (AccountEdge, "send"),
    "watching": (AccountEdge, "watch"),
    "the feed": (Feed, "cycle"),
    "the Chat API": (ChatSource, "poll"),
    "delivering": (Deliveries, "deliver"),
    "the operator's socket": (Control, "serve"),
    "destroying old keys": (LmdbLog, "expire"),
    "the scrub": (LmdbLog, "prove_after"),
}
"""Where a fault is answered within the run."""

STOPS: dict[str, Place] = {
    "the commit": (Committer, "commit"),
    "the file of keys": (Keyring, "ciphers"),
    "a thread of the dispatcher": (PooledDispatcher, "_give_turn"),
}
"""Where a fault ends the run, with the reason."""


def break_once(monkeypatch: pytest.MonkeyPatch, place: Place, fault: Fault) -> None:
    """Let the next call of a method fail, on any thread but this one, which starts daemons: what
    fails there is raised to whoever starts one."""
    kind, name = place
    original: Callable[..., Any] = getattr(kind, name)
    left = [fault("broken on purpose")]
    here = threading.current_thread()

    def breaks(*args: Any, **kwargs: Any) -> Any:
        if left and threading.current_thread() is not here:
            raise left.pop()
        return original(*args, **kwargs)

    monkeypatch.setattr(kind, name, breaks)


class Runs:
    """Runs of the daemon, as the supervisor starts them; `reasons` are what ended one."""

    def __init__(self, config: Path) -> None:
        self.config = load(config, {})
        self.reasons: SimpleQueue[str] = SimpleQueue()
        self.daemon: Daemon

    def start(self, reopened: str = "") -> None:
        self.daemon = Daemon(
            self.config,
            release="test",
            timing=Timing().scaled(SCALE),
            on_failure=self.reasons.put,
            reopened=reopened,
        )
        self.daemon.start()

    def stop(self) -> None:
        self.daemon.stop("test")


@pytest.fixture
def runs(tmp_path: Path, bot: MeshAgent) -> Iterator[Runs]:
    runs = Runs(write_config(tmp_path, bot.url, {"retention": "28d"}))
    runs.start()
    yield runs
    runs.stop()


@pytest.fixture(params=[ZeroDivisionError, RustPanic])
def fault(request: pytest.FixtureRequest) -> Fault:
    found: Fault = request.param
    return found


def answered(alice: MeshAgent, *said: str) -> bool:
    entries = alice.wait_for(replies(len(said)), sender="my-bot")
    return texts(entries) == [f"You said: {text}" for text in said]


@pytest.mark.parametrize("place", GOES_ON.values(), ids=GOES_ON)
def test_after_a_fault_in_its_first_moments_the_daemon_answers(
    place: Place,
    fault: Fault,
    tmp_path: Path,
    bot: MeshAgent,
    alice: MeshAgent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = Runs(write_config(tmp_path, bot.url, {"retention": "28d"}))
    break_once(monkeypatch, place, fault)
    runs.start()
    alice.send("my-bot", "hello")
    try:
        assert answered(alice, "hello")
        assert runs.reasons.empty()
    finally:
        runs.stop()


@pytest.mark.parametrize("place", GOES_ON.values(), ids=GOES_ON)
def test_after_a_fault_in_mid_work_the_daemon_answers(
    place: Place,
    fault: Fault,
    runs: Runs,
    alice: MeshAgent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice.send("my-bot", "one")
    assert answered(alice, "one")
    break_once(monkeypatch, place, fault)
    runs.daemon.actors.tick() if runs.daemon.actors else None
    for text in ("two", "three"):
        alice.send("my-bot", text)
    alice.wait_for(replies(2), sender="my-bot")
    entries = alice.wait_for(lambda found: "three" in " ".join(texts(found)), sender="my-bot")
    said = " ".join(texts(entries))
    assert all(said.count(text) == 1 for text in ("one", "two", "three"))
    assert runs.reasons.empty()


@pytest.mark.parametrize("place", STOPS.values(), ids=STOPS)
def test_a_fault_that_all_depend_on_ends_the_run_with_the_reason(
    place: Place,
    fault: Fault,
    runs: Runs,
    alice: MeshAgent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice.send("my-bot", "one")
    assert answered(alice, "one")
    break_once(monkeypatch, place, fault)
    alice.send("my-bot", "two")
    reason = runs.reasons.get(timeout=20)
    assert fault.__name__ in reason or "broken on purpose" in reason
    assert runs.daemon.status()["run"]["halted"] == reason
    runs.stop()
    runs.start(reopened=reason)
    assert answered(alice, "one", "two")
