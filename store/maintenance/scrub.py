"""The whole chain walked in the background, again and again: what lies still is looked at too.

Opening a log looks at its end only, so that it doesn't take longer the more there is. Everything
before is checked here, slowly: a portion in a short read transaction, then a pause many times as
long.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from store.errors import LogDamaged, LogUnusable

SHARE = 0.05
"""The part of one processor's time that scrubbing may take."""

EVERY_S = 24 * 3600.0
"""Seconds from the end of one walk to the beginning of the next."""

_log = logging.getLogger(__name__)


class Chained(Protocol):
    """A log whose chain can be proved a portion at a time."""

    def prove_after(self, seq: int) -> int:
        """See `LmdbReader`."""


class Scrub:
    """Walks the chain of `log` on a thread of its own, from `start` until `stop`.

    `on_damage` is told, once and on that thread, of the first place that is not what was written;
    then the walk is over for good. `share` bounds the time at work, `every_s` (seconds) is the
    rest between two walks, `clock` gives seconds.
    """

    def __init__(
        self,
        log: Chained,
        *,
        on_damage: Callable[[LogDamaged], None],
        share: float = SHARE,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chain = log
        self._on_damage = on_damage
        self._rest = 1 / share - 1
        self._every_s = every_s
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-scrub", daemon=True)
        self.walks = 0

    def start(self) -> None:
        """Begin the first walk. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the portion that is being read."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._walk()
                self._stop.wait(self._every_s)
        except LogDamaged as damage:
            _log.error("the log is damaged: %s", damage)
            self._on_damage(damage)
        except LogUnusable as error:
            _log.warning("the log is not scrubbed any more: %s", error)

    def _walk(self) -> None:
        seq = 0
        while not self._stop.is_set():
            began = self._clock()
            proved = self._chain.prove_after(seq)
            if proved == seq:
                self.walks += 1
                return
            seq = proved
            self._stop.wait((self._clock() - began) * self._rest)
