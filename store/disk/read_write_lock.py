"""Many in at a time, or one alone: so that nobody reads a map while it is replaced.

LMDB unmaps the file to map it larger. A transaction that is open then fails at its next step, with
errors that look like damage. Those inside stay for microseconds, so that who wants to be alone
waits briefly.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ReadWriteLock:
    """`enter` and `leave` enclose what may be done by many; `alone` waits until all have left."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0
        self._shut = False

    def enter(self) -> None:
        """Go in; wait while somebody is alone, or waits to be."""
        with self._condition:
            while self._shut:
                self._condition.wait()
            self._inside += 1

    def leave(self) -> None:
        """Go out."""
        with self._condition:
            self._inside -= 1
            if not self._inside:
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else is inside within the block."""
        with self._condition:
            self._condition.wait_for(lambda: not self._shut)
            self._shut = True
            self._condition.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._condition:
                self._shut = False
                self._condition.notify_all()
