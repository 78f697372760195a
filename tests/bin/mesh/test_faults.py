"""What can go wrong on a real mesh, and does here when asked."""

import math
import threading

import httpx
import pytest

from tests.bin.mesh.agent_client import Api, Connect, Eventually
from ztm_chat.mesh import Mesh, MeshAgent, MessageRefused


def cure(agent: MeshAgent, api: Api) -> int:
    app = f"{api.mesh_path}/endpoints/{agent.endpoint_id}/apps/ztm/chat"
    return api.post(app, {"isRunning": False}).status_code


def outage(mesh: Mesh, seconds: float) -> None:
    mesh.hub_down()
    threading.Event().wait(seconds)
    mesh.hub_up()


def test_a_long_outage_leaves_the_chat_deaf_while_the_agent_looks_healthy(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent, bot_api: Api, alice_api: Api
) -> None:
    assert bot_api.chats() == alice_api.chats() == []
    outage(mesh, mesh.timing.deaf_after_outage_s)
    alice.wait_connected()
    bot.wait_connected()
    alice.send("my-bot", "can you hear me?")
    bot.wait_for(lambda entries: len(entries) == 1, sender="alice")
    heard = mesh.wait_for(lambda: bot_api.chats() or alice_api.chats() or None, timeout_s=0.3)
    assert heard is None
    assert bot_api.status()["connected"]
    assert len(bot_api.files(since=0)) == 1
    assert cure(bot, bot_api) == 201
    assert bot_api.texts("peers", "alice") == ["can you hear me?"]
    assert [chat["updated"] for chat in bot_api.chats()] == [0]


def test_a_short_outage_does_not_leave_the_chat_deaf(
    mesh: Mesh, alice: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    bot_api.chats()
    outage(mesh, 0)
    alice.wait_connected()
    alice.send("my-bot", "still there?")
    eventually(lambda: bot_api.texts("peers", "alice") == ["still there?"])


@pytest.mark.parametrize("by_agent", [True, False])
def test_a_deaf_chat_hears_again_after_a_restart_of_the_app_or_the_agent(
    alice: MeshAgent, bot: MeshAgent, api: Connect, eventually: Eventually, by_agent: bool
) -> None:
    bot.deafen()
    alice.send("my-bot", "unheard")
    bot.wait_for(bool, sender="alice")
    if by_agent:
        bot.kill()
        bot.restart()
    else:
        cure(bot, api(bot))
    reader = api(bot)
    assert reader.texts("peers", "alice") == ["unheard"]
    alice.send("my-bot", "heard")
    eventually(lambda: reader.texts("peers", "alice") == ["unheard", "heard"])


def test_a_held_back_message_is_shown_with_the_next_change(
    alice: MeshAgent, bot: MeshAgent, bot_api: Api, mesh: Mesh, eventually: Eventually
) -> None:
    bot.hold_back()
    alice.send("my-bot", "held")
    assert mesh.wait_for(lambda: bot_api.chats() or None, timeout_s=0.3) is None
    assert len(bot_api.files()) == 1
    bot.send("alice", "any change will do")
    eventually(lambda: "held" in bot_api.texts("peers", "alice"))


def test_a_killed_agent_refuses_connections_and_returns_on_its_port_with_its_files(
    alice: MeshAgent, bot: MeshAgent, alice_api: Api, api: Connect
) -> None:
    posted = alice_api.post(alice_api.chat("peers", "my-bot", "messages"), {"text": "last words"})
    alice.kill()
    assert posted.status_code == 201
    with pytest.raises(httpx.ConnectError):
        alice_api.get("/api/version")
    with pytest.raises(MessageRefused):
        alice.send("my-bot", "from the grave")
    url = alice.url
    alice.restart()
    assert alice.url == url
    assert len(api(alice).files()) == 1
    [entry] = bot.wait_for(lambda entries: len(entries) == 1, sender="alice")
    assert entry.text == "last words"


def test_a_restarted_agent_publishes_only_after_a_delay(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent
) -> None:
    alice.kill()
    alice.restart()
    alice.send("my-bot", "soon")
    with pytest.raises(TimeoutError, match=r"my-bot has \[\] from alice"):
        bot.wait_for(bool, sender="alice", timeout_s=mesh.timing.republish_s / 2)
    bot.wait_for(bool, sender="alice")


def test_killing_an_agent_resets_requests_in_flight(bot: MeshAgent, bot_api: Api) -> None:
    bot.slow("/api/version", 30)
    threading.Timer(0.1, bot.kill).start()
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        bot_api.get("/api/version")


def test_the_files_of_an_offline_agent_are_listed_but_cannot_be_fetched(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent, bot_api: Api
) -> None:
    alice.send("my-bot", "owed")
    bot.wait_for(lambda entries: len(entries) == 1, sender="alice")
    alice.go_offline()
    [path] = bot_api.files()
    assert bot_api.file(path).json()["sources"] == []
    assert bot_api.data(path).status_code == 404
    alice.go_online()
    alice.wait_connected()
    assert bot_api.data(path).status_code == 200


def test_a_chat_that_missed_a_file_shows_it_with_the_next_change(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    bot_api.chats()
    alice.send("my-bot", "missed")
    bot.wait_for(bool, sender="alice")
    alice.kill()
    assert mesh.wait_for(lambda: bot_api.chats() or None, timeout_s=0.2) is None
    alice.restart()
    alice.send("my-bot", "next")
    eventually(lambda: bot_api.texts("peers", "alice") == ["missed", "next"])


def test_a_failed_download_leaves_the_chat_deaf(
    alice: MeshAgent, bot: MeshAgent, bot_api: Api, mesh: Mesh
) -> None:
    bot_api.chats()
    alice.withhold_files()
    alice.send("my-bot", "1")
    bot.wait_for(lambda entries: len(entries) == 1, sender="alice")
    [path] = bot_api.files()
    assert bot_api.data(path).status_code == 404
    assert mesh.wait_for(lambda: bot_api.chats() or None, timeout_s=0.2) is None
    alice.withhold_files(False)
    alice.send("my-bot", "2")
    bot.wait_for(lambda entries: len(entries) == 2, sender="alice")
    assert mesh.wait_for(lambda: bot_api.chats() or None, timeout_s=0.2) is None
    assert bot_api.data(path).status_code == 200


def test_a_new_hub_lists_all_files_with_an_earlier_since(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    alice.send("my-bot", "old")
    bot.wait_for(bool, sender="alice")
    [before] = bot_api.files(since=0).values()
    mesh.replace_hub(behind_ms=60_000)
    alice.wait_connected()
    bot.wait_connected()
    eventually(bot_api.files)
    [after] = bot_api.files(since=0).values()
    assert (after["hash"], after["time"]) == (before["hash"], before["time"])
    assert after["since"] < before["since"] - 50_000
    assert bot_api.files(since=before["since"]) == {}


def test_answers_can_be_slow_wrong_or_garbled(bot: MeshAgent, bot_api: Api) -> None:
    bot.slow("/version", 0.1)
    assert bot_api.get("/api/version").elapsed.total_seconds() >= 0.1
    assert bot_api.get("/api/identity").elapsed.total_seconds() < 0.1
    bot.garble(b"\xff{", path_part="/meshes")
    assert bot_api.get("/api/meshes").content == b"\xff{"
    bot.answer_with(503, b'{"busy":1}', times=math.inf)
    assert {bot_api.get(p).status_code for p in ("/api/meshes", "/api/version")} == {503}
    bot.clear_http_faults()
    assert bot_api.status()["connected"]


@pytest.mark.parametrize("handled", [True, False])
def test_a_post_that_seems_to_fail_may_have_been_carried_out(
    alice: MeshAgent, alice_api: Api, handled: bool, eventually: Eventually
) -> None:
    alice.answer_with(502, path_part="/messages", handled=handled)
    path = alice_api.chat("peers", "my-bot", "messages")
    assert alice_api.post(path, {"text": "perhaps"}).status_code == 502
    alice.send("other", "done")
    assert len(alice_api.files()) == 1 + handled
