"""What every actor needs from the world, handed in so that all of it can be replaced in a test."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from actors.runtime.clocks import Clocks
from actors.runtime.dispatcher import Dispatcher
from actors.runtime.router import Router
from events.account.state import AccountState
from events.event import Recorded
from events.streams import GATEWAY, account_stream
from store.log.event_log import EventLog


class AskTask(msgspec.Struct, frozen=True):
    """Ask the agent of `account`: attempt `attempt` of the turn at `turn` in `stream`, which comes
    after what was said in the events `context` (global sequences). Answered by `AgentAnswered` or
    `AgentErred`."""

    account: str
    stream: str
    turn: int
    attempt: int
    context: tuple[int, ...] = ()


class SendTask(msgspec.Struct, frozen=True):
    """Bring a queued message into our own files of the mesh, exactly once. Answered by `Sent` or
    `SendFailed`.

    `seq` and `queued` are the global sequence and the version of its MessageQueued. `doubtful`: it
    may have been sent already, so look before sending.
    """

    account: str
    stream: str
    queued: int
    seq: int
    queued_ms: int
    doubtful: bool


class WatchTask(msgspec.Struct, frozen=True):
    """Start (again) to take in what the account's agent shows, from the cursor in `state`. Answered
    by `IncomingBatch` and whatever else is told from there, without end."""

    account: str
    state: AccountState

    @property
    def stream(self) -> str:
        """Whom it is for."""
        return account_stream(self.account)


class FindErasureCutoff(msgspec.Struct, frozen=True):
    """Read how far an erasure of `person` has to reach. Answered by `ErasureCutoffFound`."""

    account: str
    person: str

    @property
    def stream(self) -> str:
        """Whom it is for."""
        return account_stream(self.account)


class DestroyKey(msgspec.Struct, frozen=True):
    """Destroy the key of `person`, durably. Answered by `KeyDestroyed`."""

    account: str
    person: str

    @property
    def stream(self) -> str:
        """Whom it is for."""
        return account_stream(self.account)


class ExpireKeys(msgspec.Struct, frozen=True):
    """Destroy the keys of all weeks before the week `before`, durably. Answered by
    `KeysExpired`."""

    before: int
    stream: str = GATEWAY


Task = AskTask | SendTask | WatchTask | FindErasureCutoff | DestroyKey | ExpireKeys
"""What an actor of `stream` can have done. One that fails for a reason of ours is answered by
`TaskFailed`, after a pause."""


def task_name(task: Task) -> str:
    """What a task is called: one of the same name is not begun while it is under way."""
    match task:
        case AskTask(_, stream, turn, attempt):
            return f"ask for {stream}: turn {turn}, attempt {attempt}"
        case SendTask(_, stream, queued):
            return f"send for {stream}: message {queued}"
        case WatchTask(account):
            return f"watch for account/{account}"
        case FindErasureCutoff(account, person):
            return f"find the cutoff of an erasure: {person} in account/{account}"
        case DestroyKey(account, person):
            return f"destroy a key: {person} in account/{account}"
        case ExpireKeys(before):
            return f"destroy the keys of weeks before {before}"


class Effects(Protocol):
    """The edges, as actors see them. Nothing here blocks; answers come as messages."""

    def begin(self, task: Task) -> None:
        """Begin a task. The same one again, while it is under way, changes nothing, but that a
        watch is begun anew."""

    def wake(self, stream: str, at_ms: int) -> None:
        """Answered by `Woken` at `at_ms`."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call back after a pause, on some thread."""


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
    """The log, the dispatcher, the router, the edges, and the sources of time and chance.

    `entropy(n)`: n random bytes; `states` loads and keeps what streams fold to.
    """

    log: EventLog
    dispatcher: Dispatcher
    router: Router
    effects: Effects
    clocks: Clocks
    entropy: Callable[[int], bytes]
    states: States

    def now_ms(self) -> int:
        """The record's time, ms since 1970: what is decided by, and differences of it."""
        return self.clocks.record()
