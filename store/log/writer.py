"""The one thread that commits. It takes whatever waits, commits it at once, and tells everybody.

No timer: while one commit is flushed to the disk the next group gathers, so that the group is
larger the busier the log is. Three ends of a commit:

- durable, or refused: each author hears its own outcome, in the order of the appends;
- no room (`NoRoom`): nothing of it was stored; the writer keeps what waits, says so, and tries
  again;
- anything else: nobody knows what was stored. This and all later appends get `CommitFailed`, for a
  flush that failed once must not be trusted when it is repeated.

Whatever else goes wrong on the thread, a `BaseException` or a bug of its own, has that third end
too: every author gets an answer, and the thread ends when the log is closed.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sized
from itertools import count
from queue import Empty, SimpleQueue

from events.back_off import pause_s
from store.log.append import Append
from store.log.event_log import CommitFailed, Outcome

MAX_EVENTS = 250
"""Events of a group. A larger append is a group of its own.

Groups four times as large commit a tenth faster, and a stream is read three times slower: whoever
reads one stream goes through all batches that it is in (`tests/bench/store_speed.py`).
"""

MAX_BYTES = 4 << 20
"""About the bytes of a group."""

Then = Callable[[Outcome], None]
Waiting = tuple[Append, Then]

_log = logging.getLogger(__name__)


class NoRoom(Exception):
    """The log is full; nothing of the commit was stored. The message is for the operator."""


class Writer:
    """Commits groups of appends by `commit`, on a thread of its own, until it is closed.

    `commit` gives an outcome for each append. `explain` makes a sentence of an unexpected error,
    and `on_failure` is told that sentence once. `pause_s`: the unit of waiting for room, seconds.
    """

    def __init__(
        self,
        commit: Callable[[list[Append]], list[Outcome]],
        *,
        explain: Callable[[BaseException], str],
        on_failure: Callable[[str], None],
        pause_s: float,
    ) -> None:
        self._commit = commit
        self._explain = explain
        self._on_failure = on_failure
        self._pause_s = pause_s
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._held: Waiting | None = None
        self._group: deque[Waiting] = deque()
        self._closing = False
        self._awake = threading.Event()
        self.stalled: str | None = None
        self.failed: str | None = None
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many appends are not settled yet."""
        return self._queue.qsize() + len(self._group) + (self._held is not None)

    def is_alive(self) -> bool:
        """Whether its thread runs, so that every append will be answered."""
        return self._thread.is_alive()

    def submit(self, append: Append, then: Then) -> None:
        """Queue an append."""
        self._queue.put((append, then))

    def fail(self, reason: str) -> None:
        """Commit nothing any more: what waits, and what is still to come, gets `CommitFailed`."""
        self.failed = self.failed or reason
        self._awake.set()

    def is_this_thread(self) -> bool:
        """Whether the caller runs on the writer's thread."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Commit what waits and end. Nothing may be submitted any more."""
        self._queue.put(None)
        self._closing = True
        self._awake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._next_group():
                outcomes = self._settle([append for append, _ in self._group])
                _check_count(outcomes, self._group)
                for outcome in outcomes:
                    self._answer(outcome)
        except BaseException as error:  # noqa: BLE001 - the log fails, and nobody waits for ever
            self._fail(error)
            self._refuse_the_rest()

    def _answer(self, outcome: Outcome) -> None:
        _, then = self._group.popleft()
        _tell(then, outcome)

    def _refuse_the_rest(self) -> None:
        """Answer whatever waits or is still to come, until the log is closed."""
        more = True
        while more:
            while self._group:
                self._answer(CommitFailed(self.failed or ""))
            more = self._next_group()

    def _next_group(self) -> bool:
        """Fill the group with what waits; False when the log was closed and nothing waits."""
        first = self._held or self._queue.get()
        self._held = None
        if first is None:
            return False
        self._group.append(first)
        count, size = first[0].count, first[0].size
        while item := self._poll():
            count, size = count + item[0].count, size + item[0].size
            if count > MAX_EVENTS or size > MAX_BYTES:
                self._held = item
                break
            self._group.append(item)
        return True

    def _poll(self) -> Waiting | None:
        try:
            item = self._queue.get_nowait()
        except Empty:
            return None
        if item is None:  # close() waits: end after this group
            self._queue.put(None)
        return item

    def _settle(self, group: list[Append]) -> list[Outcome]:
        for attempt in count(1):
            if self.failed:
                break
            try:
                outcomes = self._commit(group)
            except NoRoom as full:
                self._stall(str(full), pause_s(attempt))
            except BaseException as error:  # noqa: BLE001 - whatever it is, the outcome is unknown
                self._fail(error)
            else:
                self.stalled = None
                return outcomes
        return [CommitFailed(self.failed or "") for _ in group]

    def _stall(self, reason: str, pause: int) -> None:
        if self._closing:
            self.failed = f"the log was closed before there was room: {reason}"
            return
        if not self.stalled:
            _log.error("%s", reason)
        self.stalled = reason
        self._awake.wait(pause * self._pause_s)
        self._awake.clear()

    def _fail(self, error: BaseException) -> None:
        try:
            reason = self._explain(error)
        except BaseException:  # noqa: BLE001 - the error itself has to do
            reason = f"the log's writer failed ({type(error).__name__}: {error})"
        self.failed = self.failed or reason
        self.stalled = None
        _log.error("%s", self.failed, exc_info=error)
        _tell(self._on_failure, self.failed)


def _check_count(outcomes: Sized, group: Sized) -> None:
    if len(outcomes) != len(group):
        msg = f"{len(outcomes)} outcomes of {len(group)} appends"
        raise RuntimeError(msg)


def _tell(listener: Callable[..., None], news: Outcome | str) -> None:
    """A listener's own trouble must not end the writer."""
    try:
        listener(news)
    except BaseException:  # noqa: BLE001 - logged with its trace
        _log.exception("a listener of the log failed")
