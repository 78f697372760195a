"""Where an actor on a pool goes beyond Pykka's contract."""

import gc
import threading
import weakref
from typing import Any

import pykka
import pytest

from actors.runtime.dispatcher import PooledDispatcher, SimulatedDispatcher
from tests.actors.runtime.probes import Gate, Panic, PoolProbe, ThreadProbe, fail, note, noted

FATAL = [Panic("no"), SystemExit("no"), KeyboardInterrupt("no")]


# A BaseException is the failure of one actor


@pytest.mark.parametrize("error", FATAL, ids=repr)
def test_a_base_exception_is_the_failure_of_that_actor_alone(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    pool = PooledDispatcher(workers=1)
    ref, other = PoolProbe.start(pool), PoolProbe.start(pool)
    actor, gate = ref.proxy()._actor, Gate(ref)
    ref.tell(fail(error))
    waiting = ref.ask(noted, block=False)
    gate.open()
    with pytest.raises(pykka.ActorDeadError):
        waiting.get(timeout=10)
    assert actor.noted == ["on_start", error, "on_failure"]
    assert error in [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert other.ask(noted, timeout=10) == ["on_start"]  # on the only thread
    pool.stop()


def test_pykka_stops_all_actors_for_a_base_exception(pool: PooledDispatcher) -> None:
    """What we do differently, in Pykka itself: no `on_failure`, and everybody stops."""
    ref, other, ours = ThreadProbe.start(), ThreadProbe.start(), PoolProbe.start(pool)
    actor = ref.proxy()._actor
    ref.tell(fail(Panic("no")))
    for each in (ref, other, ours):
        assert each.actor_stopped.wait(10)
    assert "on_failure" not in actor.noted


@pytest.mark.parametrize("error", FATAL, ids=repr)
def test_who_asked_gets_the_base_exception_and_the_actor_fails(
    error: BaseException, pool: PooledDispatcher
) -> None:
    ref = PoolProbe.start(pool)
    actor, gate = ref.proxy()._actor, Gate(ref)
    answer = ref.ask(fail(error), block=False)
    waiting = ref.ask(noted, block=False)
    gate.open()
    with pytest.raises(type(error)):
        answer.get(timeout=10)
    with pytest.raises(pykka.ActorDeadError):
        waiting.get(timeout=10)
    assert actor.noted == ["on_start", error, "on_failure"]


@pytest.mark.parametrize("hook", ["on_start", "on_stop", "on_failure"])
def test_a_base_exception_in_a_hook_ends_no_thread(
    hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    deaths: list[str] = []
    pool = PooledDispatcher(workers=1, on_death=deaths.append)
    error = Panic("no")
    ref = PoolProbe.start(pool, raising={hook: error})
    if hook == "on_stop":
        ref.stop(block=False)
    elif hook == "on_failure":
        ref.tell(fail(ValueError("first")))
    assert ref.actor_stopped.wait(10)
    assert PoolProbe.start(pool).ask(noted, timeout=10) == ["on_start"]
    assert error in [record.exc_info[1] for record in caplog.records if record.exc_info]
    pool.stop()
    assert deaths == []


def test_a_base_exception_reaches_whoever_steps_a_simulation() -> None:
    dispatcher = SimulatedDispatcher(seed=1)
    ref = PoolProbe.start(dispatcher)
    actor = ref.proxy()._actor
    ref.tell(fail(error := KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        dispatcher.run()
    assert actor.noted == ["on_start", error, "on_failure"]


# A failure in on_start


def test_an_exception_in_on_start_is_a_failure(pool: PooledDispatcher) -> None:
    error = ValueError("no")
    held = Held(pool)
    ref = PoolProbe.start(held, raising={"on_start": error})
    actor = ref.proxy()._actor
    asked, stopped = ref.ask(noted, block=False), ref.stop(block=False)
    held.let_go()
    with pytest.raises(pykka.ActorDeadError):
        asked.get(timeout=10)
    assert stopped.get(timeout=10) is True
    assert actor.noted == ["on_start", error, "on_failure"]


# The end of an actor


class Keeper(PoolProbe):
    """Takes what was not delivered while it fails."""

    def on_failure(self, *failure: Any) -> None:
        self.taken = self.undelivered()
        super().on_failure(*failure)


class Held:
    """A dispatcher that passes an actor on only when it is let go."""

    def __init__(self, dispatcher: PooledDispatcher) -> None:
        self._dispatcher = dispatcher
        self._waiting: list[Any] = []

    def submit(self, actor: Any) -> None:
        self._waiting.append(actor)

    def let_go(self) -> None:
        self.submit = self._dispatcher.submit  # type: ignore[method-assign]
        for actor in self._waiting:
            self.submit(actor)


def test_a_failing_actor_takes_what_was_told_and_leaves_who_waits(pool: PooledDispatcher) -> None:
    ref = Keeper.start(pool)
    actor, gate = ref.proxy()._actor, Gate(ref)
    told = [note(number) for number in range(3)]
    ref.tell(fail(ValueError("no")))
    ref.tell(told[0])
    asked = ref.ask(noted, block=False)
    ref.tell(told[1])
    stopped = ref.stop(block=False)
    actor.stop()
    ref.tell(told[2])
    assert actor.inbox_length == 7
    gate.open()
    with pytest.raises(pykka.ActorDeadError):
        asked.get(timeout=10)
    assert stopped.get(timeout=10) is True
    assert actor.taken == told
    assert actor.inbox_length == 0


@pytest.mark.parametrize("ends", ["stopped", "failed"])
def test_nobody_who_comes_too_late_waits_for_ever(ends: str, pool: PooledDispatcher) -> None:
    """Who saw the actor alive may still come when it is over."""
    ref = PoolProbe.start(pool)
    if ends == "stopped":
        ref.stop(timeout=10)
    else:
        ref.tell(fail(ValueError("no")))
        assert ref.actor_stopped.wait(10)
    pool.stop()  # its threads are over, so the actor's last turn is
    ref.is_alive = lambda: True  # type: ignore[method-assign]
    with pytest.raises(pykka.ActorDeadError):
        ref.ask(noted, timeout=10)
    assert ref.stop(timeout=10) is False
    with pytest.raises(pykka.ActorDeadError):
        ref.tell(note("late"))


class ToldTooLate(PoolProbe):
    """Is told something by one who saw it alive, after it has taken what was not delivered."""

    def on_failure(self, *failure: Any) -> None:
        del failure
        self.undelivered()
        self.actor_ref.is_alive = lambda: True  # type: ignore[method-assign]
        try:
            self.actor_ref.tell(note("late"))
        except pykka.ActorDeadError:
            self.noted.append("refused")


def test_nothing_more_is_accepted_once_an_actor_fails() -> None:
    dispatcher = SimulatedDispatcher(seed=1)
    ref = ToldTooLate.start(dispatcher)
    actor = ref.proxy()._actor
    ref.tell(fail(ValueError("no")))
    dispatcher.run()
    assert actor.noted == ["on_start", "refused"]


def ask_for_ever(ref: "pykka.ActorRef[Any]") -> None:
    while True:
        ref.ask(noted, timeout=10)


def test_every_teller_and_asker_of_an_actor_that_fails_hears_of_it(pool: PooledDispatcher) -> None:
    """Each message is handled, or handed back, or refused; each asker is answered."""
    for _ in range(20):
        ref = Keeper.start(pool)
        actor = ref.proxy()._actor
        accepted: list[Any] = []
        refused = threading.Event()

        def tell(ref: Any = ref, accepted: list[Any] = accepted, gone: Any = refused) -> None:
            try:
                for number in range(100_000):
                    ref.tell(message := note(number))
                    accepted.append(message)
            except pykka.ActorDeadError:
                gone.set()

        teller = threading.Thread(target=tell)
        teller.start()
        ref.tell(fail(ValueError("no")))
        with pytest.raises(pykka.ActorDeadError):
            ask_for_ever(ref)
        teller.join()
        assert refused.is_set()
        handled = [entry for entry in actor.noted if isinstance(entry, int)]
        assert len(handled) + len(actor.taken) == len(accepted)


def test_a_stopped_actor_is_given_back_while_others_know_its_ref(pool: PooledDispatcher) -> None:
    ref = PoolProbe.start(pool)
    actor = weakref.ref(ref.proxy()._actor)
    ref.stop(timeout=10)
    pool.stop()
    gc.collect()
    assert actor() is None
