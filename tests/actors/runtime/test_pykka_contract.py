"""What Pykka documents of an actor holds for one on a thread of its own, and for ours on a pool.

Each test runs on both: that it passes on `pykka.ThreadingActor` shows that it states Pykka's
contract and not ours. Where ours differs on purpose is in `test_scheduled_actor.py`.
"""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import pykka
import pytest

from actors.runtime.dispatcher import PooledDispatcher, ScheduledActor
from tests.actors.runtime.probes import (
    Gate,
    PoolProbe,
    Probe,
    Start,
    ThreadProbe,
    fail,
    note,
    noted,
)

NO = ValueError("no")

EITHER: Any = Probe  # mypy wants a concrete class where Pykka documents any superclass


@pytest.fixture(params=["thread", "pool"])
def start(request: pytest.FixtureRequest, pool: PooledDispatcher) -> Iterator[Start]:
    yield ThreadProbe.start if request.param == "thread" else partial(PoolProbe.start, pool)
    pykka.ActorRegistry.stop_all(timeout=10)


def errors(caplog: pytest.LogCaptureFixture) -> list[BaseException | None]:
    """What was logged as an unhandled exception."""
    return [
        record.exc_info[1]
        for record in caplog.records
        if record.levelno == logging.ERROR and record.exc_info
    ]


def probe(ref: "pykka.ActorRef[Probe]") -> Probe:
    """The actor itself, to be looked at once it has stopped."""
    return ref.proxy()._actor


def stop_and_ask(actor: Probe) -> "pykka.Future[Any]":
    """Let the actor stop itself; what it asks of itself behind that is answered at its end."""
    actor.stop()
    return actor.actor_ref.ask(noted, block=False)


# Telling


def test_messages_are_handled_in_the_order_in_which_they_were_told(start: Start) -> None:
    ref = start()
    for number in range(200):
        ref.tell(note(number))
    assert ref.ask(noted, timeout=10) == ["on_start", *range(200)]


def test_telling_a_stopped_actor_is_an_error(start: Start) -> None:
    ref = start()
    ref.stop(timeout=10)
    with pytest.raises(pykka.ActorDeadError):
        ref.tell(note("late"))


def test_a_message_that_no_handler_takes_is_logged(
    pool: PooledDispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    for ref in (pykka.ThreadingActor.start(), ScheduledActor.start(pool)):
        assert ref.ask("hello", timeout=10) is None
        assert "Unexpected message received" in caplog.messages[-1]
        ref.stop(timeout=10)


# Asking


def test_an_asker_gets_the_answer(start: Start) -> None:
    assert start().ask(lambda _: 42, timeout=10) == 42


def test_an_asker_need_not_wait(start: Start) -> None:
    ref = start()
    gate = Gate(ref)
    future = ref.ask(lambda _: 42, block=False)
    gate.open()
    assert future.get(timeout=10) == 42
    assert future.get(timeout=10) == 42


def test_an_exception_goes_to_the_asker_and_the_actor_lives_on(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pykka")
    ref = start()
    with pytest.raises(ValueError, match="no"):
        ref.ask(fail(NO), timeout=10)
    assert ref.is_alive()
    assert ref.ask(noted, timeout=10) == ["on_start"]
    assert any("returned from" in message for message in caplog.messages)
    assert errors(caplog) == []


def test_an_answer_that_takes_too_long_is_a_timeout(start: Start) -> None:
    ref = start()
    gate = Gate(ref)
    with pytest.raises(pykka.Timeout):
        ref.ask(noted, timeout=0.01)
    gate.open()
    assert ref.ask(lambda _: "alive", timeout=10) == "alive"


def test_asking_a_stopped_actor_is_an_error_in_the_future(start: Start) -> None:
    ref = start()
    ref.stop(timeout=10)
    future = ref.ask(noted, block=False)
    with pytest.raises(pykka.ActorDeadError):
        future.get(timeout=10)


# Proxies


def test_a_proxy_calls_methods_in_the_order_of_the_calls(start: Start) -> None:
    proxy = start().proxy()
    proxy.method(1)
    proxy.method.defer(2)
    assert proxy.method(3, named=4).get(timeout=10) == (3,)
    assert proxy.noted.get(timeout=10) == ["on_start", ((1,), {}), ((2,), {}), ((3,), {"named": 4})]


def test_a_proxy_reads_and_sets_attributes(start: Start) -> None:
    proxy = start().proxy()
    assert proxy.attribute.get(timeout=10) == "value"
    proxy.attribute = "other"
    assert proxy.attribute.get(timeout=10) == "other"
    assert proxy.part.double(21).get(timeout=10) == 42
    with pytest.raises(AttributeError):
        _ = proxy.missing


def test_what_a_called_method_raises_is_raised_by_its_future(start: Start) -> None:
    proxy = start().proxy()
    with pytest.raises(ValueError, match="no"):
        proxy.failing().get(timeout=10)
    assert proxy.actor_ref.is_alive()


def test_what_a_deferred_method_raises_is_a_failure(start: Start) -> None:
    ref = start()
    actor, gate = probe(ref), Gate(ref)
    ref.proxy().failing.defer()
    after = ref.ask(noted, block=False)
    gate.open()
    with pytest.raises(pykka.ActorDeadError):
        after.get(timeout=10)
    assert actor.noted[-1] == "on_failure"


def test_an_actor_defers_work_to_itself_behind_what_already_waits(start: Start) -> None:
    ref = start()
    gate = Gate(ref)
    ref.tell(lambda actor: actor.actor_ref.proxy().method.defer("deferred"))
    ref.tell(note("waiting"))
    gate.open()
    ref.ask(noted, timeout=10)
    assert ref.ask(noted, timeout=10) == ["on_start", "waiting", (("deferred",), {})]


def test_there_is_no_proxy_of_a_stopped_actor(start: Start) -> None:
    ref = start()
    ref.stop(timeout=10)
    with pytest.raises(pykka.ActorDeadError):
        ref.proxy()


# Hooks


def test_stopping_calls_on_stop_after_the_last_message_and_not_on_failure(start: Start) -> None:
    ref = start()
    actor = probe(ref)
    ref.tell(note("last"))
    ref.stop(timeout=10)
    assert actor.noted == ["on_start", "last", "on_stop"]


def test_failing_calls_on_failure_and_not_on_stop(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    ref = start()
    actor, gate = probe(ref), Gate(ref)
    ref.tell(fail(NO))
    ref.tell(note("never handled"))
    waiting = ref.ask(noted, block=False)
    gate.open()
    with pytest.raises(pykka.ActorDeadError):
        waiting.get(timeout=10)
    assert actor.noted == ["on_start", NO, "on_failure"]
    assert errors(caplog) == [NO]
    assert not ref.is_alive()


def test_an_exception_in_on_start_is_logged_and_stops_the_actor(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    ref = start(raising={"on_start": NO})
    assert ref.actor_stopped.wait(10)
    assert errors(caplog) == [NO]
    assert ref.stop(timeout=10) is False
    with pytest.raises(pykka.ActorDeadError):
        ref.ask(noted, timeout=10)
    assert ref not in pykka.ActorRegistry.get_all()


def test_an_exception_in_on_stop_is_logged_and_the_actor_stops(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    ref = start(raising={"on_stop": NO})
    actor = probe(ref)
    assert ref.stop(timeout=10) is True
    assert errors(caplog) == [NO]
    assert actor.noted == ["on_start", "on_stop"]


def test_an_exception_in_on_failure_is_logged_and_the_actor_stops(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    second = ValueError("and again")
    ref = start(raising={"on_failure": second})
    gate = Gate(ref)
    ref.tell(fail(NO))
    waiting = ref.ask(noted, block=False)
    gate.open()
    with pytest.raises(pykka.ActorDeadError):
        waiting.get(timeout=10)
    assert errors(caplog) == [NO, second]
    assert not ref.is_alive()


# Stopping


def test_stop_says_whether_the_actor_was_alive(start: Start) -> None:
    ref = start()
    assert ref.is_alive()
    assert ref.stop(timeout=10) is True
    assert not ref.is_alive()
    assert ref.stop(timeout=10) is False


def test_stopping_need_not_be_waited_for(start: Start) -> None:
    ref = start()
    gate = Gate(ref)
    first, second = ref.stop(block=False), ref.stop(block=False)
    assert ref.is_alive()
    gate.open()
    assert first.get(timeout=10) is True
    assert second.get(timeout=10) is True


def test_a_stop_that_takes_too_long_is_a_timeout(start: Start) -> None:
    ref = start()
    gate = Gate(ref)
    with pytest.raises(pykka.Timeout):
        ref.stop(timeout=0.01)
    gate.open()
    assert ref.actor_stopped.wait(10)


def test_messages_before_a_stop_are_handled_and_askers_after_it_get_an_error(start: Start) -> None:
    ref = start()
    actor, gate = probe(ref), Gate(ref)
    ref.tell(note("before"))
    before = ref.ask(lambda _: "answer", block=False)
    stopped = ref.stop(block=False)
    ref.tell(note("after"))
    after = ref.ask(noted, block=False)
    gate.open()
    assert before.get(timeout=10) == "answer"
    assert stopped.get(timeout=10) is True
    with pytest.raises(pykka.ActorDeadError):
        after.get(timeout=10)
    assert actor.noted == ["on_start", "before", "on_stop"]


def test_an_actor_stops_itself_behind_what_already_waits(start: Start) -> None:
    ref = start()
    actor, gate = probe(ref), Gate(ref)
    stopping = ref.ask(stop_and_ask, block=False)
    ref.tell(note("waiting"))
    gate.open()
    with pytest.raises(pykka.ActorDeadError):
        stopping.get(timeout=10).get(timeout=10)
    assert actor.noted == ["on_start", "waiting", "on_stop"]


@pytest.mark.parametrize("block", [True, False])
def test_an_actor_stops_another(start: Start, block: bool) -> None:
    ref, other = start(), start()
    actor = probe(other)
    result = ref.ask(lambda _: other.stop(block=block), timeout=10)
    assert (result if block else result.get(timeout=10)) is True
    assert actor.noted == ["on_start", "on_stop"]
    assert ref.is_alive()


# The registry


def test_an_actor_is_registered_while_it_lives(start: Start) -> None:
    ref = start()
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is ref
    assert pykka.ActorRegistry.get_by_class(ref.actor_class) == [ref]
    assert pykka.ActorRegistry.get_by_class(EITHER) == [ref]
    assert pykka.ActorRegistry.get_by_class_name(ref.actor_class.__name__) == [ref]
    ref.stop(timeout=10)
    assert pykka.ActorRegistry.get_by_class(EITHER) == []


def test_an_actor_that_failed_is_not_registered(start: Start) -> None:
    ref = start()
    ref.tell(fail(NO))
    assert ref.actor_stopped.wait(10)
    assert pykka.ActorRegistry.get_by_class(EITHER) == []


def test_a_broadcast_reaches_every_actor_of_a_class(start: Start) -> None:
    refs = [start(), start()]
    pykka.ActorRegistry.broadcast(note("all"), EITHER)
    assert [ref.ask(noted, timeout=10) for ref in refs] == [["on_start", "all"]] * 2


def test_the_registry_stops_all_actors_last_started_first(start: Start) -> None:
    order: list[str] = []

    refs = [start() for _ in range(3)]
    for name, ref in zip("abc", refs, strict=True):
        ref.ask(lambda actor, name=name: setattr(actor, "on_stop", lambda: order.append(name)))
    assert pykka.ActorRegistry.stop_all(timeout=10) == [True, True, True]
    assert order == ["c", "b", "a"]
    assert pykka.ActorRegistry.get_all() == []
