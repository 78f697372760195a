"""How messages get from a POST into the sender's files, and how they get lost on the way."""

import asyncio
from collections import deque
from dataclasses import dataclass

from ztm_chat.mesh import wire
from ztm_chat.mesh.membership import Membership
from ztm_chat.mesh.paths import timestamp
from ztm_chat.mesh.wire import JSON

FULL_BYTES = 1024
"""A file of this size is not continued: the next message begins a new one."""
FIRST_FILE_EARLIER_MS = 60_000
"""The first file of a chat is named this much before its first message."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A second client of the same user, writing `after_s` after us, from before our message."""

    message: JSON
    after_s: float


class Outbox:
    """The messages of one user that were accepted and are not yet written.

    Each is: read the newest file, append, write. Nothing locks it: what is written in between is
    overwritten.
    """

    def __init__(self, member: Membership) -> None:
        self._member = member
        self._tasks: set[asyncio.Task[int | None]] = set()
        self.to_lose = 0
        self.rivals: deque[Rival] = deque()

    def send(self, folder: str, message: JSON) -> "asyncio.Task[int | None]":
        """Queue a message; the task ends with its time (ms) when it is in a file, None if lost."""
        lost, self.to_lose = self.to_lose > 0, max(0, self.to_lose - 1)
        task = asyncio.get_running_loop().create_task(self._write(folder, message, lost))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _write(self, folder: str, message: JSON, lost: bool) -> int | None:
        timing = self._member.world.timing
        await asyncio.sleep(timing.write_delay_s - timing.race_window_s)
        if lost:
            return None
        time = self._member.now_ms()
        path, before = self._newest(folder, time)
        await asyncio.sleep(timing.race_window_s)
        self._rewrite(path, before, time, message)
        if self.rivals:
            rival = self.rivals.popleft()
            await self._overwrite(rival, path, before)
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

    def _rewrite(self, path: str, before: list[JSON], time: int, message: JSON) -> None:
        entry = {"time": time, "message": message}
        self._member.write(path, wire.encode([*before, entry]))

    async def _overwrite(self, rival: Rival, path: str, before: list[JSON]) -> None:
        await asyncio.sleep(rival.after_s)
        self._rewrite(path, before, self._member.now_ms(), rival.message)
