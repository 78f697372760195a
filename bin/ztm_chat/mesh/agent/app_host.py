"""Runs the Chat app on an agent: starts it, feeds it changed files, and lets it go deaf."""

import asyncio

from ztm_chat.mesh.agent.connection import NotConnected
from ztm_chat.mesh.agent.membership import DownloadFailed, Membership
from ztm_chat.mesh.model.chat_app import ChatApp
from ztm_chat.mesh.model.hub import EVERYBODY
from ztm_chat.mesh.model.paths import SHARED, published
from ztm_chat.mesh.model.wire import JSON


class CannotStart(Exception):
    """The Chat app is disabled or broken."""


class AppHost:
    """The Chat app of one membership: started by any chat request, deaf after a long outage."""

    def __init__(self, member: Membership) -> None:
        self._member = member
        self.app: ChatApp | None = None
        self.is_disabled = False
        self.is_broken = False
        self._was_running = False
        self._is_loaded = False
        self._cursor = 0
        self._watching: asyncio.Task[None] | None = None
        member.on_up = self._link_up

    def running(self) -> ChatApp:
        """The app, started if it isn't running. Raises CannotStart."""
        if self.is_disabled or self.is_broken:
            raise CannotStart
        return self.app or self._start()

    def _start(self) -> ChatApp:
        member = self._member
        self.app = ChatApp(member.username)
        self._was_running, self._is_loaded = True, False
        member.access.setdefault(published(member.username), frozenset())
        member.access.setdefault(f"{published(member.username)}/files", frozenset({EVERYBODY}))
        if member.connection.alive:
            self._load(self.app)
        return self.app

    def _load(self, app: ChatApp) -> None:
        """Read every file, then listen for changes. What cannot be fetched now stays unseen."""
        self._cursor = self._member.world.hub.now_ms() - 1
        for path in self._member.visible():
            if path.startswith(SHARED + "/"):
                try:
                    data = self._member.sync(path)
                except DownloadFailed:
                    continue
                if data is not None:
                    app.read(path, data, initial=True)
        self._is_loaded = True
        self._listen(app)

    def _listen(self, app: ChatApp) -> None:
        self._stop_listening()
        self._watching = asyncio.get_running_loop().create_task(self._watch(app))

    def _stop_listening(self) -> None:
        if self._watching:
            self._watching.cancel()
            self._watching = None

    async def _watch(self, app: ChatApp) -> None:
        try:
            while not app.deaf:
                changed = await self._member.changes(self._cursor, wait=True)
                self._cursor = max(self._cursor, *(file.since for file in changed.values()), 0)
                self._show(app, [path for path in changed if path.startswith(SHARED + "/")])
        except NotConnected:
            return  # listening goes on when the link is back
        except DownloadFailed:
            app.deaf = True  # one failed read and the app never listens again

    def _show(self, app: ChatApp, paths: list[str]) -> None:
        for path in app.due(paths) if paths else ():
            data = self._member.sync(path)
            if data is not None:
                app.read(path, data)
        self._member.world.changed()

    def _link_up(self, outage_s: float) -> None:
        if self.app is None:
            if self._was_running and not self.is_disabled and not self.is_broken:
                self._start()
        elif not self._is_loaded:
            self._load(self.app)
        elif outage_s >= self._member.world.timing.deaf_after_outage_s:
            self.deafen()
        else:
            self._listen(self.app)

    def deafen(self) -> None:
        """Make the app see nothing new until it is restarted."""
        self.running().deaf = True
        self._stop_listening()

    def stop(self, *, for_good: bool = True) -> None:
        """Stop the app. Unless `for_good`, it starts again with the agent."""
        self._stop_listening()
        self.app = None
        self._was_running = self._was_running and not for_good

    def state(self) -> dict[str, JSON]:
        """The answer of `GET …/endpoints/{ep}/apps/ztm/chat`."""
        return {
            "name": "chat",
            "tag": "",
            "provider": "ztm",
            "isBuiltin": True,
            "isDownloaded": False,
            "isPublished": False,
            "isDisabled": self.is_disabled,
            "isRunning": self.app is not None,
        }

    def change(self, state: dict[str, JSON]) -> None:
        """Apply `isRunning` and `isDisabled`. Raises CannotStart."""
        if "isDisabled" in state:
            self.is_disabled = bool(state["isDisabled"])
            if self.is_disabled:
                self.stop()
        if "isRunning" in state:
            if state["isRunning"]:
                self.running()
            else:
                self.stop()
