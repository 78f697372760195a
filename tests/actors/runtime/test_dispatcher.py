"""Actors behave as Pykka documents it, on a pool of threads and on one thread under a seed."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest

from actors.runtime.dispatcher import (
    Dispatcher,
    PooledDispatcher,
    ScheduledActor,
    SimulatedDispatcher,
)

Settle = Callable[["pykka.ActorRef[Any]"], None]


class Recorder(ScheduledActor):
    """Keeps what it is told; fails on an exception, answers anything else."""

    def __init__(self, dispatcher: Dispatcher, heard: list[Any]) -> None:
        super().__init__(dispatcher)
        self.heard = heard
        self.busy = threading.Lock()

    def on_start(self) -> None:
        self.heard.append("started")

    def on_receive(self, message: Any) -> Any:
        assert self.busy.acquire(blocking=False), "two messages at a time"
        try:
            if isinstance(message, Exception):
                raise message
            self.heard.append(message)
            return ("answer", message)
        finally:
            self.busy.release()

    def on_stop(self) -> None:
        self.heard.append("stopped")

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        del exception_type, traceback
        self.heard.append(("failed", str(exception_value)))


@pytest.fixture(params=["pooled", "simulated"])
def running(request: pytest.FixtureRequest) -> Iterator[tuple[Dispatcher, Settle]]:
    """A dispatcher, and how to wait until an actor that was told to stop has stopped."""
    if request.param == "simulated":
        simulated = SimulatedDispatcher(seed=1)

        def run(_: "pykka.ActorRef[Any]") -> None:
            simulated.run()

        yield simulated, run
        return
    pooled = PooledDispatcher(workers=2)

    def wait(ref: "pykka.ActorRef[Any]") -> None:
        assert ref.actor_stopped.wait(10)
        pooled.stop()  # joins the threads: what follows from the stop is over too

    yield pooled, wait
    pooled.stop()


def test_messages_are_handled_one_at_a_time_in_order(
    running: tuple[Dispatcher, Settle],
) -> None:
    dispatcher, settle = running
    heard: list[Any] = []
    ref = Recorder.start(dispatcher, heard)
    for number in range(500):
        ref.tell(number)
    ref.stop(block=False)
    settle(ref)
    assert heard == ["started", *range(500), "stopped"]


def test_many_tellers_lose_nothing(running: tuple[Dispatcher, Settle]) -> None:
    dispatcher, settle = running
    heard: list[Any] = []
    ref = Recorder.start(dispatcher, heard)

    def tell(teller: int) -> None:
        for number in range(200):
            ref.tell((teller, number))

    tellers = [threading.Thread(target=tell, args=(teller,)) for teller in range(8)]
    for thread in tellers:
        thread.start()
    for thread in tellers:
        thread.join()
    ref.stop(block=False)
    settle(ref)
    told = heard[1:-1]
    assert len(told) == 1_600
    for teller in range(8):
        assert [number for by, number in told if by == teller] == list(range(200))


def test_an_exception_stops_that_actor_only_and_is_heard_of(
    running: tuple[Dispatcher, Settle],
) -> None:
    dispatcher, settle = running
    broken: list[Any] = []
    healthy: list[Any] = []
    first = Recorder.start(dispatcher, broken)
    second = Recorder.start(dispatcher, healthy)
    first.tell(ValueError("no"))
    first.tell("never handled")
    second.tell("handled")
    second.stop(block=False)
    settle(second)
    assert broken == ["started", ("failed", "no")]
    assert healthy == ["started", "handled", "stopped"]
    assert not first.is_alive()


def test_a_stopped_actor_refuses_messages(running: tuple[Dispatcher, Settle]) -> None:
    dispatcher, settle = running
    ref = Recorder.start(dispatcher, [])
    ref.stop(block=False)
    settle(ref)
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("too late")


def test_asking_is_answered_and_an_exception_goes_to_the_asker() -> None:
    dispatcher = PooledDispatcher()
    ref = Recorder.start(dispatcher, [])
    assert ref.ask("question", timeout=5) == ("answer", "question")
    with pytest.raises(ValueError, match="no"):
        ref.ask(ValueError("no"), timeout=5)
    assert ref.is_alive()
    ref.stop(timeout=5)
    dispatcher.stop()


def test_a_busy_actor_does_not_starve_others() -> None:
    """An actor with a long queue makes room after a turn."""
    dispatcher = SimulatedDispatcher(seed=3)
    order: list[Any] = []
    busy = Recorder.start(dispatcher, order)
    for number in range(1_000):
        busy.tell(number)
    other = Recorder.start(dispatcher, order)
    other.tell("other")
    dispatcher.run(200)
    assert "other" in order


def test_the_same_seed_gives_the_same_order() -> None:
    def trace(seed: int) -> list[Any]:
        dispatcher = SimulatedDispatcher(seed)
        heard: list[Any] = []
        for actor in range(5):
            ref = Recorder.start(dispatcher, heard)
            for number in range(5):
                ref.tell((actor, number))
        dispatcher.run()
        return heard

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)
