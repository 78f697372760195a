"""Actors for the tests of Pykka's contract: on a thread of their own, and on a pool."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pykka

from actors.runtime.dispatcher import Dispatcher, ScheduledActor

Act = Callable[["Probe"], Any]
Start = Callable[..., "pykka.ActorRef[Any]"]


class Probe(pykka.Actor):
    """Does what it is told, a function of itself, and notes which of its hooks were called.

    `raising` maps the name of a hook to what it raises.
    """

    def __init__(
        self, *arguments: Any, raising: Mapping[str, BaseException] | None = None, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.noted: list[Any] = []
        self.threads: list[threading.Thread] = []
        self.attribute = "value"
        self.part = pykka.traversable(Part())
        self._raising = raising or {}

    def on_receive(self, message: Act) -> Any:
        return message(self)

    def on_start(self) -> None:
        self._hook("on_start")

    def on_stop(self) -> None:
        self._hook("on_stop")

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        assert isinstance(exception_value, exception_type)
        assert traceback is not None
        self.noted.append(exception_value)
        self._hook("on_failure")

    def method(self, *arguments: Any, **named: Any) -> Any:
        self.noted.append((arguments, named))
        return arguments

    def failing(self) -> None:
        raise ValueError("no")

    def _hook(self, name: str) -> None:
        self.noted.append(name)
        self.threads.append(threading.current_thread())
        if name in self._raising:
            raise self._raising[name]


class Panic(BaseException):
    """Like pyo3's PanicException, which no `except Exception` catches."""


class Part:
    """What an actor is made of, seen through its proxy."""

    def double(self, number: int) -> int:
        return 2 * number


class ThreadProbe(Probe, pykka.ThreadingActor):
    """As Pykka runs it."""

    use_daemon_thread = True


class PoolProbe(Probe, ScheduledActor):
    """As we run it."""

    def __init__(self, dispatcher: Dispatcher, **named: Any) -> None:
        super().__init__(dispatcher, **named)


def note(what: Any) -> Act:
    """Let the actor note `what`."""
    return lambda actor: actor.noted.append(what)


def noted(actor: Probe) -> list[Any]:
    """What the actor has noted: asked for as a message."""
    return list(actor.noted)


def fail(error: BaseException) -> Act:
    """Let the handler raise `error`."""

    def act(_: Probe) -> None:
        raise error

    return act


class Gate:
    """Holds an actor in a handler until it is opened, so that what comes after it waits."""

    def __init__(self, ref: "pykka.ActorRef[Any]") -> None:
        self._reached, self._opened = threading.Event(), threading.Event()
        ref.tell(self._hold)
        assert self._reached.wait(10)

    def open(self) -> None:
        self._opened.set()

    def _hold(self, _: Probe) -> None:
        self._reached.set()
        assert self._opened.wait(10)
