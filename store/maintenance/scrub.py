"""The whole chain checked in the background, again and again, so that old data is looked at too.

Opening a log checks its end only, so that it doesn't take longer the more there is. Everything
before is checked here, slowly: a portion in a short read transaction, then a pause many times as
long.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from events.back_off import pause_s
from store.errors import LogDamaged

SHARE = 0.05
"""The part of one processor's time that scrubbing may take."""

EVERY_S = 24 * 3600.0
"""Seconds from the end of one walk to the beginning of the next."""

_log = logging.getLogger(__name__)


class Provable(Protocol):
    """A log whose chain can be proved a portion at a time."""

    def prove_after(self, seq: int) -> int:
        """See `LmdbReader`."""

    def report_scrub(self, trouble: str | None) -> None:
        """See `LmdbLog`."""


class Scrub:
    """Walks the chain of `log` on a thread of its own, from `start` until `stop`.

    `on_damage` is told, once and on that thread, of the first place that is not what was written;
    then the walk is over for good. After any other failure, one of `on_damage` too, the log is told
    what happened and the walk begins again after 1, 1, 2, 3, 5, … times `unit_s` seconds. `share`
    bounds the time at work, `every_s` (seconds) is the rest between two walks, `clock` gives
    seconds. `failures`: in a row.
    """

    def __init__(
        self,
        log: Provable,
        *,
        on_damage: Callable[[LogDamaged], None],
        share: float = SHARE,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        unit_s: float = 1.0,
    ) -> None:
        self._log_to_prove = log
        self._on_damage = on_damage
        self._rest = 1 / share - 1
        self._every_s = every_s
        self._clock = clock
        self._unit_s = unit_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-scrub", daemon=True)
        self.walks = 0
        self.failures = 0

    def start(self) -> None:
        """Begin the first walk. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the portion that is being read."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more and not self._stop.is_set():
            try:
                more = self._walk_or_tell()
            except BaseException as error:  # noqa: BLE001 - whatever it is, the walk begins again
                self._stop.wait(self._failed(error) * self._unit_s)
            else:
                self._recovered()
                self._stop.wait(self._every_s if more else 0)

    def _walk_or_tell(self) -> bool:
        """One walk; False when it found damage."""
        try:
            self._walk()
        except LogDamaged as damage:
            _log.error("the log is damaged: %s", damage)
            self._on_damage(damage)
            return False
        return True

    def _failed(self, error: BaseException) -> int:
        """Say that the walk failed; gives how long to wait, in units."""
        self.failures += 1
        trouble = (
            f"the scrub of the log failed ({type(error).__name__}: {error}) and is tried again"
        )
        _log.error("%s", trouble, exc_info=error)
        self._log_to_prove.report_scrub(trouble)
        return pause_s(self.failures)

    def _recovered(self) -> None:
        if self.failures:
            self.failures = 0
            self._log_to_prove.report_scrub(None)

    def _walk(self) -> None:
        seq = 0
        while not self._stop.is_set():
            began = self._clock()
            proved = self._log_to_prove.prove_after(seq)
            if proved == seq:
                self.walks += 1
                return
            seq = proved
            self._stop.wait((self._clock() - began) * self._rest)
