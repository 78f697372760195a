"""The daemon's event log, read from another process while the daemon runs, dies and restarts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from events.conversation.events import Dispatched, MessageIgnored, MessageSeen, PolicyDecided
from events.event import Event, Recorded
from store.errors import LogUnusable
from store.log.lmdb_log import LmdbLog
from store.log.lmdb_reader import LmdbReader


@dataclass(frozen=True)
class Message:
    """A message that a person wrote. `stream` is the daemon's, `sent_ms` the sender's clock."""

    sender: str
    stream: str
    text: str
    sent_ms: int


class LogView:
    """The log in `folder`, which may not exist yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader: LmdbReader | None = None

    def close(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None

    def head(self) -> int:
        """The sequence of the newest event; 0 without a log."""
        log = self._log()
        return log.head().seq if log else 0

    def find(self, kind: type[Event], *, after: int = 0) -> Recorded | None:
        """The first event of this type with a sequence above `after`."""
        return next(
            (record for record in self.since(after) if isinstance(record.event, kind)), None
        )

    def since(self, after: int) -> Iterator[Recorded]:
        """The events with a sequence above `after`."""
        log = self._log()
        return log.read(after) if log else iter(())

    def seen(self, message: Message) -> Recorded | None:
        """The MessageSeen of this message."""
        log = self._log()
        for record in log.read_stream(message.stream) if log else ():
            match record.event:
                case MessageSeen(sender=message.sender, sent_ms=message.sent_ms):
                    return record
        return None

    def decision(self, message: Message) -> PolicyDecided | None:
        """What the policy decided on this message."""
        for seen, record in self._after(message):
            if isinstance(record.event, PolicyDecided) and record.event.message == seen.version:
                return record.event
        return None

    def settled(self, message: Message) -> bool:
        """Whether this message was decided, or ignored without a decision."""
        ignored = any(
            isinstance(record.event, MessageIgnored)
            and (record.event.sender, record.event.sent_ms) == (message.sender, message.sent_ms)
            for record in self.since(0)
        )
        return ignored or self.decision(message) is not None

    def dispatched(self, message: Message) -> bool:
        """Whether a turn with this message was given to the agent."""
        return any(
            isinstance(record.event, Dispatched) and seen.version in record.event.messages
            for seen, record in self._after(message)
        )

    def open_work(self) -> dict[str, tuple[int, ...]]:
        """Streams with unfinished work, each with the events that began it."""
        log = self._log()
        return dict(log.open_work()) if log else {}

    def _after(self, message: Message) -> Iterator[tuple[Recorded, Recorded]]:
        log, seen = self._log(), self.seen(message)
        if log and seen:
            for record in log.read_stream(message.stream, seen.version):
                yield seen, record

    def _log(self) -> LmdbReader | None:
        if self._reader is None:
            try:
                self._reader = LmdbLog.open_reader(self._folder)
            except LogUnusable:
                return None  # the daemon has not created it yet
        return self._reader
