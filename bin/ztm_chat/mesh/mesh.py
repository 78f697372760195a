"""A whole ZTM mesh in one background thread: its hub, its users' agents, and its faults."""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from ztm_chat.mesh.agent import Agent
from ztm_chat.mesh.hub import Hub
from ztm_chat.mesh.journal import Entry, Journal
from ztm_chat.mesh.loop_thread import LoopThread
from ztm_chat.mesh.membership import HUB_ADDRESS, World
from ztm_chat.mesh.mesh_agent import MeshAgent
from ztm_chat.mesh.permits import Authority
from ztm_chat.mesh.server import AgentServer, reserve
from ztm_chat.mesh.timing import Timing
from ztm_chat.mesh.wire import JSON

T = TypeVar("T")


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Mesh:
    """A running mesh, as a context manager or with start() and stop(). Usable from any thread.

    Each user that joins gets an agent with the real HTTP API on a loopback port:

        with Mesh(timing=Timing().scaled(0.1)) as mesh:
            bot, alice = mesh.join("my-bot"), mesh.join("alice")
            alice.send("my-bot", "hello")
    """

    def __init__(
        self,
        name: str = "demo-mesh",
        *,
        timing: Timing | None = None,
        clock_ms: Callable[[], int] = _clock_ms,
    ) -> None:
        self.name = name
        self.timing = timing or Timing()
        self.agents: dict[str, MeshAgent] = {}
        self._thread = LoopThread(f"mesh {name}")
        self._changed = threading.Condition()
        self._changes = 0
        self._all: list[MeshAgent] = []
        self._world = World(
            hub=Hub(clock_ms),
            authority=Authority(secrets.token_bytes(32), HUB_ADDRESS),
            timing=self.timing,
            journal=Journal(),
            clock_ms=clock_ms,
            changed=self._tell,
        )

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop all agents and give their ports back. A second time does nothing."""
        if self._all:
            self._thread.run(self._stop_agents())
        self._thread.stop()

    async def _stop_agents(self) -> None:
        await asyncio.gather(*(agent.end() for agent in self._all))
        self._all.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # Users

    def join(self, username: str, *, port: int = 0) -> MeshAgent:
        """Start this user's agent, joined and, if the hub is up, connected.

        Raises ValueError for a user who is there already, OSError when the port is taken.
        """
        if username in self.agents:
            raise ValueError(f"{username} has joined {self.name} already")
        agent = self.start_agent(port=port, username=username)
        permit = self.permit(username, agent.public_key)
        permit["agent"]["name"] = f"{username}-ep"
        agent.accept(permit)
        self.agents[username] = agent
        return agent

    def start_agent(self, *, port: int = 0, username: str = "") -> MeshAgent:
        """Start an agent that has joined nothing; `username` only says who it is meant for."""
        reserved = reserve(port)
        agent = Agent(self._world, reserved.getsockname()[1])
        server = AgentServer(agent, reserved)
        public = MeshAgent(self, username, agent, server)
        self._all.append(public)
        self._thread.run(server.start())
        return public

    def permit(self, username: str, public_key: str) -> dict[str, JSON]:
        """A permit for an agent's key (`GET /api/identity`), as root would issue it."""
        return self._world.authority.permit(username, public_key)

    # What was said

    def transcript(self, one: str, other: str) -> list[Entry]:
        """What two users wrote to each other, in the order of publication."""
        return self.call(lambda: self._world.journal.between(one, other))

    def group_transcript(self, creator: str, group: str) -> list[Entry]:
        """What anybody published for a group, in the order of publication."""
        return self.call(lambda: self._world.journal.in_group(creator, group))

    # Faults

    def hub_down(self) -> None:
        """The hub vanishes: agents notice after `disconnect_notice_s`."""
        self.call(self._hub_down)

    def _hub_down(self) -> None:
        self._world.hub.up = False
        for agent in self._all:
            agent.lose_hub()

    def hub_up(self) -> None:
        """The hub returns: agents are connected after `reconnect_s`.

        After an outage of `deaf_after_outage_s` every running Chat app is deaf.
        """
        self.call(self._hub_up)

    def _hub_up(self) -> None:
        self._world.hub.up = True
        for agent in self._all:
            agent.find_hub()

    def replace_hub(self, *, behind_ms: int = 60_000) -> None:
        """Another hub takes over: it knows nothing, and its `since` clock is behind.

        The agents publish all their files again.
        """

        def replace() -> None:
            self._hub_down()
            self._world.hub.forget(clock_behind_ms=behind_ms)
            self._hub_up()

        self.call(replace)

    # For MeshAgent

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the mesh's thread. For the mesh's own parts."""
        return self._thread.call(function)

    @property
    def journal(self) -> Journal:
        return self._world.journal

    @property
    def thread(self) -> LoopThread:
        return self._thread

    def _tell(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def wait_for(self, question: Callable[[], T | None], *, timeout_s: float) -> T | None:
        """Ask again after each change in the mesh until the answer is not None, or time is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._changed:
                seen = self._changes
            answer = question()
            if answer is not None:
                return answer
            if not self._await_change(since=seen, until=deadline):
                return None

    def _await_change(self, *, since: int, until: float) -> bool:
        with self._changed:
            remaining = max(0.0, until - time.monotonic())
            return self._changed.wait_for(lambda: self._changes != since, remaining)
