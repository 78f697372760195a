"""A fast mesh with a bot and a person, and edges that watch it for the bot's account.

Its Chat apps hold nothing back but where a test asks for it, so that no test waits in vain.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from actors.ztm.timing import Timing
from tests.actors.ztm.watched_mesh import Recorder, Watching, config_of
from ztm_chat.mesh import Mesh, MeshAgent
from ztm_chat.mesh import Timing as MeshTiming

SCALE = 0.04

Watch = Callable[..., Watching]


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(timing=replace(MeshTiming().scaled(SCALE), hold_back_s=0)) as mesh:
        yield mesh


@pytest.fixture
def bot(mesh: Mesh) -> MeshAgent:
    return mesh.join("my-bot")


@pytest.fixture
def alice(mesh: Mesh, bot: MeshAgent) -> MeshAgent:
    del bot
    return mesh.join("alice")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def watch(bot: MeshAgent, recorder: Recorder) -> Iterator[Watch]:
    """Starts an edge of the bot's account; what is given changes its timing, or its config.

    An edge before it, if any, is stopped: there is one process at a time.
    """
    running: list[Watching] = []

    def start(
        *,
        config: dict[str, Any] | None = None,
        wait: bool = True,
        watching: bool = True,
        **timing: Any,
    ) -> Watching:
        for before in running:
            before.stop()
        running.clear()
        times = {**as_dict(Timing().scaled(SCALE)), **timing}
        edge = Watching(config_of(bot, **(config or {})), recorder, Timing(**times))
        running.append(edge)
        edge.start(watch=watching)
        if wait and watching:
            recorder.wait_until_settled()
        return edge

    yield start
    for edge in running:
        edge.stop()


def as_dict(timing: Timing) -> dict[str, Any]:
    """Its fields by name."""
    return {name: getattr(timing, name) for name in timing.__struct_fields__}
