"""Folds streams for actors that begin, on threads of its own, so that no actor waits for a disk.

It begins at the newest snapshot, and takes one when many events came after that.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from actors.runtime.event_sourced import SNAPSHOT_EVERY
from events import watermark
from events.account import events as account_events
from events.account import state as account_state
from events.conversation import events as conversation_events
from events.conversation import state as conversation_state
from events.event import Recorded
from events.gateway import events as gateway_events
from events.gateway import state as gateway_state
from events.policy import account_policy
from store.log.event_log import EventLog
from store.log.snapshots import Snapshots, fingerprint_of

log = logging.getLogger(__name__)

State = TypeVar("State")


class Loader:
    """Reads streams of `log`, whose folder is `folder`, on `threads` threads."""

    def __init__(self, log: EventLog, folder: Path, threads: int = 2) -> None:
        self._snapshots = Snapshots(folder, log, folding_code())
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="loader")

    def load(
        self,
        stream: str,
        kind: type[State],
        fold: Callable[[Iterable[Recorded], State | None], State],
        then: Callable[[State], None],
        failed: Callable[[], None],
    ) -> None:
        """Hand what `fold` makes of the stream's events, a `kind`, to `then` on another thread, or
        call `failed` there."""

        def load() -> None:
            try:
                state = self.state(stream, kind, fold)
            except BaseException:
                # Damage, or a fault of ours: this stream's actor can't go on, all others can.
                log.exception("%s could not be loaded", stream)
                failed()
            else:
                then(state)

        self._submit(load)

    def keep(self, last: Recorded, state: Any) -> None:
        """Take a snapshot of the state that a stream has folded to with `last`, in the
        background.
        """
        self._submit(lambda: self._snapshots.take(last, msgspec.msgpack.encode(state)))

    def stop(self) -> None:
        """End the threads; what is not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, work: Callable[[], None]) -> None:
        try:
            self._pool.submit(self._guarded, work)
        except RuntimeError:
            log.debug("the loader has stopped; nothing is loaded any more")

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException:
            # A snapshot that was not taken costs time at the next start, and nothing else.
            log.exception("a snapshot could not be taken")

    def state(
        self,
        stream: str,
        kind: type[State],
        fold: Callable[[Iterable[Recorded], State | None], State],
    ) -> State:
        """What `fold` makes of the stream's events, a `kind`, now and on the caller's thread."""
        snapshot, version, tail = self._snapshots.resume(stream)
        last: Recorded | None = None

        def remembered() -> Iterable[Recorded]:
            nonlocal last
            for record in tail:
                last = record
                yield record

        before = None if snapshot is None else msgspec.msgpack.decode(snapshot, type=kind)
        state = fold(remembered(), before)
        if last is not None and last.version - version >= SNAPSHOT_EVERY:
            self._snapshots.take(last, msgspec.msgpack.encode(state))
        return state


def folding_code() -> bytes:
    """Names the code and the vocabulary that states depend on."""
    modules = (
        account_events,
        account_state,
        conversation_events,
        conversation_state,
        gateway_events,
        gateway_state,
        watermark,
        account_policy,
    )
    return fingerprint_of(*(Path(str(module.__file__)) for module in modules))
