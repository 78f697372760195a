"""How actors run: many on a few threads, or all on one thread in an order that a seed decides.

A `pykka.ThreadingActor` costs a thread each; a `ScheduledActor` costs an inbox.
"""

import logging
import queue
import random
import threading
from collections.abc import Callable

from actors.runtime.scheduled_actor import Dispatcher, ScheduledActor, actors_on, tell

__all__ = [
    "Dispatcher",
    "PooledDispatcher",
    "ScheduledActor",
    "SimulatedDispatcher",
    "actors_on",
    "tell",
]

log = logging.getLogger(__name__)


class PooledDispatcher:
    """Runs actors on `workers` daemon threads, in the order in which they asked for a turn.

    Nothing that an actor raises ends a thread. Should one end all the same, `on_death(reason)` is
    called on it: the actor that it ran is stuck then, and whoever hears it has to start anew.
    """

    def __init__(
        self, workers: int = 2, on_death: Callable[[str], None] = lambda reason: None
    ) -> None:
        self._on_death = on_death
        self._runnable: queue.SimpleQueue[ScheduledActor | None] = queue.SimpleQueue()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"actors-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, actor: ScheduledActor) -> None:
        """Let `actor` run soon. After `stop` it is abandoned instead."""
        if self._stopped:
            actor.abandon()
        else:
            self._runnable.put(actor)

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the threads when the turns already asked for are over, and abandon all actors.

        Actors that should end in good order have to be stopped before.
        """
        for _ in self._threads:
            self._runnable.put(None)
        for thread in self._threads:
            thread.join(timeout_s)
        self._stopped = True
        for actor in actors_on(self):
            actor.abandon()

    def _work(self) -> None:
        try:
            while (actor := self._runnable.get()) is not None:
                self._give_turn(actor)
        except BaseException as error:  # noqa: BLE001 - no thread ends unheard
            self._on_death(f"thread {threading.current_thread().name} ended: {error!r}")

    def _give_turn(self, actor: ScheduledActor) -> None:
        try:
            actor.take_turn()
        except BaseException:
            # The actor has failed, or this is a fault of ours. The thread runs other actors too.
            log.exception("a turn of %s raised; its thread goes on", actor)


class SimulatedDispatcher:
    """Runs actors on the caller's thread, one message at a time, in an order drawn from `seed`.

    The same seed and the same messages give the same trace. A `BaseException` that an actor failed
    with is raised to the caller too, whose thread it is: it may be Ctrl-C, or a test's time limit.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - an order to replay, not a secret
        self._runnable: list[ScheduledActor] = []
        self._stopped = False

    def submit(self, actor: ScheduledActor) -> None:
        """Let `actor` run in some later step. After `stop` it is abandoned instead."""
        if self._stopped:
            actor.abandon()
        else:
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

    def stop(self) -> None:
        """Abandon all actors, as a kill would."""
        self._stopped = True
        self._runnable.clear()
        for actor in actors_on(self):
            actor.abandon()
