"""The one thread that commits. It takes whatever waits, commits it at once, and tells everybody.

No timer: while one commit is flushed to the disk the next group gathers, so that the group is
larger the busier the log is. Three ends of a commit:

- durable, or refused: each author hears its own outcome, in the order of the appends;
- no room (`NoRoom`): nothing of it was stored; the writer keeps what waits, says so, and tries
  again;
- anything else: nobody knows what was stored. This and all later appends get `CommitFailed`, for a
  flush
  that failed once must not be trusted when it is repeated.
"""

import logging
import threading
from collections.abc import Callable
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
        explain: Callable[[Exception], str],
        on_failure: Callable[[str], None],
        pause_s: float,
    ) -> None:
        self._commit = commit
        self._explain = explain
        self._on_failure = on_failure
        self._pause_s = pause_s
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._held: Waiting | None = None
        self._in_hand = 0
        self._closing = False
        self._room = threading.Event()
        self.stalled: str | None = None
        self.failed: str | None = None
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many appends are not settled yet."""
        return self._queue.qsize() + self._in_hand

    def submit(self, append: Append, then: Then) -> None:
        """Queue an append."""
        self._queue.put((append, then))

    def try_again(self) -> None:
        """There may be room now: don't wait any longer."""
        self._room.set()

    def fail(self, reason: str) -> None:
        """Commit nothing any more: what waits, and what is still to come, gets `CommitFailed`."""
        self.failed = self.failed or reason
        self._room.set()

    def is_this_thread(self) -> bool:
        """Whether the caller runs on the writer's thread."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Commit what waits and end. Nothing may be submitted any more."""
        self._queue.put(None)
        self._closing = True
        self._room.set()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            self._in_hand = len(group) + (self._held is not None)
            outcomes = self._settle([append for append, _ in group])
            self._in_hand = int(self._held is not None)
            for (_, then), outcome in zip(group, outcomes, strict=True):
                _tell(then, outcome)

    def _next_group(self) -> list[Waiting]:
        first = self._held or self._queue.get()
        self._held = None
        if first is None:
            return []
        group, count, size = [first], first[0].count, first[0].size
        while item := self._poll():
            count, size = count + item[0].count, size + item[0].size
            if count > MAX_EVENTS or size > MAX_BYTES:
                self._held = item
                break
            group.append(item)
        return group

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
            except Exception as error:  # noqa: BLE001 - whatever it is, the outcome is unknown
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
        self._room.wait(pause * self._pause_s)
        self._room.clear()

    def _fail(self, error: Exception) -> None:
        self.failed = self._explain(error)
        self.stalled = None
        _log.error("%s", self.failed, exc_info=error)
        _tell(self._on_failure, self.failed)


def _tell(listener: Callable[..., None], news: Outcome | str) -> None:
    """A listener's own trouble must not end the writer."""
    try:
        listener(news)
    except Exception:  # noqa: BLE001 - logged with its trace
        _log.exception("a listener of the log failed")
