"""What tests of whole daemons share."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from actors.process.daemon import Daemon
from events.conversation.events import MessageSeen
from events.event import Event
from store.log.lmdb_log import LmdbLog
from ztm_chat.mesh import Entry

SCALE = 0.04
"""How much faster than a real one the mesh is."""

Start = Callable[..., AbstractContextManager[Daemon]]


def events(folder: Path, stream: str, kind: type[Event]) -> list[Any]:
    log = LmdbLog.open_reader(folder / "log")
    try:
        return [
            record.event for record in log.read_stream(stream) if isinstance(record.event, kind)
        ]
    finally:
        log.close()


def seen(folder: Path) -> list[MessageSeen]:
    return events(folder, "account/bot/peer/alice", MessageSeen)


def replies(count: int) -> Callable[[list[Entry]], bool]:
    return lambda entries: len(entries) >= count


def texts(entries: list[Entry]) -> list[str]:
    return [entry.text for entry in entries]
