"""An actor whose state is the fold of its stream.

It lives in a cycle: load, then again and again take a message, decide, append, and when the append
is durable apply it and call for effects. While it loads or appends, messages wait in its stash: it
never decides on state that is not durable. When a handler fails, the actor stops, and the router
starts another one from the log, which alone is the truth.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeVar

from actors.runtime.dispatcher import ScheduledActor, tell
from actors.runtime.lifecycle import Appended, Loaded, LoadFailed, undelivered
from actors.runtime.system import System
from events.event import Draft, Recorded
from store.log.event_log import Committed

State = TypeVar("State")
Evolve = Callable[[State, Recorded], State]
Fold = Callable[[Iterable[Recorded], State | None], State]

SNAPSHOT_EVERY = 1_000
"""After how many events a snapshot of the state is taken: about a millisecond of folding."""

_OWN = (Loaded, LoadFailed, Appended)


class AppendRefused(RuntimeError):
    """The log refused an append that this actor had every reason to make: its state is wrong."""


class StateUnknown(RuntimeError):
    """The stream could not be read: what its actor was told is called for again later."""


class EventSourced(ScheduledActor, Generic[State]):
    """Base of all actors with a stream. `state` is what is durable; that of no events, until
    loaded. `passivates`: whether it may be stopped when it is idle.
    """

    passivates: ClassVar[bool] = False

    def __init__(
        self, system: System, stream: str, fold: Fold[State], evolve: Evolve[State]
    ) -> None:
        super().__init__(system.dispatcher)
        self.system = system
        self.stream = stream
        self.state = fold((), None)
        self.ready = False
        self.waits_for = "loading"
        self.received = 0
        self.stash: deque[Any] = deque()
        self._fold = fold
        self._evolve = evolve
        self._snapshot_at = 0
        self._handling: Any = None
        self._after: Callable[[Sequence[Recorded]], None] | None = None

    # To be given by each kind of actor

    @abstractmethod
    def handle(self, message: Any) -> None:
        """Decide what follows from `message`: usually one call of `append`."""

    @abstractmethod
    def on_ready(self) -> None:
        """The state is loaded: resume what it calls for."""

    def on_applied(self, recorded: Sequence[Recorded]) -> None:
        """Events of this stream became durable and are part of the state."""

    # The cycle

    def on_start(self) -> None:
        """Ask for the state; everything waits until it has come."""
        me = self.actor_ref
        self.system.states.load(
            self.stream,
            type(self.state),
            self._fold,
            then=lambda state: tell(me, Loaded(state)),
            failed=lambda: tell(me, LoadFailed()),
        )

    def on_receive(self, message: Any) -> None:
        """One step of the cycle."""
        match message:
            case Loaded(state):
                self.state = state
                self._be_ready()
                self.on_ready()
            case LoadFailed():
                msg = f"{self.stream} could not be loaded"
                raise StateUnknown(msg)
            case Appended(outcome):
                self._settle(outcome)
            case _:
                self.received += 1
                self.stash.append(message)
        while self.ready and self.stash:
            self._handling = self.stash.popleft()
            self.handle(self._handling)
            if self.ready:
                self._handling = None

    def append(
        self,
        drafts: Sequence[Draft],
        after: Callable[[Sequence[Recorded]], None] | None = None,
    ) -> None:
        """Append `drafts` to this stream; `after` is called with them when they are durable.

        Nothing to append is durable at once.
        """
        if not drafts:
            if after:
                after(())
            return
        self.ready = False
        self.waits_for = "an append"
        self._after = after
        me = self.actor_ref
        version: int = self.state.version  # type: ignore[attr-defined]
        self.system.log.append(
            drafts,
            expected={self.stream: version},
            then=lambda outcome: tell(me, Appended(outcome)),
        )

    def _be_ready(self) -> None:
        self.ready = True
        self.waits_for = ""

    def _settle(self, outcome: Any) -> None:
        if not isinstance(outcome, Committed):
            msg = f"{self.stream}: the log refused an append: {outcome}"
            raise AppendRefused(msg)
        self._handling = None
        for record in outcome.events:
            self.state = self._evolve(self.state, record)
        self._be_ready()
        self._keep_now_and_then(outcome.events[-1])
        after, self._after = self._after, None
        if after:
            after(outcome.events)
        self.on_applied(outcome.events)

    def _keep_now_and_then(self, last: Recorded) -> None:
        self._snapshot_at = self._snapshot_at or last.version
        if last.version - self._snapshot_at >= SNAPSHOT_EVERY:
            self._snapshot_at = last.version
            self.system.states.keep(last, self.state)

    # The end

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell the router what could not be handled; it starts this stream's actor again."""
        del exception_value, traceback
        self.system.router.failed(
            self.stream,
            self.actor_ref,
            handling=self._handling,
            waiting=self._not_handled,
            error=exception_type.__name__ if exception_type else "unknown",
        )

    def on_stop(self) -> None:
        """Whoever still waits for an answer hears that there will be none."""
        undelivered(self._not_handled(), f"{self.stream} was stopped")

    def _not_handled(self) -> list[Any]:
        waiting = [*self.stash, *self.undelivered()]
        self.stash.clear()
        return [message for message in waiting if not isinstance(message, _OWN)]
