"""The protocol that every log of events keeps, and its values. Errors are drawn in `errors`.

A log on disk and one in memory pass the same suite of tests, so what is said here holds for both.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from events.event import Draft, Recorded
from store.disk.position import Head
from store.errors import (
    DuplicateMessage,
    InvalidAppend,
    LogDamaged,
    LogError,
    LogFailed,
    LogLocked,
    LogTooNew,
    LogUnusable,
    VersionConflict,
)
from store.keys.bodies import SecretKey

__all__ = [
    "CommitFailed",
    "Committed",
    "Conflict",
    "Duplicate",
    "DuplicateMessage",
    "EventLog",
    "Head",
    "InvalidAppend",
    "LogDamaged",
    "LogError",
    "LogFailed",
    "LogLocked",
    "LogStats",
    "LogTooNew",
    "LogUnusable",
    "Outcome",
    "Place",
    "SecretKey",
    "VersionConflict",
    "events_of",
]


class Place(msgspec.Struct, frozen=True):
    """Where an event stands in its stream."""

    stream: str
    version: int


class Committed(msgspec.Struct, frozen=True):
    """The append is durable. `events` are its drafts as recorded, in their order."""

    events: tuple[Recorded, ...]


class Conflict(msgspec.Struct, frozen=True):
    """Refused: `stream` is at version `actual`. Nothing was stored."""

    stream: str
    expected: int
    actual: int


class Duplicate(msgspec.Struct, frozen=True):
    """Refused: the message with this `identity` is known. Nothing was stored."""

    identity: bytes


class CommitFailed(msgspec.Struct, frozen=True):
    """Unknown whether it was stored: the log must be reopened and read to its tail."""

    error: str


Outcome = Committed | Conflict | Duplicate | CommitFailed


class LogStats(msgspec.Struct, frozen=True):
    """The log's state for an operator. Sizes in bytes.

    `used` is what the map's pages take and `file` what the disk gives; `map_size` may grow to
    `max_map_size`. `waiting` appends are not yet committed. `stalled` and `failed` say in a
    sentence what keeps the log from writing, and what to do; `scrub` says what keeps the background
    scrub from its work. `readers` other processes are reading now; `freed_slots` is how many died
    while they did, and were cleared away since the log was opened.
    """

    events: int
    streams: int
    used: int = 0
    file: int = 0
    map_size: int = 0
    max_map_size: int = 0
    commits: int = 0
    waiting: int = 0
    readers: int = 0
    freed_slots: int = 0
    stalled: str | None = None
    failed: str | None = None
    scrub: str | None = None


class EventLog(Protocol):
    """An append-only log of events in streams. Every method may be called from any thread."""

    @property
    def log_id(self) -> str:
        """Eight random hexadecimal characters, drawn when the log was created."""

    def append(
        self,
        drafts: Sequence[Draft],
        *,
        expected: Mapping[str, int],
        then: Callable[[Outcome], None],
    ) -> None:
        """Ask for `drafts` to be recorded, all or none; `then` hears of it once. Never blocks.

        `expected` holds the version that each stream must have: of all streams in `drafts`, and of
        any other one that the decision rests on (0: no such stream yet). `then` is called on the
        writer's thread, in the order of the appends, after the commit is durable or refused: it
        must be short. Raises `InvalidAppend` for what could not be written or read again, and
        `LogUnusable` when the log is closed or only for reading; then nothing waits.
        """

    def commit(
        self, drafts: Sequence[Draft], *, expected: Mapping[str, int]
    ) -> tuple[Recorded, ...]:
        """`append`, waiting for the outcome. Not for actors, and never inside a `then`.

        Raises also `VersionConflict`, `DuplicateMessage`, `LogFailed`.
        """

    def head(self) -> Head:
        """The durable end of the log."""

    def version(self, stream: str) -> int:
        """How many events `stream` has; 0 when there is none."""

    def event(self, seq: int) -> Recorded | None:
        """The event with this global sequence."""

    def read(self, after: int = 0) -> Iterator[Recorded]:
        """All events with a sequence above `after`, in order, up to the end as it is met."""

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Recorded]:
        """The events of one stream with a version above `after`, in order."""

    def follow(self, after: int, stop: threading.Event) -> Iterator[Recorded]:
        """`read`, and then what is committed from now on, until `stop` is set."""

    def streams(self, prefix: str = "") -> Iterator[str]:
        """Names of the streams that begin with `prefix`, oldest first."""

    def seen(self, identity: bytes) -> Place | None:
        """The event that made the message with this identity known."""

    def identities(self, prefix: bytes) -> Iterator[tuple[bytes, Place]]:
        """The known identities that begin with `prefix`, in order."""

    def open_work(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Each stream with open work: the versions of what it opened and did not close.

        An index, so that a start does not depend on the length of the log.
        """

    def body(self, seq: int, slot: int = 0) -> str | None:
        """The text of an event's body; `None` when it was erased, or never was."""

    def key(self, person: str) -> SecretKey:
        """`person`'s key; made on first use, and durable before return."""

    def key_id(self, person: str) -> bytes | None:
        """What `person`'s key is called, which tells nothing of it; `None` when there is none."""

    def destroy(self, person: str) -> bool:
        """Destroy `person`'s key for good, and so all bodies under it. False: there was none."""

    def expire(self, before: int) -> bool:
        """Destroy for good the keys of the weeks before this one
        (`events.gateway.retention.week_of`), and so all bodies of that age. False: there was none.
        """

    def stats(self) -> LogStats:
        """Figures for an operator."""

    def close(self) -> None:
        """Commit what waits, and let the log go. What can't be committed gets `CommitFailed`."""


def events_of(outcome: Outcome) -> tuple[Recorded, ...]:
    """The events of a committed append. Raises the error that any other outcome stands for."""
    match outcome:
        case Committed(events):
            return events
        case Conflict(stream, expected, actual):
            raise VersionConflict(
                "the stream has moved on",
                where=stream,
                found=f"version {actual} instead of {expected}",
                cure="read the stream again and decide anew",
            )
        case Duplicate(identity):
            raise DuplicateMessage("the message is known already", found=identity.hex())
        case CommitFailed(error):
            raise LogFailed(error)
