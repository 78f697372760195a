"""The files beneath the chats, and the feed of their changes."""

import asyncio
import threading
import time

import httpx
import pytest

from tests.bin.mesh.agent_client import TLS, Api, Connect, Eventually
from ztm_chat.mesh import Mesh, MeshAgent, MessageLost, Timing


def test_a_message_is_in_its_senders_files_at_once_and_in_others_after_a_tick(
    slow_mesh: Mesh, api: Connect
) -> None:
    alice, bot = slow_mesh.join("alice"), slow_mesh.join("my-bot")
    alice_api, bot_api = api(alice), api(bot)
    sent = alice.send("my-bot", "hello")
    [(path, listed)] = alice_api.files().items()
    assert path == f"/apps/ztm/chat/shared/alice/publish/peers/my-bot/messages/{sent - 60_000}.json"
    assert listed.keys() == {"hash", "size", "time"}
    assert alice_api.data(path).json() == [{"time": sent, "message": {"text": "hello"}}]
    assert alice_api.file(path).json()["sources"] == [alice.endpoint_id]
    assert bot_api.files() == {}
    assert bot_api.file(path).status_code == 404
    bot.wait_for(bool, sender="alice")
    assert bot_api.files() == alice_api.files()
    assert bot_api.data(path).content == alice_api.data(path).content


def test_a_files_state_and_sources_are_answered_without_delay(
    slow_mesh: Mesh, api: Connect
) -> None:
    alice, bot = slow_mesh.join("alice"), slow_mesh.join("my-bot")
    bot_api = api(bot)
    alice.send("my-bot", "hello")
    bot.wait_for(bool, sender="alice")
    [(path, listed)] = bot_api.files(since=0).items()
    state = bot_api.file(path)
    assert state.json() == listed | {"sources": [alice.endpoint_id]}
    assert state.elapsed.total_seconds() < slow_mesh.timing.feed_delay_s


def test_an_agent_that_fetched_a_file_becomes_a_source_of_it(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    alice.send("my-bot", "hello")
    bot.wait_for(lambda entries: len(entries) == 1, sender="alice")
    [path] = bot_api.files()
    assert bot_api.data(path).status_code == 200
    both = {alice.endpoint_id, bot.endpoint_id}
    eventually(lambda: set(bot_api.file(path).json()["sources"]) == both)
    alice.kill()
    assert bot_api.data(path).status_code == 200


def test_the_feed_excludes_changes_at_exactly_since(
    alice: MeshAgent, bot: MeshAgent, bot_api: Api
) -> None:
    alice.send("my-bot", "1")
    bot.wait_for(lambda entries: len(entries) == 1, sender="alice")
    everything = bot_api.files(since=0)
    [since] = [file["since"] for file in everything.values()]
    assert bot_api.files(since=since) == {}
    assert bot_api.files(since=since - 1) == everything
    assert bot_api.files(since="garbage") == {}


def test_the_feed_answers_after_a_delay_with_the_state_before_it(api: Connect) -> None:
    with Mesh(timing=Timing(publish_tick_s=0.02, feed_delay_s=0.4)) as mesh:
        alice, bot = mesh.join("alice"), mesh.join("my-bot")
        reader = api(bot)
        reader.status()
        during = threading.Timer(0.1, lambda: alice.send("my-bot", "during"))
        during.start()
        answer = reader.get(f"{reader.mesh_path}/files", since=0)
        during.join()
        assert answer.elapsed.total_seconds() >= 0.4
        assert answer.json() == {}
        assert len(bot.inbox("alice")) == 1
        assert len(reader.files(since=0)) == 1


def test_the_feed_can_wait_for_a_change(mesh: Mesh, alice: MeshAgent, bot_api: Api) -> None:
    later = threading.Timer(0.2, lambda: alice.send("my-bot", "at last"))
    later.start()
    answer = bot_api.get(f"{bot_api.mesh_path}/files", since=0, wait="true")
    later.join()
    assert len(answer.json()) == 1


def test_a_waiting_feed_hangs_forever_when_the_hub_goes_down(
    mesh: Mesh, bot: MeshAgent, alice: MeshAgent
) -> None:
    with httpx.Client(base_url=bot.url, timeout=0.6, verify=TLS) as client:
        client.get("/api/version")
        outage = threading.Timer(0.15, mesh.hub_down)
        outage.start()
        with pytest.raises(httpx.ReadTimeout):
            client.get("/api/meshes/demo-mesh/files?since=0&wait=true")
        outage.join()
    mesh.hub_up()
    alice.wait_connected()
    alice.send("my-bot", "the mesh goes on")
    bot.wait_for(bool, sender="alice")


def test_release_2_0_0_ignores_wait(bot: MeshAgent, bot_api: Api) -> None:
    bot.ignore_wait()
    assert bot_api.files(since=0, wait="true") == {}


def test_older_agents_have_no_files_api(bot: MeshAgent, bot_api: Api) -> None:
    bot.refuse_files()
    assert bot_api.get(f"{bot_api.mesh_path}/files").status_code == 404
    assert bot_api.data("/apps/x").status_code == 404
    assert bot_api.get(bot_api.chat("chats")).status_code == 200


def test_a_new_file_is_started_after_1024_bytes(alice: MeshAgent, alice_api: Api) -> None:
    for number in range(3):
        alice.send("my-bot", f"{number}" * 600)
    files = [alice_api.data(path).json() for path in alice_api.files()]
    assert [[e["message"]["text"][0] for e in entries] for entries in files] == [["0", "1"], ["2"]]


def test_a_private_chat_is_shown_to_its_two_users_only(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent, bot_api: Api, api: Connect
) -> None:
    alice.send("my-bot", "secret")
    bot.wait_for(lambda entries: len(entries) == 1, sender="alice")
    [path] = bot_api.files()
    outsider = api(mesh.join("eve"))
    assert outsider.files() == outsider.files(since=0) == {}
    assert outsider.file(path).status_code == outsider.data(path).status_code == 404


def test_nobody_can_publish_under_another_users_name(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent, bot_api: Api
) -> None:
    eve = mesh.join("eve")
    forged = "/apps/ztm/chat/shared/alice/publish/peers/my-bot/messages/1.json"
    eve.publish_file(forged, b'[{"time":1,"message":"I am alice"}]', readers=["my-bot"])
    eve.send("my-bot", "as myself")
    bot.wait_for(lambda entries: len(entries) == 1, sender="eve")
    assert [path.split("/")[5] for path in bot_api.files()] == ["eve"]


def test_a_messages_time_is_its_senders_clock(alice: MeshAgent, bot: MeshAgent) -> None:
    alice.skew_clock(3_600_000)
    sent = alice.send("my-bot", "from the future")
    assert sent - time.time() * 1000 > 3_500_000
    [entry] = bot.wait_for(lambda entries: len(entries) == 1, sender="alice")
    assert entry.time == sent


def test_messages_sent_one_after_another_are_all_kept(alice: MeshAgent, bot: MeshAgent) -> None:
    for number in range(30):
        alice.send("my-bot", str(number))
    entries = bot.wait_for(lambda found: len(found) == 30, sender="alice")
    assert [entry.text for entry in entries] == [str(number) for number in range(30)]


def test_some_concurrent_posts_are_lost_despite_their_201(api: Connect) -> None:
    with Mesh(timing=Timing(publish_tick_s=0.02, write_delay_s=0.2)) as mesh:
        alice = mesh.join("alice")
        reader = api(alice)

        async def burst() -> list[int]:
            path = f"{alice.url}{reader.chat('peers', 'my-bot', 'messages')}"
            async with httpx.AsyncClient(verify=TLS) as client:
                posts = [client.post(path, json={"text": str(n)}) for n in range(50)]
                return [answer.status_code for answer in await asyncio.gather(*posts)]

        assert asyncio.run(burst()) == [201] * 50
        alice.send("my-bot", "end")
        files = [reader.data(path).json() for path in reader.files()]
        texts = [entry["message"]["text"] for entries in files for entry in entries]
        assert "end" in texts
        assert 25 < len(texts) - 1 < 50
        assert len(files) > 3, "no small files side by side"


def test_a_lost_post_is_answered_201_and_is_in_no_file(alice: MeshAgent, alice_api: Api) -> None:
    alice.lose_posts(2)
    posted = alice_api.post(alice_api.chat("peers", "my-bot", "messages"), {"text": "lost"})
    assert posted.status_code == 201
    with pytest.raises(MessageLost):
        alice.send("my-bot", "lost too")
    alice.send("my-bot", "kept")
    [path] = alice_api.files()
    assert [e["message"]["text"] for e in alice_api.data(path).json()] == ["kept"]


def test_a_second_client_of_the_same_user_overwrites_our_message(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent
) -> None:
    alice.send("my-bot", "before")
    alice.race_next({"text": "theirs"}, after_s=2 * mesh.timing.publish_tick_s)
    alice.send("my-bot", "ours")
    bot.wait_for(lambda found: [e.text for e in found] == ["before", "theirs"])
    texts = [entry.text for entry in mesh.transcript("my-bot", "alice")]
    assert texts == ["before", "ours", "theirs"]
