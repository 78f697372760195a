"""Meshes at forty times real speed, and a client of an agent's HTTP API.

Their Chat apps hold nothing back unless a test asks for it, so no test waits for nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.bin.mesh.agent_client import TLS, Api, Connect, Eventually
from ztm_chat.mesh import Mesh, MeshAgent, Timing

TIMING = replace(Timing().scaled(0.025), hold_back_s=0, disconnect_notice_s=0.2, republish_s=0.5)


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(timing=TIMING) as running:
        yield running


@pytest.fixture
def slow_mesh() -> Iterator[Mesh]:
    """A mesh slow enough to look at it before a tick."""
    with Mesh(
        timing=Timing(publish_tick_s=0.4, feed_delay_s=0.2, connect_s=0.001, hold_back_s=0)
    ) as running:
        yield running


@pytest.fixture
def bot(mesh: Mesh) -> MeshAgent:
    return mesh.join("my-bot")


@pytest.fixture
def alice(mesh: Mesh) -> MeshAgent:
    return mesh.join("alice")


@pytest.fixture
def api() -> Iterator[Connect]:
    with ExitStack() as stack:
        yield lambda agent: Api(
            agent, stack.enter_context(httpx.Client(base_url=agent.url, timeout=10, verify=TLS))
        )


@pytest.fixture
def bot_api(bot: MeshAgent, api: Connect) -> Api:
    return api(bot)


@pytest.fixture
def alice_api(alice: MeshAgent, api: Connect) -> Api:
    return api(alice)


@pytest.fixture
def eventually(mesh: Mesh) -> Eventually:
    """Ask again after each change in the mesh until the answer is truthy; then return it."""

    def wait(question: Callable[[], Any]) -> Any:
        found = mesh.wait_for(lambda: question() or None, timeout_s=5)
        assert found, "it did not come true within 5 s"
        return found

    return wait
