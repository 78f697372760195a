"""One user's membership in one mesh, on one agent: its link, its files, and their publication."""

import asyncio
import math
import uuid
from collections.abc import Callable

from ztm_chat.mesh.agent.connection import Connection
from ztm_chat.mesh.model.file_store import FileStore, StoredFile
from ztm_chat.mesh.model.hub import Endpoint, HubFile
from ztm_chat.mesh.model.paths import owner_of
from ztm_chat.mesh.model.permits import subject
from ztm_chat.mesh.model.wire import JSON
from ztm_chat.mesh.model.world import HUB_ADDRESS, World


class DownloadFailed(Exception):
    """An agent that should have the file did not deliver it."""


class Membership:
    """An agent in a joined mesh. `id` is its endpoint; `username` is empty if unreadable."""

    def __init__(self, world: World, name: str, permit: dict[str, JSON], public_key: str) -> None:
        self.world = world
        self.name = name
        self.permit = permit
        self.id = str(uuid.uuid4())
        self.username = subject(permit["agent"].get("certificate")) or ""
        self.port = 0
        self.store = FileStore()
        self.access: dict[str, frozenset[str]] = {}
        self.clock_skew_ms = 0
        self.withholding = False
        self.on_up: Callable[[float], None] = lambda outage_s: None
        self._public_key = public_key
        self._is_running = self._cut_off = False
        self._unpublished: dict[str, None] = {}
        self._publishing: asyncio.TimerHandle | None = None
        self._tick_origin = self._quiet_until = 0.0

    def now_ms(self) -> int:
        """This agent's own clock."""
        return self.world.clock_ms() + self.clock_skew_ms

    # The link

    def start(self, port: int, *, quiet_s: float = 0.0) -> None:
        """The agent's process has started, on this port; it publishes nothing for `quiet_s`."""
        self.port = port
        self._is_running = True
        self.connection = Connection(self.world.timing, self._link_up, self.world.changed)
        self._quiet_until = asyncio.get_running_loop().time() + quiet_s
        self.connect(self.world.timing.connect_s)

    def stop(self) -> None:
        """The agent's process has ended; its files stay."""
        self._is_running = False
        self._stop_publishing()
        self.connection.close()
        self.world.hub.disconnect(self.id)

    def connect(self, delay_s: float) -> None:
        """Try to reach the hub: the link is alive after `delay_s`, or the reason is in `errors`."""
        authority, agent = self.world.authority, self.permit["agent"]
        if not self._is_running:
            return
        if not authority.admits(agent.get("certificate"), self._public_key):
            self.connection.fail("Invalid agent certificate")
        elif not authority.reachable_by(self.permit.get("bootstraps")):
            self.connection.fail("No hub found")
        elif self.world.hub.up and not self._cut_off:
            self.connection.restore(delay_s)
        elif not self.connection.reported:
            self.connection.fail("No hub found")

    def lose_hub(self) -> None:
        """The hub, or the network to it, is gone."""
        if not self._is_running:
            return
        self._stop_publishing()
        self.world.hub.disconnect(self.id)
        self.connection.drop(f"Connection to hub {HUB_ADDRESS} closed, error = ConnectionRefused")

    def cut_off(self, cut: bool) -> None:
        """Take this agent's network away, or give it back."""
        self._cut_off = cut
        if cut:
            self.lose_hub()
        else:
            self.connect(self.world.timing.reconnect_s)

    def _link_up(self, outage_s: float) -> None:
        agent, hub = self.permit["agent"], self.world.hub
        hub.connect(
            Endpoint(
                id=self.id,
                name=agent.get("name") or "(unknown)",
                username=self.username,
                port=self.port,
                fetch=self._deliver,
                connected_at=hub.now_ms(),
            )
        )
        self._tick_origin = asyncio.get_running_loop().time()
        self._unpublished = {file.path: None for file in self.store}
        self._schedule()
        self.on_up(outage_s)
        self.world.changed()

    def _deliver(self, path: str, digest: str) -> bytes | None:
        return None if self.withholding else self.store.version(path, digest)

    # Publishing

    def write(self, path: str, data: bytes) -> StoredFile:
        """Write one of our own files; the hub learns of it at this agent's next tick."""
        file = self.store.write(path, data, self.now_ms())
        self.touch(path)
        return file

    def touch(self, path: str) -> None:
        """Publish this file (again) at the next tick."""
        self._unpublished[path] = None
        self._schedule()

    def _schedule(self) -> None:
        if self._publishing or not self._unpublished or not self.connection.alive:
            return
        loop, tick_s = asyncio.get_running_loop(), self.world.timing.publish_tick_s
        ticks = math.floor((loop.time() - self._tick_origin) / tick_s) + 1
        due = max(self._tick_origin + ticks * tick_s, self._quiet_until)
        self._publishing = loop.call_at(due, self._publish)

    def _stop_publishing(self) -> None:
        if self._publishing:
            self._publishing.cancel()
            self._publishing = None

    def _publish(self) -> None:
        self._publishing = None
        files = [file for path in self._unpublished if (file := self.store.get(path))]
        self._unpublished.clear()
        for new in self.world.hub.publish(self.id, self.username, files, self.access):
            self.world.journal.published(new.path, self.store.version(new.path, new.hash) or b"")
        self.world.changed()

    # Reading

    async def files(self) -> dict[str, HubFile | StoredFile]:
        """All files that the user may see, our own as they are now. Raises NotConnected."""
        await self.connection.ready()
        return self.visible()

    def visible(self) -> dict[str, HubFile | StoredFile]:
        found: dict[str, HubFile | StoredFile] = {**self.world.hub.listed(self.username)}
        for file in self.store:
            listed = found.get(file.path)
            if owner_of(file.path) == self.username and (not listed or file.time > listed.time):
                found[file.path] = file
        return found

    async def file_info(self, path: str) -> dict[str, JSON] | None:
        """One file's state, at once; `since` is 0 for what was never published."""
        await self.connection.ready()
        listed, own = self.world.hub.find(self.username, path), self.store.get(path)
        unpublished = own and owner_of(path) == self.username
        if own and unpublished and (listed is None or own.time > listed.time):
            return describe(own) | {"since": listed.since if listed else 0, "sources": [self.id]}
        if listed is None:
            return None
        sources = [source.id for source in self.world.hub.sources(listed)]
        return describe(listed) | {"since": listed.since, "sources": sources}

    def sync(self, path: str) -> bytes | None:
        """A file's newest bytes, from here or from whoever has them; None when nobody has.

        Raises DownloadFailed when a source is there but does not deliver.
        """
        own, listed = self.store.get(path), self.world.hub.find(self.username, path)
        if listed is None or (own and (own.hash == listed.hash or own.time > listed.time)):
            return own.data if own else None
        sources = [source for source in self.world.hub.sources(listed) if source.id != self.id]
        for source in sources:
            data = source.fetch(path, listed.hash)
            if data is not None:
                self.store.keep_copy(path, data, listed.time)
                self.touch(path)
                return data
        if sources:
            raise DownloadFailed(path)
        return None

    async def changes(self, since: float, *, wait: bool = False) -> dict[str, HubFile]:
        """What changed after `since` (hub's ms) until now, answered after `feed_delay_s`.

        With `wait` and nothing changed, it waits for a change, but is blind for `hold_back_s`, and
        hangs for ever when the link goes. Raises NotConnected.
        """
        await self.connection.ready()
        until, epoch = self.world.hub.now_ms(), self.connection.epoch
        await asyncio.sleep(self.world.timing.feed_delay_s)
        if not wait:
            await self.connection.ready()
        elif epoch == self.connection.epoch and not self._changed(since, until):
            until = await self._change(since, until)
            await asyncio.sleep(self.world.timing.feed_delay_s)
        if wait and epoch != self.connection.epoch:
            await _for_ever()
        return self.world.hub.changes(self.username, since, until)

    def _changed(self, since: float, until: float = math.inf) -> bool:
        return bool(self.world.hub.changes(self.username, since, until))

    async def _change(self, since: float, asked_at: int) -> int:
        """Wait for a change, not counting the blind time; return the hub's time (ms) of it."""
        hub, epoch = self.world.hub, self.connection.epoch
        changed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def watcher() -> bool:
            gone = changed.done() or epoch != self.connection.epoch
            if not gone and self._changed(since):
                changed.set_result(hub.now_ms())
            return gone or changed.done()

        blind_ms = self.world.timing.hold_back_s * 1000
        if self._changed(max(since, asked_at + blind_ms)):
            return hub.now_ms()
        hub.watch(watcher)
        return await changed

    def status(self) -> dict[str, JSON]:
        """The answer of `GET /api/meshes/{mesh}`."""
        agent = self.permit["agent"]
        return {
            "name": self.name,
            "ca": self.permit.get("ca"),
            "agent": {
                "id": self.id,
                "name": agent.get("name"),
                **({"username": self.username} if self.username else {}),
                "certificate": agent.get("certificate"),
                "labels": [],
                "offline": False,
            },
            "bootstraps": self.permit.get("bootstraps"),
            "connected": self.connection.reported,
            "errors": list(self.connection.errors),
        }


def describe(file: HubFile | StoredFile) -> dict[str, JSON]:
    """A file as `files` lists it."""
    return {"hash": file.hash, "size": file.size, "time": file.time}


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()
