"""Maps streams to live actors: starts them on demand, stops idle ones, starts failed ones again.

Whoever wants to reach an actor names its stream. Every message goes through here and is counted, so
that an idle actor is stopped only when it has received all that it was told. An actor that fails is
started again from the log: at once as a rule, after a growing pause when it fails again and again.
What it had not handled yet is told to the next one.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import pykka

from actors.runtime.actor_report import ActorReport
from actors.runtime.lifecycle import Answerable, RequestPassivation, undelivered
from actors.runtime.scheduled_actor import actor_behind, try_to_tell
from events.back_off import pause_s

log = logging.getLogger(__name__)

RESTARTS_AT_ONCE = 3
"""How many failures in a row are answered by a restart without a pause."""

LASTED_MS = 60_000
"""An actor that lived this long before it failed begins the row anew."""


class Live(msgspec.Struct):
    """A live actor, how many messages it was told, when last, and when it began (ms). `missed`:
    what it could not be told any more, between its failure and the word of it."""

    ref: "pykka.ActorRef[Any]"
    began_ms: int
    told_ms: int
    told: int = 0
    missed: list[Any] = []


class Restarts(msgspec.Struct):
    """How often a stream's actor was started again: in all, and in a row; the last error."""

    total: int = 0
    in_a_row: int = 0
    error: str = ""


Start = Callable[[str], "pykka.ActorRef[Any] | None"]
Instead = Callable[[str, Any], Iterable[Any]]


class Router:
    """The live actors of one daemon, by stream. Every method may be called from any thread.

    `start(stream)` makes an actor, or gives `None` when there can be none now. `instead(stream,
    message)` gives what to tell the next actor in place of a message that the last one failed on.
    `lost(stream)` hears of each failure. `later(seconds, call)` calls back; `now_ms` is a clock
    that nobody sets.
    """

    def __init__(
        self,
        start: Start,
        *,
        instead: Instead,
        lost: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._start = start
        self._instead = instead
        self._lost = lost
        self._later = later
        self._now_ms = now_ms
        self._lock = threading.RLock()
        self._live: dict[str, Live] = {}
        self._held: dict[str, list[Any]] = {}
        self._halted = ""
        self.restarts: dict[str, Restarts] = {}

    # Telling

    def tell(self, stream: str, message: Any) -> None:
        """Tell the actor of `stream`, started if it isn't live.

        While it pauses after failures, what somebody waits for is undelivered at once, and the rest
        is held for the next actor.
        """
        with self._lock:
            refusal = self._deliver(stream, message)
        if refusal:
            undelivered([message], refusal)

    def tell_if_live(self, stream: str, message: Any) -> None:
        """Tell the actor of `stream` only if it is live."""
        with self._lock:
            if stream in self._live:
                self.tell(stream, message)

    def wake(self, stream: str) -> None:
        """Start the actor of `stream` if it isn't live: it does what its state calls for."""
        with self._lock:
            if not self._halted and stream not in self._held:
                self._actor_of(stream)

    def is_live(self, stream: str) -> bool:
        """Whether there is a live actor of `stream`."""
        return stream in self._live

    def live(self, prefix: str = "") -> list[str]:
        """The streams with live actors whose names begin with `prefix`."""
        with self._lock:
            return [stream for stream in self._live if stream.startswith(prefix)]

    def _deliver(self, stream: str, message: Any) -> str:
        """Tell or hold a message; why it can't be, or nothing."""
        if self._halted:
            return self._halted
        held = self._held.get(stream)
        if held is not None:
            if isinstance(message, Answerable):
                return f"{stream} failed, and is about to be started again"
            held.append(message)
            return ""
        live = self._actor_of(stream)
        if live is None:
            return f"nothing can be told to {stream} now"
        live.told += 1
        live.told_ms = self._now_ms()
        if not try_to_tell(live.ref, message):
            live.missed.append(message)
        return ""

    def _actor_of(self, stream: str) -> Live | None:
        live = self._live.get(stream)
        if live is None and (ref := self._started(stream)):
            now = self._now_ms()
            live = self._live[stream] = Live(ref, now, now)
        return live

    def _started(self, stream: str) -> "pykka.ActorRef[Any] | None":
        try:
            return self._start(stream)
        except Exception:
            log.exception("the actor of %s could not be started", stream)
            return None

    # Passivation

    def passivate(self, stream: str, received: int) -> bool:
        """Stop an actor that has nothing left to do after `received` messages, unless it was told
        more. What it is told from now on goes to a new one."""
        with self._lock:
            live = self._live.get(stream)
            if live is None or live.told != received:
                return False
            del self._live[stream]
            live.ref.stop(block=False)
            return True

    def request_passivation(self, idle_ms: int) -> None:
        """Ask the actors that were told nothing for `idle_ms` whether they may be stopped."""
        with self._lock:
            now = self._now_ms()
            for stream, live in tuple(self._live.items()):
                if live.ref.actor_class.passivates and now - live.told_ms >= idle_ms:
                    self.tell(stream, RequestPassivation())

    # Failure

    def failed(
        self,
        stream: str,
        ref: "pykka.ActorRef[Any]",
        *,
        handling: Any,
        waiting: Callable[[], Iterable[Any]],
        error: str,
    ) -> None:
        """An actor failed, on `handling`; `waiting()` takes what it had not handled yet."""
        with self._lock:
            live = self._live.get(stream)
            if live is None or live.ref is not ref:
                undelivered([handling, *waiting()], f"{stream} failed: {error}")
                return
            del self._live[stream]
            restarts = self._counted(stream, live, error)
            instead = list(self._instead(stream, handling))
            if not instead:
                undelivered([handling], f"{stream} failed: {error}")
            mail = [*instead, *waiting(), *live.missed]
            self._lost(stream)
            if instead or restarts.in_a_row <= RESTARTS_AT_ONCE:
                self._go_on(stream, mail)
            else:
                self._pause(stream, mail, restarts)

    def _counted(self, stream: str, live: Live, error: str) -> Restarts:
        restarts = self.restarts.setdefault(stream, Restarts())
        if self._now_ms() - live.began_ms > LASTED_MS:
            restarts.in_a_row = 0
        restarts.total += 1
        restarts.in_a_row += 1
        restarts.error = error
        return restarts

    def _go_on(self, stream: str, mail: Iterable[Any]) -> None:
        self.wake(stream)
        for message in mail:
            self.tell(stream, message)

    def _pause(self, stream: str, mail: Iterable[Any], restarts: Restarts) -> None:
        pause = pause_s(restarts.in_a_row - RESTARTS_AT_ONCE)
        reason = f"{stream} failed {restarts.in_a_row} times in a row"
        log.error("%s; it is started again in %d s", reason, pause)
        held = self._held[stream] = []
        for message in mail:
            if isinstance(message, Answerable):
                message.undelivered(reason)
            else:
                held.append(message)
        self._later(pause, lambda: self._end_pause(stream))

    def _end_pause(self, stream: str) -> None:
        with self._lock:
            mail = self._held.pop(stream, None)
            if mail is not None:
                self._go_on(stream, mail)

    # The end

    def halt(self, reason: str) -> None:
        """Stop every actor, once; from now on nothing can be told to any of them."""
        with self._lock:
            if self._halted:
                return
            self._halted = reason
            for live in self._live.values():
                live.ref.stop(block=False)
            self._live.clear()
            for held in self._held.values():
                undelivered(held, reason)
            self._held.clear()

    # What an operator sees

    def reports(self) -> Iterator[ActorReport]:
        """One line for each actor: what waits in its inbox, and what it waits for."""
        with self._lock:
            refs = {stream: live.ref for stream, live in self._live.items()}
            held = {stream: len(messages) for stream, messages in self._held.items()}
        for stream, ref in refs.items():
            if actor := actor_behind(ref):
                yield ActorReport(stream, actor.inbox_length, actor.waits_for)
        for stream, count in held.items():
            yield ActorReport(stream, count, "its restart after failures")
