"""What the main thread waits for: a signal that says stop or asks for the state, or a failure.

A signal that comes between the interpreter's last look at its flags and a wait for a lock doesn't
interrupt that wait, and one that the system gives to another thread never does: `queue.get` would
then wait for ever. So the wait is for a byte on a socket. The C handler of every signal writes one
at once (`signal.set_wakeup_fd`), and so does whoever tells something.
"""

import select
import signal
import socket
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Self

import msgspec

STOPPING = (signal.SIGTERM, signal.SIGINT)
DUMPING = signal.SIGUSR1


class Stop(msgspec.Struct, frozen=True):
    """The operator wants it to end; `signal` is the name of what said so."""

    signal: str


class RunFailed(msgspec.Struct, frozen=True):
    """The log failed, and all has to be started again."""

    error: str


class DumpState(msgspec.Struct, frozen=True):
    """The operator asks what everything is doing; nothing ends."""


Event = Stop | RunFailed | DumpState


class ShutdownEvents:
    """Within the block, the main thread hears here of what happens.

    The first SIGTERM or SIGINT is told as `Stop`. Whoever signals twice means it: from then on a
    signal ends the process at once, as the system does it, and the log loses nothing by that. Every
    SIGUSR1 is told as `DumpState`.
    """

    def __init__(self) -> None:
        self._told: SimpleQueue[Event] = SimpleQueue()
        self._bell, self._button = socket.socketpair()

    def __enter__(self) -> Self:
        self._bell.setblocking(False)
        self._button.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._button.fileno(), warn_on_full_buffer=False)
        self._before: dict[int, Any] = {
            number: signal.signal(number, self._stop) for number in STOPPING
        }
        self._before[DUMPING] = signal.signal(DUMPING, self._dump)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)
        self._bell.close()
        self._button.close()

    def tell(self, event: Event) -> None:
        """Let the main thread know, from any thread or a signal's handler; never blocks."""
        self._told.put(event)
        try:
            self._button.send(b"\0")
        except BlockingIOError:
            pass  # It has enough bytes to wake up by.
        except OSError:
            pass  # Closed: nobody waits any more.

    def wait(self, timeout_s: float | None = None) -> Event | None:
        """The next event; `None` when there is none within `timeout_s` (`None`: wait for ever)."""
        while True:
            try:
                return self._told.get_nowait()
            except Empty:
                rung, _, _ = select.select([self._bell], [], [], timeout_s)
            if not rung:
                return None
            self._bell.recv(4_096)

    def _stop(self, number: int, _: FrameType | None) -> None:
        for stopping in STOPPING:
            signal.signal(stopping, signal.SIG_DFL)
        self.tell(Stop(signal.Signals(number).name))

    def _dump(self, _: int, __: FrameType | None) -> None:
        self.tell(DumpState())
