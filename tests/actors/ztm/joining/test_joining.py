"""Joining: under the right name or not at all, and believed only when it is seen."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.http.client import HttpClient
from actors.ztm.client.ztm_client import ZtmClient
from actors.ztm.errors import JoinFailed, NotFound, PermitUnusable, WrongUser, ZtmError
from actors.ztm.joining.joining import Joined, ensure_joined
from actors.ztm.joining.permit import Permit, PermitFile, PermitServer, PermitSource, read_permit
from tests.actors.loopback import Received, answer, in_loop, json_answer, loopback

PEM = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"
PERMIT: dict[str, Any] = {
    "ca": "hush-ca",
    "agent": {"certificate": "hush-cert"},
    "bootstraps": ["hub:8888"],
}


class Agent:
    """A ZTM Agent as far as joining goes: 201 for everything, connected after some looks at it."""

    def __init__(self, *, mesh: dict[str, Any] | None = None, connects_after: int = 2) -> None:
        self.mesh = mesh
        self.joins: list[dict[str, Any]] = []
        self.asked_for_permit: list[dict[str, Any]] = []
        self.permit_answer = json_answer(PERMIT)
        self.joins_as = "bot"
        self._looks_left = connects_after

    def __call__(self, request: Received) -> bytes:
        match request.method, request.target:
            case "GET", "/api/identity":
                return answer(200, PEM)
            case "POST", "/permit?token=hush":
                self.asked_for_permit.append(json.loads(request.body))
                return self.permit_answer
            case "POST", "/api/meshes/demo":
                self.joins.append(json.loads(request.body))
                self.mesh = mesh_as(self.joins_as, connected=False)
                return json_answer(self.mesh, 201)
            case "GET", "/api/meshes/demo":
                return self._look()
        return answer(404)

    def _look(self) -> bytes:
        if self.mesh is None:
            return answer(404)
        if self.joins:
            self._looks_left -= 1
            self.mesh["connected"] = self._looks_left <= 0
        return json_answer(self.mesh)


def mesh_as(username: str, *, connected: bool) -> dict[str, Any]:
    errors = [{"time": "t", "message": "Connection to hub closed, error = ConnectionRefused"}]
    agent = {"id": "e", "username": username}
    return {"name": "demo", "agent": agent, "connected": connected, "errors": errors}


class Naps:
    """Sleeping without waiting; what was slept is counted."""

    def __init__(self) -> None:
        self.total_s = 0.0

    async def __call__(self, seconds: float) -> None:
        self.total_s += seconds


@asynccontextmanager
async def serving(agent: Agent) -> AsyncIterator[tuple[ZtmClient, HttpClient, str]]:
    async with loopback(agent) as server:
        http = HttpClient()
        client = ZtmClient(http, agent_url=server.url, mesh="demo", timeout_s=10)
        try:
            yield client, http, server.url
        finally:
            await http.aclose()


async def join(
    agent: Agent, source: PermitSource | None = None, naps: Naps | None = None
) -> Joined:
    async with serving(agent) as (client, http, url):
        return await ensure_joined(
            client,
            username="bot",
            permit_source=source or PermitServer(f"{url}/permit?token=hush"),
            permit_http=http,
            permit_timeout_s=10,
            deadline_s=30,
            sleep=naps or Naps(),
        )


async def refusal(kind: type[ZtmError], agent: Agent, source: PermitSource | None = None) -> str:
    with pytest.raises(kind) as caught:
        await join(agent, source)
    text = str(caught.value)
    assert "hush" not in text
    assert text.isprintable()
    return text


@pytest.fixture
def permit_file(tmp_path: Path) -> Path:
    path = tmp_path / "permit.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(PERMIT))
    return path


@pytest.fixture
def keyed_permit_file(permit_file: Path) -> Path:
    agent = {"certificate": "c", "privateKey": "k", "labels": ["a"], "unknown": 1}
    permit_file.write_text(json.dumps(PERMIT | {"agent": agent}))
    return permit_file


@in_loop
async def test_an_agent_that_is_in_the_mesh_under_the_right_name_is_left_alone() -> None:
    agent = Agent(mesh=mesh_as("bot", connected=True))
    joined = await join(agent)
    assert (joined.newly, joined.mesh.agent.username) == (False, "bot")
    assert agent.joins == agent.asked_for_permit == []


@in_loop
async def test_a_permit_from_the_server_is_asked_for_with_the_agents_identity() -> None:
    agent = Agent()
    joined = await join(agent)
    assert joined.newly
    assert joined.mesh.connected
    assert agent.asked_for_permit == [{"PublicKey": PEM, "UserName": "bot"}]
    (body,) = agent.joins
    assert body["agent"]["name"] == "bot-ep"
    assert body["agent"]["certificate"] == "hush-cert"
    assert (body["ca"], body["bootstraps"]) == ("hush-ca", ["hub:8888"])


@in_loop
async def test_a_permit_from_a_file_joins_as_well(permit_file: Path) -> None:
    agent = Agent()
    joined = await join(agent, PermitFile(permit_file))
    assert joined.newly
    assert joined.advice == ()
    assert agent.asked_for_permit == []
    assert agent.joins[0]["agent"]["certificate"] == "hush-cert"


@in_loop
async def test_a_key_and_labels_of_the_permit_are_passed_on(keyed_permit_file: Path) -> None:
    agent = Agent()
    await join(agent, PermitFile(keyed_permit_file))
    assert agent.joins[0]["agent"] == {
        "name": "bot-ep",
        "certificate": "c",
        "privateKey": "k",
        "labels": ["a"],
    }


@in_loop
async def test_the_201_of_a_join_is_not_believed() -> None:
    naps = Naps()
    agent = Agent(connects_after=50)
    assert (await join(agent, naps=naps)).mesh.connected
    assert 4 < naps.total_s < 6


@in_loop
async def test_a_mesh_that_does_not_come_up_fails_with_the_agents_own_reason() -> None:
    text = await refusal(JoinFailed, Agent(connects_after=10**9))
    assert "was not connected within 30 s" in text
    assert "error = ConnectionRefused" in text


@pytest.mark.parametrize("connected", [True, False])
@in_loop
async def test_an_agent_of_another_user_is_never_used(connected: bool) -> None:
    agent = Agent(mesh=mesh_as("eve\x1b", connected=connected))
    text = await refusal(WrongUser, agent)
    assert "as 'eve'" in text
    assert "says username 'bot'" in text
    assert agent.joins == agent.asked_for_permit == []


@in_loop
async def test_a_permit_that_makes_us_another_user_is_noticed() -> None:
    agent = Agent()
    agent.joins_as = "eve"
    await refusal(WrongUser, agent)


@in_loop
async def test_names_are_compared_exactly() -> None:
    await refusal(WrongUser, Agent(mesh=mesh_as("Bot", connected=True)))


@in_loop
async def test_a_mesh_that_lost_its_hub_gets_time_before_a_permit_is_used() -> None:
    naps = Naps()
    agent = Agent(mesh=mesh_as("bot", connected=False))
    assert (await join(agent, naps=naps)).newly
    assert naps.total_s >= 5


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (answer(403, "hush"), "status 403; see whether it may issue permits for 'bot'"),
        (answer(200, "hush"), "gave no permit: it is not JSON"),
        (json_answer({"ca": "hush"}), "gave no permit: Object missing required field"),
        (json_answer(PERMIT | {"agent": {}}), "missing required field `certificate`"),
        (json_answer(PERMIT | {"bootstraps": "hush"}), "Expected `array`, got `str`"),
        (json_answer({"\ud800": 1}), "missing required field"),
        (json_answer(PERMIT | {"ca": " "}), "ca or agent.certificate is empty"),
        (answer(200, b" " * 300_000), "larger than the 262144 bytes allowed"),
    ],
)
@in_loop
async def test_a_permit_server_that_gives_no_permit(reply: bytes, says: str) -> None:
    agent = Agent()
    agent.permit_answer = reply
    assert says in await refusal(PermitUnusable, agent)
    assert agent.joins == []


@in_loop
async def test_a_permit_server_that_cannot_be_asked() -> None:
    text = await refusal(
        PermitUnusable, Agent(), PermitServer("http://no-such-host.invalid/hu?hush")
    )
    assert "see whether permitUrl is right" in text
    await refusal(PermitUnusable, Agent(), PermitServer("nonsense"))


def test_a_permit_file_that_others_can_read_is_used_with_advice(permit_file: Path) -> None:
    permit_file.chmod(0o644)
    assert read_permit(permit_file)[1] == [
        f"{permit_file} holds a permit and has mode 0644; protect it: chmod 600 {permit_file}"
    ]


def unusable(path: Path) -> str:
    with pytest.raises(PermitUnusable) as caught:
        read_permit(path)
    assert str(path) in str(caught.value)
    assert "hush" not in str(caught.value)
    return str(caught.value)


def test_a_permit_file_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in unusable(tmp_path / "permit.json")


def test_a_symbolic_link_is_no_permit_file(permit_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(permit_file)
    assert "it is a symbolic link" in unusable(link)


def test_a_pipe_or_a_folder_is_no_permit_file_and_does_not_hold_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in unusable(tmp_path / "pipe")
    assert "no regular file" in unusable(tmp_path)


def test_a_permit_file_is_bounded(permit_file: Path) -> None:
    permit_file.write_bytes(b" " * 300_000)
    assert "larger than 262144 bytes" in unusable(permit_file)


@pytest.mark.parametrize("text", ["", "hush", "[]", '{"ca": "hush"}', '{"ca": 1e999}', "[" * 10**5])
def test_a_permit_file_without_a_permit(permit_file: Path, text: str) -> None:
    permit_file.write_text(text)
    assert "a permit is JSON with ca, agent.certificate and a list bootstraps" in unusable(
        permit_file
    )


def test_a_permit_shows_nothing_of_itself(permit_file: Path) -> None:
    permit: Permit = read_permit(permit_file)[0]
    assert "hush" not in f"{permit} {permit!r} {permit.agent!r} {permit.__rich_repr__()}"


@in_loop
async def test_an_address_that_is_no_agent_is_told_as_it_is() -> None:
    agent = Agent()
    async with serving(agent) as (client, _, _):
        with pytest.raises(NotFound):
            await client.users()
