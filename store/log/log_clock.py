"""The time that goes on record: it never goes back, and never stands still.

A machine's clock is set back and forth by people, by NTP, and by a battery that is empty. What is
decided by differences of recorded times (budgets, pauses, codes that expire) would stand still
until the clock has caught up. So the record's time follows the machine's clock only ahead; while
that is behind, it goes on at the pace of a clock that nobody sets.
"""

import threading
import time
from collections.abc import Callable


class LogClock:
    """ns since 1970. Any thread may ask. `wall_ns`: this machine's clock, as it is set;
    `elapsed_ns`: a clock that nobody sets."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        elapsed_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns = wall_ns
        self._elapsed_ns = elapsed_ns
        self._lock = threading.Lock()
        self._offset = wall_ns() - elapsed_ns()

    def __call__(self) -> int:
        """What time it is for the record."""
        with self._lock:
            elapsed = self._elapsed_ns()
            self._offset = max(self._offset, self._wall_ns() - elapsed)
            return elapsed + self._offset

    def not_before(self, time_ns: int) -> None:
        """Go on from `time_ns`, which is on record already."""
        with self._lock:
            self._offset = max(self._offset, time_ns - self._elapsed_ns())

    def ahead_ns(self) -> int:
        """How far it is ahead of this machine's clock, because that was set back."""
        return self() - self._wall_ns()
