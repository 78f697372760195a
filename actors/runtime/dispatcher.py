"""How actors run: many on a few threads, or all on one thread in an order that a seed decides.

A `pykka.ThreadingActor` costs a thread each; these actors cost an inbox. Pykka's own semantics
stay: one message at a time, in the order told, `tell`, `ask` and `stop` as documented there.
"""

import logging
import queue
import random
import sys
import threading
from collections import deque
from typing import Any, Protocol, Self

import pykka
from pykka._envelope import Envelope  # pykka exports no public name for what an inbox holds

log = logging.getLogger(__name__)

TURN = 64
"""How many messages an actor handles before the next one has its turn."""


class Dispatcher(Protocol):
    """Gives actors that have messages their turn on some thread, one turn at a time each."""

    def submit(self, actor: "ScheduledActor") -> None:
        """Let `actor` run soon. Never blocks."""


class Inbox:
    """An unbounded mailbox that asks for a turn when its first message comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._envelopes: deque[Envelope[Any]] = deque()
        self._busy = True
        self._owner: ScheduledActor | None = None

    def owned_by(self, actor: "ScheduledActor") -> None:
        """Name the actor to run; it is busy until its first turn is over."""
        self._owner = actor

    def put(self, envelope: Envelope[Any], /) -> None:
        """Add a message, from any thread."""
        with self._lock:
            self._envelopes.append(envelope)
            wake = not self._busy
            self._busy = True
        if wake and self._owner:
            self._owner.dispatcher.submit(self._owner)

    def get(self) -> Envelope[Any]:
        """The next message; raises `IndexError` when there is none."""
        return self._envelopes.popleft()

    def empty(self) -> bool:
        """Whether no message waits."""
        return not self._envelopes

    def rest(self) -> bool:
        """End a turn. False when messages wait, so that another turn is due."""
        with self._lock:
            self._busy = bool(self._envelopes)
            return not self._busy


class ScheduledActor(pykka.Actor):
    """A Pykka actor that runs wherever its dispatcher lets it.

    Unlike Pykka's own, an exception that escapes a handler does not lose the mailbox silently:
    `on_failure` hears of it, and the parent restarts from the log.
    """

    dispatcher: Dispatcher
    actor_inbox: Inbox

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self.dispatcher = dispatcher
        self.actor_inbox.owned_by(self)
        self._begun = False

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> "pykka.ActorRef[Self]":
        """Start an actor. Its parent knows it, so Pykka's global list of actors does not."""
        actor = cls(*args, **kwargs)
        actor._start_actor_loop()
        return actor.actor_ref

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        self.dispatcher.submit(self)

    def take_turn(self, most: int = TURN) -> None:
        """Handle up to `most` messages, then make room. Called by the dispatcher only."""
        if not self._begun:
            self._begun = True
            self._actor_loop_setup()
        for _ in range(most):
            if self.actor_stopped.is_set() or self.actor_inbox.empty():
                break
            self._handle_one(self.actor_inbox.get())
        if self.actor_stopped.is_set():
            self._actor_loop_teardown()
        elif not self.actor_inbox.rest():
            self.dispatcher.submit(self)

    def _handle_one(self, envelope: Envelope[Any]) -> None:
        try:
            response = self._handle_receive(envelope.message)
        except Exception as error:  # noqa: BLE001 - answered to whoever asked, else to the parent
            if envelope.reply_to is not None:
                envelope.reply_to.set_exception()
            else:
                self._handle_failure(*sys.exc_info())
                self.on_failure(type(error), error, error.__traceback__)
        else:
            if envelope.reply_to is not None:
                envelope.reply_to.set(response)


class PooledDispatcher:
    """Runs actors on `workers` daemon threads, in the order in which they asked for a turn."""

    def __init__(self, workers: int = 2) -> None:
        self._runnable: queue.SimpleQueue[ScheduledActor | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"actors-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, actor: ScheduledActor) -> None:
        """Let `actor` run soon."""
        self._runnable.put(actor)

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the threads when the turns already asked for are over."""
        for _ in self._threads:
            self._runnable.put(None)
        for thread in self._threads:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (actor := self._runnable.get()) is not None:
            try:
                actor.take_turn()
            except Exception:
                # A turn guards its handlers itself; what comes here is a fault of ours, and must
                # not end the thread that all other actors run on.
                log.exception("the dispatcher could not give %s its turn", actor)


class SimulatedDispatcher:
    """Runs actors on the caller's thread, one message at a time, in an order drawn from `seed`.

    The same seed and the same messages give the same trace.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - an order to replay, not a secret
        self._runnable: list[ScheduledActor] = []

    def submit(self, actor: ScheduledActor) -> None:
        """Let `actor` run in some later step."""
        self._runnable.append(actor)

    def step(self) -> bool:
        """Let one actor handle one message. False when there is nothing to do."""
        if not self._runnable:
            return False
        chosen = self._random.randrange(len(self._runnable))
        self._runnable.pop(chosen).take_turn(1)
        return True

    def run(self, most: int = 1_000_000) -> int:
        """Step until nothing is left to do, at most `most` times; how many steps it took."""
        steps = 0
        while steps < most and self.step():
            steps += 1
        return steps


def tell(ref: "pykka.ActorRef[Any]", message: Any) -> None:
    """Tell an actor that may be gone: whoever takes its place starts from the log."""
    try:
        ref.tell(message)
    except pykka.ActorDeadError:
        log.debug("%s is gone; %s was not told", ref, type(message).__name__)
