"""What an agent answers about itself, its meshes and its apps."""

from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection

import pytest

from tests.bin.mesh.agent_client import Api, Connect, Eventually
from ztm_chat.mesh import Mesh, MeshAgent

NOT_CONNECTED = b'{"status":500,"message":"Not connected to mesh"}'


def test_an_agent_answers_its_version_and_public_key(bot: MeshAgent, bot_api: Api) -> None:
    assert {"tag", "commit", "date"} <= bot_api.get("/api/version").json()["ztm"].keys()
    identity = bot_api.get("/api/identity")
    assert identity.text == bot.public_key
    assert identity.headers["content-type"].startswith("text/plain")


def test_the_status_of_a_joined_mesh_names_the_user_and_is_connected(bot_api: Api) -> None:
    status = bot_api.status()
    assert status.keys() == {"name", "ca", "agent", "bootstraps", "connected", "errors"}
    assert (status["agent"]["username"], status["agent"]["name"]) == ("my-bot", "my-bot-ep")
    assert (status["connected"], status["errors"]) == (True, [])
    assert bot_api.get("/api/meshes").json() == [status]


def test_an_agent_that_has_joined_nothing_has_no_meshes(mesh: Mesh, api: Connect) -> None:
    fresh = api(mesh.start_agent())
    assert fresh.get("/api/meshes").content == b"[]"
    assert fresh.get("/api/meshes/demo-mesh").status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/nothing", "/api/meshes/demo-mesh/", "/api/meshes/demo-mesh/nothing"]
)
def test_an_unknown_path_is_404(bot_api: Api, path: str) -> None:
    assert bot_api.get(path).status_code == 404


@pytest.mark.parametrize("part", ["chats", "users", "appinfo"])
def test_a_wrong_method_is_405(bot_api: Api, part: str) -> None:
    assert bot_api.post(bot_api.chat(part), {}).status_code == 405
    assert bot_api.post("/api/version", {}).status_code == 405


@pytest.mark.parametrize("rest", ["chats", "users", "no/such/path"])
def test_every_app_path_of_an_unknown_mesh_is_502_and_empty(bot_api: Api, rest: str) -> None:
    answer = bot_api.get(f"/api/meshes/other/apps/ztm/chat/api/{rest}")
    assert (answer.status_code, answer.content) == (502, b"")


def test_an_unknown_or_broken_app_is_503(bot: MeshAgent, bot_api: Api) -> None:
    unknown = bot_api.get(f"{bot_api.mesh_path}/apps/ztm/nothing/api/x")
    bot.break_app()
    broken = bot_api.get(bot_api.chat("chats"))
    assert [(a.status_code, a.text) for a in (unknown, broken)] == [
        (503, "Cannot start the app")
    ] * 2


def test_a_new_agent_joins_with_a_permit_from_root(
    mesh: Mesh, api: Connect, eventually: Eventually
) -> None:
    root, agent = api(mesh.join("root")), mesh.start_agent()
    fresh = api(agent)
    permit = root.post(
        f"{root.mesh_path}/permits/new-bot", raw=fresh.get("/api/identity").content
    ).json()
    permit["agent"]["name"] = "new-bot-ep"
    assert fresh.post(fresh.mesh_path, permit).status_code == 201
    agent.wait_connected()
    assert fresh.status()["agent"]["username"] == "new-bot"
    assert "new-bot" in root.get(root.chat("users")).json()


def test_only_roots_agent_issues_permits(bot_api: Api) -> None:
    assert bot_api.post(f"{bot_api.mesh_path}/permits/eve", raw=b"key").status_code == 403


def test_a_join_is_answered_201_even_if_it_cannot_succeed(mesh: Mesh, api: Connect) -> None:
    agent = mesh.start_agent()
    fresh, permit = api(agent), mesh.permit("bob", agent.public_key)
    wrong = {
        "garbage": permit | {"agent": {"name": "x", "certificate": "garbage"}},
        "nowhere": permit | {"bootstraps": ["127.0.0.1:1"]},
        "not-ours": mesh.permit("bob", "another agent's key"),
    }
    for name, body in wrong.items():
        joined = fresh.post(f"/api/meshes/{name}", body)
        status = fresh.get(f"/api/meshes/{name}").json()
        assert (joined.status_code, status["connected"]) == (201, False)
        assert status["errors"][0]["message"] in {"Invalid agent certificate", "No hub found"}
    assert "username" not in fresh.get("/api/meshes/garbage").json()["agent"]
    assert len(fresh.get("/api/meshes").json()) == 3


def test_a_second_join_is_201_and_keeps_the_files(mesh: Mesh, bot: MeshAgent, bot_api: Api) -> None:
    bot.send("alice", "kept")
    again = mesh.permit("my-bot", bot.public_key)
    assert bot_api.post(bot_api.mesh_path, again).status_code == 201
    bot.wait_connected()
    assert len(bot_api.files()) == 1


def test_a_join_with_an_empty_body_is_500(bot_api: Api) -> None:
    answer = bot_api.post(bot_api.mesh_path, {})
    assert answer.status_code == 500
    assert answer.json()["message"] == "cannot set property of undefined"
    assert bot_api.status()["connected"]


def test_connected_turns_false_late_and_true_again_after_the_hubs_return(
    mesh: Mesh, bot: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    mesh.hub_down()
    assert bot_api.status()["connected"], "it was noticed at once"
    error = eventually(lambda: bot_api.status()["errors"])[0]
    assert not bot_api.status()["connected"]
    assert error["message"].startswith("Connection to hub ")
    assert error["message"].endswith(" closed, error = ConnectionRefused")
    assert datetime.fromisoformat(error["time"]).tzinfo
    mesh.hub_up()
    eventually(lambda: bot_api.status()["connected"])
    assert bot_api.status()["errors"] == []


def test_without_a_connection_only_requests_answered_from_memory_succeed(
    mesh: Mesh, alice: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    bot_api.chats()
    alice.send("my-bot", "remembered")
    eventually(lambda: bot_api.texts("peers", "alice"))
    path = next(iter(bot_api.files()))
    mesh.hub_down()
    eventually(lambda: not bot_api.status()["connected"])
    refused = [
        bot_api.get(bot_api.chat("users")),
        bot_api.get(f"{bot_api.mesh_path}/files"),
        bot_api.get(f"{bot_api.mesh_path}/files", since=0),
        bot_api.post(bot_api.chat("peers", "alice", "messages"), {"text": "no"}),
        bot_api.post(bot_api.chat("groups", "my-bot", "g"), {"name": "g"}),
    ]
    assert [(a.status_code, a.content) for a in refused] == [(500, NOT_CONNECTED)] * 5
    assert bot_api.data(path).status_code == 404
    assert bot_api.get(bot_api.chat("files", "alice", "0")).status_code == 404
    assert bot_api.chats()[0]["peer"] == "alice"
    assert bot_api.texts("peers", "alice") == ["remembered"]


def test_requests_that_need_the_hub_hang_until_its_absence_is_noticed(
    mesh: Mesh, bot_api: Api
) -> None:
    mesh.hub_down()
    answer = bot_api.get(f"{bot_api.mesh_path}/files")
    assert answer.content == NOT_CONNECTED
    assert answer.elapsed.total_seconds() > 0.5 * mesh.timing.disconnect_notice_s


def test_the_apps_state_shows_whether_it_runs(bot: MeshAgent, bot_api: Api) -> None:
    app = f"{bot_api.mesh_path}/endpoints/{bot.endpoint_id}/apps/ztm/chat"
    assert bot_api.get(app).json()["isRunning"] is False
    bot_api.chats()
    assert bot_api.get(app).json()["isRunning"] is True
    stopped = bot_api.post(app, {"isRunning": False})
    assert (stopped.status_code, stopped.json()["isRunning"]) == (201, False)
    assert bot_api.get(app.replace(bot.endpoint_id, "unknown")).status_code == 404
    assert bot_api.post(app.replace("demo-mesh", "other"), {}).status_code == 500


def test_a_disabled_app_is_503_until_it_is_enabled(bot: MeshAgent, bot_api: Api) -> None:
    app = f"{bot_api.mesh_path}/endpoints/{bot.endpoint_id}/apps/ztm/chat"
    bot.disable_app()
    state = bot_api.get(app).json()
    assert (state["isDisabled"], state["isRunning"]) == (True, False)
    assert bot_api.get(bot_api.chat("chats")).status_code == 503
    bot.disable_app(False)
    assert bot_api.get(bot_api.chat("chats")).status_code == 200


def test_a_body_over_the_limit_is_refused(bot_api: Api) -> None:
    assert bot_api.post("/api/meshes/x", raw=b" " * (32 * 2**20 + 1)).status_code == 413


def test_connections_are_kept_alive(bot: MeshAgent) -> None:
    with closing(HTTPConnection("127.0.0.1", bot.port)) as connection:
        sockets = []
        for _ in range(2):
            connection.request("GET", "/api/version")
            connection.getresponse().read()
            sockets.append(connection.sock)
    assert sockets[0] is sockets[1] is not None
