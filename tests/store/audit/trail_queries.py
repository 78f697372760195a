"""Asking for decisions with an index and without one."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from events.conversation.events import MessageIgnored
from store.audit.decisions import Decision, Decisions
from store.audit.index import TrailIndex
from store.audit.selection import Found, Selection
from store.log.lmdb_log import LmdbLog
from store.log.lmdb_reader import LmdbReader

T = TypeVar("T")

RARE = Selection(sender="user20")


class RecordingIndex(TrailIndex):
    """An index that remembers what it said, and how often it could tell."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.answers = 0
        super().__init__(folder, self.said.append)

    def find(self, wanted: Selection, *, first: int, last: int, limit: int) -> Found | None:
        found = super().find(wanted, first=first, last=last, limit=limit)
        self.answers += found is not None
        return found


def with_log(folder: Path, ask: Callable[[LmdbReader], T]) -> T:
    log = LmdbLog.open_reader(folder)
    try:
        return ask(log)
    finally:
        log.close()


def rows(folder: Path, index: RecordingIndex, wanted: Selection = RARE) -> list[Decision]:
    return with_log(folder, lambda log: Decisions(log, wanted, index).newest(10_000))


def scanned(folder: Path, wanted: Selection = RARE) -> list[Decision]:
    found = with_log(folder, lambda log: list(Decisions(log, wanted).all()))
    assert found
    return found


def ignored(name: str, sender: str) -> MessageIgnored:
    return MessageIgnored(name.encode().ljust(16), sender, 1, "blank", "feed")


def with_head(folder: Path) -> int:
    return with_log(folder, lambda log: log.head().seq)
