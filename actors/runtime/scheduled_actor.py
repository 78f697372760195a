"""An actor without a thread of its own: an inbox that asks a dispatcher for turns.

This is the only file that uses names that Pykka keeps private. Pykka offers whoever implements
another kind of actor nothing else; `test_pykka_private_names` fails when a release changes them.
"""

import logging
import sys
import threading
from collections import deque
from typing import Any, Protocol

import pykka
from pykka._envelope import Envelope  # what an inbox holds
from pykka.messages import _ActorStop as StopRequest

log = logging.getLogger(__name__)
pykka_log = logging.getLogger("pykka")

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
        self._open = True
        self.owner: ScheduledActor | None = None
        """The actor to run. It counts as busy from its start to the end of its first turn."""

    def __len__(self) -> int:
        return len(self._envelopes)

    def put(self, envelope: Envelope[Any], /) -> None:
        """Add a message, from any thread.

        Once the inbox is closed nobody would ever look at it: a teller gets `ActorDeadError`, an
        asker finds it in the future.
        """
        with self._lock:
            accepted, owner = self._open, self.owner
            if accepted:
                self._envelopes.append(envelope)
            wake = accepted and not self._busy
            self._busy = True
        if not accepted:
            _refuse(envelope)
        elif wake and owner:
            owner.dispatcher.submit(owner)

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

    def close(self) -> None:
        """Accept no more messages. What waits can still be taken out."""
        with self._lock:
            self._open = False
            self.owner = None

    def take_told(self) -> list[Any]:
        """Take out the told messages, in order; asks and requests to stop stay."""
        with self._lock:
            told = [envelope.message for envelope in self._envelopes if _is_told(envelope)]
            kept = [envelope for envelope in self._envelopes if not _is_told(envelope)]
            self._envelopes = deque(kept)
        return told


class ScheduledActor(pykka.Actor):
    """A Pykka actor that runs wherever its dispatcher lets it.

    It keeps the contract of `pykka.ThreadingActor`, but for this:

    - A `BaseException` in a handler (`SystemExit`, or what a Rust extension raises when it panics)
      is the failure of this one actor: it is logged, the asker gets it, and `on_failure` is called
      with it. Pykka stops all actors of the process instead and calls no `on_failure`.
    - An exception in `on_start` is such a failure too. Pykka logs it and stops the actor, but
      doesn't call `on_failure`.
    - Who asks an actor at the moment when it ends gets `ActorDeadError`; in Pykka such an asker can
      wait for ever. What is told to an actor that fails is refused with `ActorDeadError`, or is
      among what `undelivered` returns.

    A handler must not block: it would hold up all the actors that share its thread.
    """

    dispatcher: Dispatcher
    actor_inbox: Inbox

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self.dispatcher = dispatcher
        self._started = False

    @property
    def inbox_length(self) -> int:
        """How many messages wait, from any thread. Others may come or go meanwhile."""
        return len(self.actor_inbox)

    def undelivered(self) -> list[Any]:
        """Take the told messages that will never be handled, in order. Called in `on_failure` only.

        None can come after these: the inbox of a failed actor is closed. Who asked, or asked it to
        stop, is answered when `on_failure` is over.
        """
        return self.actor_inbox.take_told()

    def take_turn(self, most: int = TURN) -> None:
        """Handle up to `most` messages, then make room. Called by the dispatcher only.

        Raises the `BaseException` that the actor failed with, unless it is an `Exception`. The
        failure has been dealt with by then; what it means to the thread is the dispatcher's affair.
        """
        if self.actor_stopped.is_set():
            return  # abandoned while it waited for its turn
        try:
            self._handle_messages(most)
        except BaseException as error:
            self._fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            if self.actor_stopped.is_set():
                self._end()
            elif not self.actor_inbox.rest():
                self.dispatcher.submit(self)

    def abandon(self) -> None:
        """End an actor that gets no more turns, as a kill would: no hook of it is called.

        Who waits for an answer of it gets `ActorDeadError`. Called by the dispatcher only.
        """
        pykka.ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()
        self._end()

    def _handle_messages(self, most: int) -> None:
        if not self._started:
            self._started = True
            self.on_start()
        for _ in range(most):
            if self.actor_stopped.is_set() or self.actor_inbox.empty():
                return
            self._handle(self.actor_inbox.get())

    def _handle(self, envelope: Envelope[Any]) -> None:
        """Handle a message. What it raises goes to who asked, otherwise to the caller."""
        asker = envelope.reply_to
        if asker is None:
            self._handle_receive(envelope.message)
            return
        try:
            response = self._handle_receive(envelope.message)
        except BaseException as error:
            asker.set_exception()
            if not isinstance(error, Exception):
                raise
            pykka_log.info("Exception returned from %s to caller:", self, exc_info=True)
        else:
            asker.set(response)

    def _fail(self, error: BaseException) -> None:
        self._handle_failure(type(error), error, error.__traceback__)
        self.actor_inbox.close()
        try:
            self.on_failure(type(error), error, error.__traceback__)
        except BaseException:  # noqa: BLE001 - it ends the same actor, which has failed already
            self._handle_failure(*sys.exc_info())

    def _end(self) -> None:
        self.actor_inbox.close()
        self._actor_loop_teardown()

    # What Pykka asks of whoever implements a kind of actor

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        self.actor_inbox.owner = self
        self.dispatcher.submit(self)


def actors_on(dispatcher: Dispatcher) -> list[ScheduledActor]:
    """The living actors that run on `dispatcher`, in the order in which they were started."""
    inboxes = (ref.actor_inbox for ref in pykka.ActorRegistry.get_all())
    owners = (inbox.owner for inbox in inboxes if isinstance(inbox, Inbox))
    return [owner for owner in owners if owner is not None and owner.dispatcher is dispatcher]


def actor_behind(ref: "pykka.ActorRef[Any]") -> Any:
    """The actor that a reference leads to, only to look at it; `None` when it is gone."""
    inbox = ref.actor_inbox
    return inbox.owner if isinstance(inbox, Inbox) else None


def tell(ref: "pykka.ActorRef[Any]", message: Any) -> None:
    """Tell an actor that may be gone: whoever takes its place starts from the log."""
    try_to_tell(ref, message)


def try_to_tell(ref: "pykka.ActorRef[Any]", message: Any) -> bool:
    """Tell an actor that may be gone; whether it was told."""
    try:
        ref.tell(message)
    except pykka.ActorDeadError:
        log.debug("%s is gone; %s was not told", ref, type(message).__name__)
        return False
    return True


def _is_told(envelope: Envelope[Any]) -> bool:
    return envelope.reply_to is None and not isinstance(envelope.message, StopRequest)


def _refuse(envelope: Envelope[Any]) -> None:
    error = pykka.ActorDeadError("the actor has just stopped")
    if envelope.reply_to is None:
        raise error
    envelope.reply_to.set_exception((pykka.ActorDeadError, error, None))
