"""A whole ZTM mesh in a background thread: its hub, its users' agents, and its faults."""

import asyncio
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from ztm_chat.mesh.agent.agent import Agent
from ztm_chat.mesh.http.server import AgentServer, reserve
from ztm_chat.mesh.mesh_agent import MeshAgent
from ztm_chat.mesh.model.hub import Hub
from ztm_chat.mesh.model.journal import Entry, Journal
from ztm_chat.mesh.model.permits import Authority
from ztm_chat.mesh.model.timing import Timing
from ztm_chat.mesh.model.wire import JSON
from ztm_chat.mesh.model.world import HUB_ADDRESS, World
from ztm_chat.mesh.running_mesh import RunningMesh

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
        self._running = RunningMesh(name)
        self._all: list[MeshAgent] = []
        self._world = World(
            hub=Hub(clock_ms),
            authority=Authority(secrets.token_bytes(32), HUB_ADDRESS),
            timing=self.timing,
            journal=Journal(),
            clock_ms=clock_ms,
            changed=self._running.notify,
        )

    def start(self) -> Self:
        self._running.start()
        return self

    def stop(self) -> None:
        """Stop all agents and give their ports back. A second time does nothing."""
        if self._all:
            self._running.run(self._stop_agents())
        self._running.stop()

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
        public = MeshAgent(self._running, username, agent, server)
        self._all.append(public)
        self._running.run(server.start())
        return public

    def permit(self, username: str, public_key: str) -> dict[str, JSON]:
        """A permit for an agent's key (`GET /api/identity`), as root would issue it."""
        return self._world.authority.permit(username, public_key)

    def wait_for(self, question: Callable[[], T | None], *, timeout_s: float) -> T | None:
        """Ask again after each change in the mesh; return the first answer that is not None.

        Returns None when `timeout_s` is over.
        """
        return self._running.wait_for(question, timeout_s=timeout_s)

    # The record

    def transcript(self, user: str, other: str) -> list[Entry]:
        """What two users wrote to each other, in the order of publication."""
        return self._running.call(lambda: self._world.journal.between(user, other))

    def group_transcript(self, creator: str, group: str) -> list[Entry]:
        """What anybody published for a group, in the order of publication."""
        return self._running.call(lambda: self._world.journal.in_group(creator, group))

    # Faults

    def hub_down(self) -> None:
        """Take the hub down; agents notice after `disconnect_notice_s`."""
        self._running.call(self._hub_down)

    def _hub_down(self) -> None:
        self._world.hub.up = False
        for agent in self._all:
            agent.lose_hub()

    def hub_up(self) -> None:
        """Bring the hub back; agents are connected after `reconnect_s`.

        After an outage of `deaf_after_outage_s` every running Chat app is deaf.
        """
        self._running.call(self._hub_up)

    def _hub_up(self) -> None:
        self._world.hub.up = True
        for agent in self._all:
            agent.find_hub()

    def replace_hub(self, *, behind_ms: int = 60_000) -> None:
        """Replace the hub by an empty one, whose `since` clock is behind.

        The agents publish all their files again.
        """

        def replace() -> None:
            self._hub_down()
            self._world.hub.forget(clock_behind_ms=behind_ms)
            self._hub_up()

        self._running.call(replace)
