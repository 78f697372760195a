"""One user's agent and everything that can be made to go wrong with it."""

from collections.abc import Callable, Iterable

from ztm_chat.mesh.agent.agent import Agent, JoinedMesh
from ztm_chat.mesh.agent.membership import Membership
from ztm_chat.mesh.agent.outbox import Rival
from ztm_chat.mesh.http.exchange import ApiResponse
from ztm_chat.mesh.http.server import HOST, AgentServer
from ztm_chat.mesh.model import wire
from ztm_chat.mesh.model.paths import group_folder
from ztm_chat.mesh.model.wire import JSON
from ztm_chat.mesh.running_mesh import RunningMesh


class FaultyAgent:
    """An agent's process, its link, its Chat app and its HTTP surface, and their faults."""

    def __init__(self, mesh: RunningMesh, username: str, agent: Agent, server: AgentServer) -> None:
        self.mesh = mesh
        self.username = username
        self._agent = agent
        self._server = server

    @property
    def port(self) -> int:
        return self._agent.port

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def public_key(self) -> str:
        """What `GET /api/identity` answers."""
        return self._agent.public_key

    @property
    def endpoint_id(self) -> str:
        return self._member.id

    @property
    def is_connected(self) -> bool:
        """What the agent says of itself."""
        return self.mesh.call(lambda: self._member.connection.reported)

    @property
    def _joined(self) -> JoinedMesh:
        try:
            return self._agent.joined[self.mesh.name]
        except KeyError:
            raise RuntimeError(f"the agent on port {self.port} has joined no mesh") from None

    @property
    def _member(self) -> Membership:
        return self._joined.member

    def accept(self, permit: dict[str, JSON]) -> None:
        """Join with a permit, and wait for the connection unless the agent gives up at once."""
        self.mesh.call(lambda: self._agent.join(self.mesh.name, permit))
        self._wait_unless_given_up()

    def _wait_unless_given_up(self) -> None:
        if not self.mesh.call(lambda: self._member.connection.errors):
            self.wait_connected()

    def wait_connected(self, *, timeout_s: float = 10.0) -> None:
        """Wait until the link to the hub is alive. Raises TimeoutError."""

        def question() -> bool | None:
            return self._member.connection.alive or None

        if self.mesh.wait_for(lambda: self.mesh.call(question), timeout_s=timeout_s) is None:
            errors = self.mesh.call(lambda: self._member.connection.errors)
            raise TimeoutError(f"{self.username} is not connected after {timeout_s} s: {errors}")

    # The process

    def kill(self) -> None:
        """Kill the process as by kill -9: connections are reset and refused; the files stay."""
        self.mesh.run(self._kill())

    async def _kill(self) -> None:
        await self._server.stop()
        self._agent.stop()

    async def end(self) -> None:
        """End for good and free the port. Called by Mesh."""
        await self._kill()
        self._server.close()

    def restart(self) -> None:
        """Start again on the same port, with the files but with all counters at 0.

        Returns when it is connected, or has no hub; it publishes nothing for `republish_s`.
        """
        self.mesh.run(self._restart())
        self._wait_unless_given_up()

    async def _restart(self) -> None:
        if not self._server.is_serving:
            self._agent.start()
            await self._server.start()

    # The link

    def go_offline(self) -> None:
        """Lose the network: others still list the files, but cannot fetch them from here."""
        self.mesh.call(lambda: self._member.cut_off(True))

    def go_online(self) -> None:
        """Get the network back: connected after `reconnect_s`."""
        self.mesh.call(lambda: self._member.cut_off(False))

    def lose_hub(self) -> None:
        """The hub is gone. Called by Mesh."""
        for joined in self._agent.joined.values():
            joined.member.lose_hub()

    def find_hub(self) -> None:
        """The hub is back. Called by Mesh."""
        for joined in self._agent.joined.values():
            joined.member.connect(self._agent.world.timing.reconnect_s)

    def skew_clock(self, ms: int) -> None:
        """Set this agent's clock ahead, or with a negative number behind."""
        self._set(lambda joined: setattr(joined.member, "clock_skew_ms", ms))

    # Files

    def withhold_files(self, on: bool = True) -> None:
        """Stay listed as a source but deliver nothing, as if killed while others download.

        A Chat app that tries to read such a file goes deaf.
        """
        self._set(lambda joined: setattr(joined.member, "withholding", on))

    def publish_file(self, path: str, data: bytes, *, readers: Iterable[str] = ()) -> None:
        """Publish any bytes at any path, readable by these users.

        A path under another user's name stays here: the hub does not list it.
        """

        def write(joined: JoinedMesh) -> None:
            if readers:
                folder = path.rpartition("/")[0]
                joined.member.access[folder] = frozenset(readers)
            joined.member.write(path, data)

        self._set(write)

    def forge_to_group(
        self, creator: str, group: str, message: JSON, *, readers: Iterable[str]
    ) -> int:
        """Publish a message for a group as no member may, readable by these users.

        Chat apps show it all the same. Returns its time in ms.
        """
        folder = f"{group_folder(self.username, creator, group)}/messages"
        time = self.mesh.call(self._member_now_ms)
        content = {"text": message} if isinstance(message, str) else message
        data = wire.encode([{"time": time, "message": content}])
        self.publish_file(f"{folder}/{time}.json", data, readers=readers)
        return time

    def _member_now_ms(self) -> int:
        return self._member.now_ms()

    # Messages on their way

    def lose_posts(self, count: int) -> None:
        """Answer the next `count` messages with 201, and never write them."""
        self._set(lambda joined: setattr(joined.outbox, "to_lose", count))

    def race_next(self, message: JSON, *, after_s: float = 0.0) -> None:
        """Let a second client of this user overwrite the next message written, `after_s` later."""
        self._set(lambda joined: joined.outbox.rivals.append(Rival(message, after_s)))

    # The Chat app

    def deafen(self) -> None:
        """Make the running Chat app see nothing new until it is restarted."""
        self._set(lambda joined: joined.host.deafen())

    def hold_back(self, changes: int = 1) -> None:
        """Hide the next `changes` changes from the Chat app, each until the one after it."""
        self._set(lambda joined: joined.host.running().hold_back(changes))

    def disable_app(self, on: bool = True) -> None:
        """Disable the Chat app, as its user may: chat requests are answered 503."""
        self._set(lambda joined: joined.host.change({"isDisabled": on}))

    def break_app(self, on: bool = True) -> None:
        """Stop the Chat app, and let it fail to start: chat requests are answered 503."""

        def break_it(joined: JoinedMesh) -> None:
            joined.host.is_broken = on
            joined.host.stop()

        self._set(break_it)

    # The HTTP surface

    def slow(self, path_part: str, seconds: float) -> None:
        """Delay answers to paths that contain this (percent-encoded); 0 ends it."""
        self.mesh.call(lambda: self._server.faults.slow(path_part, seconds))

    def answer_with(
        self,
        status: int,
        body: bytes = b"",
        *,
        path_part: str = "",
        times: float = 1,
        handled: bool = False,
    ) -> None:
        """Give this answer instead, `times` times (`math.inf`: always).

        The request is carried out all the same when `handled`.
        """
        answer = ApiResponse(status, body, "application/json" if body else None)
        faults = self._server.faults
        self.mesh.call(lambda: faults.answer_with(answer, path_part, times, handled=handled))

    def garble(self, body: bytes, *, path_part: str = "", times: float = 1) -> None:
        """Replace the body of the next answers by these bytes."""
        self.mesh.call(lambda: self._server.faults.garble(body, path_part, times))

    def refuse_files(self, on: bool = True) -> None:
        """Answer 404 to `files` and `file-data`, as older agents do."""
        self.mesh.call(lambda: setattr(self._server.faults, "refuses_files", on))

    def ignore_wait(self, on: bool = True) -> None:
        """Ignore `wait=true` in `files`, as release v2.0.0 does."""
        self.mesh.call(lambda: setattr(self._server.faults, "ignores_wait", on))

    def clear_http_faults(self) -> None:
        """End all faults of the HTTP surface."""
        self.mesh.call(self._server.faults.clear)

    def _set(self, act: Callable[[JoinedMesh], object]) -> None:
        self.mesh.call(lambda: act(self._joined))
