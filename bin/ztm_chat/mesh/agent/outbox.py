"""Writes accepted messages to the sender's files. On the way some are lost, as on a real agent."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ztm_chat.mesh.agent.membership import Membership
from ztm_chat.mesh.model import wire
from ztm_chat.mesh.model.paths import timestamp
from ztm_chat.mesh.model.wire import JSON

T = TypeVar("T")

FULL_BYTES = 1024
"""A file of this size is full: the next message starts a new one."""
FIRST_FILE_EARLIER_MS = 60_000
"""The first file of a chat is named this much before its first message."""
RACES = 16
"""Of this many messages that overlap with another in the same chat, one overwrites it (3 of 50 were
lost on a real mesh), three start a small file beside it, and two end up before it."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A second client of the same user. `after_s` after us it writes without our message."""

    message: JSON
    after_s: float


@dataclass(slots=True)
class _Folder:
    """The last write to one chat: when (loop's clock, s), to which file, and what was in it."""

    written_at: float = 0.0
    path: str = ""
    before: list[JSON] = field(default_factory=list)
    overlaps: int = 0


class Outbox:
    """The messages of one user that were accepted and are not yet written.

    Each is: read the newest file, append, write. Nothing locks it: messages that overlap race.
    """

    def __init__(self, member: Membership) -> None:
        self._member = member
        self._tasks: set[asyncio.Task[Any]] = set()
        self._folders: dict[str, _Folder] = {}
        self.to_lose = 0
        self.rivals: deque[Rival] = deque()

    def send(self, folder: str, message: JSON) -> "asyncio.Task[int | None]":
        """Queue a message; the task ends with its time (ms) when it is in a file, None if lost."""
        lost, self.to_lose = self.to_lose > 0, max(0, self.to_lose - 1)
        return self._spawn(self._write(folder, message, lost=lost))

    def _spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _write(self, folder: str, message: JSON, *, lost: bool) -> int | None:
        accepted_at = asyncio.get_running_loop().time()
        await asyncio.sleep(self._member.world.timing.write_delay_s)
        if lost:
            return None
        time = self._member.now_ms()
        entry: JSON = {"time": time, "message": message}
        path, before = self._newest(folder, time)
        last = self._folders.setdefault(folder, _Folder())
        if accepted_at < last.written_at and path == last.path:
            path, before, after = self._race(last, f"{folder}/{time}.json", before)
        else:
            after = []
        self._member.write(path, wire.encode([*before, entry, *after]))
        last.written_at, last.path, last.before = asyncio.get_running_loop().time(), path, before
        if self.rivals:
            self._spawn(self._overwrite(self.rivals.popleft(), path, before))
        return time

    def _newest(self, folder: str, time: int) -> tuple[str, list[JSON]]:
        """The file to write at this time, and what it holds, nothing when that is unreadable."""
        files = self._member.store.below(folder)
        earlier = [file for file in files if timestamp(file.path) <= time]
        if not earlier:
            return f"{folder}/{time - FIRST_FILE_EARLIER_MS}.json", []
        newest = earlier[-1]
        if newest.size >= FULL_BYTES and time > timestamp(files[-1].path):
            return f"{folder}/{time}.json", []
        try:
            held = wire.decode(newest.data)
        except ValueError:
            held = []
        return newest.path, held if isinstance(held, list) else []

    def _race(
        self, last: _Folder, new_path: str, held: list[JSON]
    ) -> tuple[str, list[JSON], list[JSON]]:
        """Where a message goes that overlaps with the last one; what is before and after it."""
        last.overlaps += 1
        match last.overlaps % RACES:
            case 3 | 7 | 11 if self._member.store.get(new_path) is None:
                return new_path, [], []
            case 5 | 13:
                return last.path, held[:-1], held[-1:]
            case 15:
                return last.path, last.before, []
        return last.path, held, []

    async def _overwrite(self, rival: Rival, path: str, before: list[JSON]) -> None:
        await asyncio.sleep(rival.after_s)
        entry = {"time": self._member.now_ms(), "message": rival.message}
        self._member.write(path, wire.encode([*before, entry]))
