"""A real embedded mesh, and whole daemons on it, for the tests of what a user can see."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pykka
import pytest
import yaml

from actors.configuration import load
from actors.process.daemon import Daemon
from actors.ztm.timing import Timing
from tests.actors.daemon_runs import SCALE, Start
from ztm_chat.mesh import Mesh, MeshAgent
from ztm_chat.mesh import Timing as MeshTiming


@pytest.fixture(autouse=True)
def _no_actor_outlives_its_test() -> Iterator[None]:
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(timing=MeshTiming().scaled(SCALE)) as mesh:
        yield mesh


@pytest.fixture
def bot(mesh: Mesh) -> MeshAgent:
    return mesh.join("my-bot")


@pytest.fixture
def alice(mesh: Mesh, bot: MeshAgent) -> MeshAgent:
    del bot
    return mesh.join("alice")


@pytest.fixture
def start(tmp_path: Path, bot: MeshAgent) -> Start:
    """Starts a daemon with options of the account `bot`; `channel` holds options beside it;
    `wall_ns` is the machine's clock."""

    @contextmanager
    def running(
        channel: dict[str, Any] | None = None,
        accounts: dict[str, Any] | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
        **options: Any,
    ) -> Iterator[Daemon]:
        account = {
            "agentUrl": bot.url,
            "permitSource": "file",
            "permitFilePath": str(tmp_path / "permit.json"),
            "meshName": "demo-mesh",
            "username": "my-bot",
            "dmPolicy": "allow",
        }
        section = {
            "store": {"path": str(tmp_path / "log")},
            "gateway": {"socket": str(tmp_path / "socket")},
            "accounts": {"bot": account | options} | (accounts or {}),
        }
        path = tmp_path / "openclaw.yaml"
        path.write_text(yaml.safe_dump({"channels": {"ztm-chat": section | (channel or {})}}))
        timing = Timing().scaled(SCALE)
        daemon = Daemon(load(path, {}), release="test", timing=timing, wall_ns=wall_ns)
        daemon.start()
        try:
            yield daemon
        finally:
            daemon.stop("test")

    return running
