"""Folds streams for actors that begin, on threads of its own, so that no actor waits for a disk."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from store.event_log import EventLog

log = logging.getLogger(__name__)


class Loader:
    """Reads streams of `log` on `threads` threads."""

    def __init__(self, log: EventLog, threads: int = 2) -> None:
        self._log = log
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="loader")

    def load(self, stream: str, fold: Callable[[Any], Any], then: Callable[[Any], None]) -> None:
        """Hand `fold` of the stream's events to `then`, on another thread."""
        self._pool.submit(self._load, stream, fold, then)

    def stop(self) -> None:
        """End the threads; what is not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, stream: str, fold: Callable[[Any], Any], then: Callable[[Any], None]) -> None:
        try:
            then(fold(self._log.read_stream(stream)))
        except Exception:
            # Without its state the actor stays silent, and what it is told waits: nothing is lost.
            log.exception("could not load %s", stream)
