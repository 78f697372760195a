"""What every actor needs from the world, handed in so that all of it can be replaced in a test."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from actors.runtime.dispatcher import Dispatcher
from events.account.state import AccountState
from events.event import Recorded
from store.log.event_log import EventLog


class AskTask(msgspec.Struct, frozen=True):
    """Ask the agent of `account`: attempt `attempt` of the turn at `turn` in `stream`."""

    account: str
    stream: str
    turn: int
    attempt: int


class SendTask(msgspec.Struct, frozen=True):
    """Bring a queued message into our own files of the mesh, exactly once.

    `seq` and `queued` are the global sequence and the version of its MessageQueued. `doubtful`: an
    earlier process may have sent it already, so look before sending.
    """

    account: str
    stream: str
    queued: int
    seq: int
    queued_ms: int
    doubtful: bool


class Effects(Protocol):
    """The edges, as actors see them. Nothing here blocks; answers come as messages."""

    def ask(self, task: AskTask) -> None:
        """Answered by `AgentAnswered` or `AgentErred`. The same task again, while it is under way,
        changes nothing."""

    def send(self, task: SendTask) -> None:
        """Answered by `Sent` or `Unsendable`. The same task again changes nothing."""

    def watch(self, account: str, state: AccountState) -> None:
        """Start (again) to take in what the account's agent shows, from the cursor in `state`.
        Answered by `IncomingBatch` and whatever else an account is told, without end.
        """

    def wake(self, stream: str, at_ms: int) -> None:
        """Answered by `Woken` at `at_ms`."""


class States(Protocol):
    """Loads the states of streams, and keeps snapshots of them, without blocking the caller."""

    def load(
        self,
        stream: str,
        kind: type[Any],
        fold: Callable[[Iterable[Recorded], Any], Any],
        then: Callable[[Any], None],
        failed: Callable[[], None],
    ) -> None:
        """Hand the state (a `kind`) that the stream folds to to `then`, or call `failed`."""

    def keep(self, last: Recorded, state: Any) -> None:
        """Take a snapshot of the state that a stream has folded to with `last`."""


@dataclass(frozen=True)
class System:
    """The log, the dispatcher, the edges, and the sources of time and chance.

    `now_ms`: ms since 1970; `entropy(n)`: n random bytes; `states` loads and keeps what streams
    fold to; `idle_s`: after how many seconds without a message a conversation that is at rest may
    be stopped.
    """

    log: EventLog
    dispatcher: Dispatcher
    effects: Effects
    now_ms: Callable[[], int]
    entropy: Callable[[int], bytes]
    states: States
    idle_s: float = 120.0
