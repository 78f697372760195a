"""The router: actors on demand by stream, idle ones stopped, failed ones started again."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from actors.runtime.dispatcher import ScheduledActor, SimulatedDispatcher
from actors.runtime.lifecycle import RequestPassivation
from actors.runtime.router import LASTED_MS, RESTARTS_AT_ONCE, Router
from events.back_off import PAUSES_S

BREAK = "break"


class Request:
    """A message whose sender waits for what comes of it."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def undelivered(self, reason: str) -> None:
        self.reasons.append(reason)


class Listener(ScheduledActor):
    """Notes what it is told, and fails on `BREAK`, and on whatever `fails_on` it then."""

    passivates: ClassVar[bool] = True
    waits_for = ""

    def __init__(self, rig: "Rig", stream: str) -> None:
        super().__init__(rig.dispatcher)
        self.rig = rig
        self.stream = stream
        self.received = 0
        self.handling: Any = None

    def on_receive(self, message: Any) -> None:
        self.received += 1
        self.handling = message
        if message == BREAK or message in self.rig.fails_on:
            raise RuntimeError(message)
        if isinstance(message, RequestPassivation):
            self.rig.router.passivate(self.stream, self.received)
        else:
            self.rig.heard.append((self.stream, message))

    def on_failure(self, *_: Any) -> None:
        self.rig.router.failed(
            self.stream,
            self.actor_ref,
            handling=self.handling,
            waiting=self.undelivered,
            error="RuntimeError",
        )


class Rig:
    """A router whose actors, clock and timers are the test's."""

    def __init__(self) -> None:
        self.dispatcher = SimulatedDispatcher(1)
        self.heard: list[tuple[str, Any]] = []
        self.fails_on: set[str] = set()
        self.instead: dict[Any, list[Any]] = {}
        self.lost: list[str] = []
        self.started: list[str] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.now_ms = 1_000
        self.none_for: set[str] = set()
        self.router = Router(
            self.start,
            instead=lambda _, message: self.instead.get(message, []),
            lost=self.lost.append,
            later=lambda seconds, call: self.timers.append((seconds, call)),
            now_ms=lambda: self.now_ms,
        )

    def start(self, stream: str) -> Any:
        if stream == "broken":
            raise ValueError(stream)
        if stream in self.none_for:
            return None
        self.started.append(stream)
        return Listener.start(self, stream)

    def run(self) -> list[Any]:
        """Let everything happen; what was heard since."""
        self.dispatcher.run()
        heard, self.heard = self.heard, []
        return [message for _, message in heard]

    def fail(self, times: int, stream: str = "a") -> None:
        for _ in range(times):
            self.router.tell(stream, BREAK)
            self.dispatcher.run()


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.router.halt("the test is over")
    rig.dispatcher.run()


def test_an_actor_is_started_on_demand_and_only_once(rig: Rig) -> None:
    for message in ("one", "two"):
        rig.router.tell("a", message)
    rig.router.tell("b", "three")
    rig.router.wake("b")
    assert sorted(rig.run()) == ["one", "three", "two"]
    assert rig.started == ["a", "b"]
    assert rig.router.live() == ["a", "b"]
    assert rig.router.live("b") == ["b"]


def test_who_is_not_live_is_not_started_for_what_only_the_living_need(rig: Rig) -> None:
    rig.router.tell_if_live("a", "news")
    assert not rig.started
    rig.router.wake("a")
    rig.router.tell_if_live("a", "news")
    assert rig.run() == ["news"]


@pytest.mark.parametrize("stream", ["broken", "nobody"])
def test_what_nobody_can_be_started_for_is_undelivered(rig: Rig, stream: str) -> None:
    rig.none_for.add("nobody")
    request = Request()
    rig.router.tell(stream, request)
    assert request.reasons == [f"nothing can be told to {stream} now"]
    assert not rig.router.is_live(stream)


# Passivation


def test_an_idle_actor_is_stopped_and_comes_back(rig: Rig) -> None:
    rig.router.tell("a", "hello")
    rig.run()
    rig.now_ms += 500
    rig.router.request_passivation(idle_ms=501)
    rig.run()
    assert rig.router.is_live("a")
    rig.now_ms += 1
    rig.router.request_passivation(idle_ms=501)
    rig.run()
    assert not rig.router.is_live("a")
    rig.router.tell("a", "again")
    assert rig.run() == ["again"]
    assert rig.started == ["a", "a"]


def test_an_actor_that_was_told_more_than_it_received_is_not_stopped(rig: Rig) -> None:
    rig.router.wake("a")
    rig.router.request_passivation(idle_ms=0)
    rig.router.tell("a", "just now")
    assert rig.run() == ["just now"]
    assert rig.router.is_live("a")
    assert rig.started == ["a"]


def test_one_that_must_not_be_stopped_is_never_asked(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "passivates", False)
    rig.router.wake("a")
    rig.router.request_passivation(idle_ms=0)
    rig.run()
    assert rig.router.is_live("a")


# Failure


def test_what_a_failed_actor_had_not_handled_is_told_to_the_next_in_order(rig: Rig) -> None:
    for message in ("one", BREAK, "two", "three"):
        rig.router.tell("a", message)
    assert rig.run() == ["one", "two", "three"]
    assert rig.started == ["a", "a"]
    assert rig.lost == ["a"]
    assert (rig.router.restarts["a"].total, rig.router.restarts["a"].error) == (1, "RuntimeError")


def test_something_else_may_be_told_in_place_of_what_broke_it(rig: Rig) -> None:
    rig.instead[BREAK] = ["half of it", "the other half"]
    for message in (BREAK, "later"):
        rig.router.tell("a", message)
    assert rig.run() == ["half of it", "the other half", "later"]


def test_whoever_waits_for_what_broke_it_hears_why(rig: Rig) -> None:
    request: Any = Request()
    rig.fails_on = {request}
    rig.router.tell("a", request)
    rig.run()
    assert request.reasons == ["a failed: RuntimeError"]


def test_after_failures_in_a_row_it_pauses_longer_and_longer(rig: Rig) -> None:
    rig.fail(RESTARTS_AT_ONCE)
    assert not rig.timers
    for pause in PAUSES_S[:5]:
        rig.fail(1)
        ((seconds, go_on),) = rig.timers
        assert seconds == pause
        rig.timers.clear()
        go_on()
    assert len(rig.started) == 1 + RESTARTS_AT_ONCE + 5


def test_while_it_pauses_mail_is_held_and_requests_are_refused(rig: Rig) -> None:
    rig.fail(RESTARTS_AT_ONCE + 1)
    request = Request()
    for message in ("one", request, "two"):
        rig.router.tell("a", message)
    rig.router.wake("a")
    assert rig.run() == []
    assert request.reasons == ["a failed, and is about to be started again"]
    assert [report.waits_for for report in rig.router.reports()] == ["its restart after failures"]
    ((_, go_on),) = rig.timers
    go_on()
    assert rig.run() == ["one", "two"]


def test_one_that_lasted_begins_the_row_anew(rig: Rig) -> None:
    rig.fail(RESTARTS_AT_ONCE)
    rig.now_ms += LASTED_MS + 1
    rig.fail(1)
    assert not rig.timers
    assert rig.router.restarts["a"].total == RESTARTS_AT_ONCE + 1


# The end


def test_what_is_halted_hears_nothing_any_more_and_says_so(rig: Rig) -> None:
    rig.router.tell("a", "one")
    rig.run()
    rig.fail(RESTARTS_AT_ONCE + 1, "b")
    rig.router.halt("the log is damaged")
    request = Request()
    for stream in ("a", "b", "c"):
        rig.router.tell(stream, request)
    for _, go_on in rig.timers:
        go_on()
    assert rig.run() == []
    assert request.reasons == ["the log is damaged"] * 3
    assert rig.router.live() == []


def test_a_report_says_what_waits(rig: Rig) -> None:
    rig.router.tell("a", "one")
    rig.router.tell("a", "two")
    (report,) = rig.router.reports()
    assert (report.stream, report.inbox) == ("a", 2)
