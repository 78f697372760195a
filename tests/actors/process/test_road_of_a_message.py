"""The road of a warm message and its answer, as a real daemon goes it: the drawing in the design
page is held to it, and so are the numbers of commits and hand-overs."""

import importlib
import re
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import pytest

from actors.edge import Edge
from actors.process.daemon import Daemon
from actors.runtime.router import Router
from actors.ztm.delivering.receipts import Delivery
from events.event import Draft
from events.streams import PeerId, conversation_stream
from events.watermark import WatermarkAdvanced
from store.log.event_log import Outcome
from store.log.lmdb_log import LmdbLog
from tests.actors.daemon_runs import Start
from tests.documentation_pages import DOCS, fences
from ztm_chat.mesh import MeshAgent

ALICE = conversation_stream(PeerId("bot", "alice"))
MAX_HAND_OVERS = 13
COMMITS = [
    ["MessageSeen", "PolicyDecided", "Dispatched"],
    ["AgentReplied", "MessageQueued"],
    ["ReplySent", "WatermarkAdvanced"],
]


def drawn() -> list[str]:
    """The functions in the drawing, in their order."""
    (road,) = [content for path, content in fences("road") if path == DOCS / "design.md"]
    return re.findall(r"^((?:actors|events|store)(?:\.\w+)+)", road, re.MULTILINE)


def code_of(name: str) -> CodeType:
    module, _, function = name.rpartition(".")
    try:
        holder: Any = importlib.import_module(module)
    except ModuleNotFoundError:
        outer, _, kind = module.rpartition(".")
        holder = getattr(importlib.import_module(outer), kind)
    code: CodeType = getattr(holder, function).__code__
    return code


def at_rest(daemon: Daemon, times: int) -> None:
    """Wait until all is done in alice's conversation so many times."""
    events = (
        each.event for each in daemon.log.follow(0, threading.Event()) if each.stream == ALICE
    )
    done = (event for event in events if isinstance(event, WatermarkAdvanced))
    for _ in range(times):
        next(done)


class Trace:
    """Notes the calls of some functions, on any thread, from `begin` on."""

    def __init__(self, names: list[str]) -> None:
        self._names = {code_of(name): name for name in names}
        self.calls: list[str] = []
        self.on = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if self.on and event == "call" and (name := self._names.get(frame.f_code)):
            self.calls.append(name)


@pytest.fixture
def trace() -> Any:
    trace = Trace(drawn())
    threading.setprofile(trace)
    yield trace
    threading.setprofile(None)


def test_a_warm_message_goes_the_way_that_is_drawn(
    start: Start, alice: MeshAgent, trace: Trace
) -> None:
    assert sys.getprofile() is None, "a profiler of its own hides the trace"
    with start() as daemon:
        alice.send("my-bot", "one")
        at_rest(daemon, 1)
        trace.on = True
        alice.send("my-bot", "two")
        at_rest(daemon, 2)
    road = iter(trace.calls)
    for name in drawn():
        assert name in road, f"{name} is not called where it is drawn"


def test_a_warm_message_costs_three_commits_and_few_hand_overs(
    start: Start, alice: MeshAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hand-over is whatever passes from one thread, actor or edge to another."""
    hand_overs: list[str] = []
    commits: list[list[str]] = []
    on = threading.Event()

    def note(kind: type, name: str, what: Callable[..., str | None]) -> None:
        original = getattr(kind, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            if on.is_set() and (said := what(*args, **kwargs)):
                hand_overs.append(said)
            return original(*args, **kwargs)

        monkeypatch.setattr(kind, name, noted)

    append = LmdbLog.append

    def appended(
        self: LmdbLog, drafts: list[Draft], *, expected: Any, then: Callable[[Outcome], None]
    ) -> None:
        def told(outcome: Outcome) -> None:
            hand_overs.append("the writer tells the actor")
            then(outcome)

        if not on.is_set() or ALICE not in expected:
            append(self, drafts, expected=expected, then=then)
            return
        hand_overs.append("the actor tells the writer")
        commits.append([type(draft.event).__name__ for draft in drafts])
        append(self, drafts, expected=expected, then=told)

    monkeypatch.setattr(LmdbLog, "append", appended)
    note(Router, "tell", lambda _, stream, message: f"{type(message).__name__} to {stream}")
    note(Edge, "begin", lambda _, task: type(task).__name__)
    note(Delivery, "confirm", lambda _: "the receipt")
    with start() as daemon:
        alice.send("my-bot", "one")
        at_rest(daemon, 1)
        on.set()
        alice.send("my-bot", "two")
        at_rest(daemon, 2)
    of_alice = [each for each in hand_overs if "account/bot" not in each or ALICE in each]
    assert commits == COMMITS
    assert len(of_alice) <= MAX_HAND_OVERS, "\n".join(of_alice)
