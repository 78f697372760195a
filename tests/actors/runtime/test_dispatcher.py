"""Actors behave as Pykka documents it, on a pool of threads and on one thread under a seed."""

import logging
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
    actors_on,
)
from tests.actors.runtime.probes import Gate, Panic, PoolProbe, noted

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


# A dispatcher that stops


def test_a_stopped_pool_abandons_its_actors(pool: PooledDispatcher) -> None:
    other = PooledDispatcher(workers=1)
    ref, elsewhere = PoolProbe.start(pool), PoolProbe.start(other)
    actor = ref.proxy()._actor
    assert ref.ask(noted, timeout=10) == ["on_start"]
    assert actors_on(pool) == [actor]
    pool.stop()
    assert not ref.is_alive()
    assert actors_on(pool) == []
    assert ref not in pykka.ActorRegistry.get_all()
    assert actor.noted == ["on_start"]  # as after a kill: no hook was called
    assert elsewhere.ask(noted, timeout=10) == ["on_start"]
    late = PoolProbe.start(pool)
    assert not late.is_alive()
    other.stop()


def test_an_actor_that_was_abandoned_before_its_turn_does_nothing() -> None:
    pool = PooledDispatcher(workers=1)
    gate, ref = Gate(PoolProbe.start(pool)), PoolProbe.start(pool)
    actor = ref.proxy()._actor
    pool.stop(timeout_s=0.01)  # the only thread is held, and has the other actor still before it
    gate.open()
    pool.stop()
    assert actor.noted == []


def test_who_waits_for_an_abandoned_actor_is_answered() -> None:
    dispatcher = SimulatedDispatcher(seed=1)
    ref = PoolProbe.start(dispatcher)
    asked = ref.ask(noted, block=False)
    dispatcher.stop()
    with pytest.raises(pykka.ActorDeadError):
        asked.get(timeout=10)
    assert dispatcher.run() == 0


# The threads of the pool


class Broken(PoolProbe):
    """A fault of ours, outside of all that an actor does."""

    def take_turn(self, most: int = 1) -> None:
        raise Panic("no")


def test_a_turn_that_raises_is_logged_and_its_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool = PooledDispatcher(workers=1)
    broken = Broken.start(pool)
    assert PoolProbe.start(pool).ask(noted, timeout=10) == ["on_start"]
    assert f"a turn of {broken} raised" in caplog.text
    pool.stop()


def test_the_death_of_a_thread_is_heard() -> None:
    class Refusing(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise SystemExit("the disk is gone")  # threading says nothing at all about this one

    reasons: list[str] = []
    heard = threading.Event()

    def on_death(reason: str) -> None:
        reasons.append(reason)
        heard.set()

    refusing, log = Refusing(), logging.getLogger("actors.runtime.dispatcher")
    pool = PooledDispatcher(workers=1, on_death=on_death)
    log.addFilter(refusing)
    try:
        Broken.start(pool)
        assert heard.wait(10)
    finally:
        log.removeFilter(refusing)
    assert reasons == ["thread actors-0 ended: SystemExit('the disk is gone')"]
    pool.stop()
