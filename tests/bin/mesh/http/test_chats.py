"""The Chat app as its user sees it."""

import json
import time
from functools import partial
from typing import Any

import pytest

from tests.bin.mesh.agent_client import Api, Connect, Eventually
from ztm_chat.mesh import Entry, Mesh, MeshAgent, Timing

ANY_JSON = [{"text": "a", "id": "x"}, "text", 5, 1.5, None, [1, {"a": None}], True, {}, ""]


def test_appinfo_names_user_and_endpoint(bot: MeshAgent, bot_api: Api) -> None:
    assert bot_api.get(bot_api.chat("appinfo")).json() == {
        "name": "chat",
        "provider": "ztm",
        "username": "my-bot",
        "endpoint": {"id": bot.endpoint_id, "name": "my-bot-ep"},
    }


def test_users_are_sorted_and_include_those_offline(
    mesh: Mesh, alice: MeshAgent, bot_api: Api
) -> None:
    mesh.join("Zoë")
    alice.kill()
    assert bot_api.get(bot_api.chat("users")).json() == ["Zoë", "alice", "my-bot"]


def test_endpoints_list_agents_with_their_last_heartbeat(alice: MeshAgent, bot_api: Api) -> None:
    def of_alice() -> Any:
        found = bot_api.get(bot_api.chat("endpoints")).json()
        return next(e for e in found if e["id"] == alice.endpoint_id)

    endpoint = of_alice()
    keys = {"id", "name", "username", "ip", "port", "heartbeat", "ping", "hubs", "agent"}
    assert (endpoint.keys(), endpoint["username"]) == (keys, "alice")
    alice.kill()
    assert of_alice()["heartbeat"] == of_alice()["heartbeat"] <= time.time() * 1000


def test_any_json_can_be_a_message(
    alice_api: Api, bot: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    bot_api.chats()
    for count, message in enumerate(ANY_JSON, 1):
        posted = alice_api.post(
            alice_api.chat("peers", "my-bot", "messages"), raw=json.dumps(message).encode()
        )
        assert (posted.status_code, posted.content) == (201, b"")
        bot.wait_for(partial(_counts, count), sender="alice")
    assert [entry.message for entry in bot.inbox("alice")] == ANY_JSON
    shown = bot_api.chat("peers", "alice", "messages")
    eventually(lambda: len(bot_api.get(shown).json()) == len(ANY_JSON))
    entries = bot_api.get(shown).json()
    assert [entry["message"] for entry in entries] == ANY_JSON
    assert {tuple(entry) for entry in entries} == {("time", "message", "sender")}


def _counts(count: int, entries: list[Entry]) -> bool:
    return len(entries) == count


def test_a_number_beyond_2_to_the_53_loses_its_last_digits(alice_api: Api, bot: MeshAgent) -> None:
    alice_api.post(alice_api.chat("peers", "my-bot", "messages"), 2**53 + 1)
    bot.wait_for(lambda entries: [e.message for e in entries] == [2**53], sender="alice")


@pytest.mark.parametrize("body", [b"", b"hello", b'{"text"', b"18446744073709551616"])
def test_malformed_json_or_an_integer_beyond_64_bits_is_500(alice_api: Api, body: bytes) -> None:
    answer = alice_api.post(alice_api.chat("peers", "my-bot", "messages"), raw=body)
    assert answer.status_code == 500
    assert answer.json()["message"]
    assert alice_api.files() == {}


def test_there_is_no_chat_before_the_first_message(bot_api: Api) -> None:
    assert bot_api.get(bot_api.chat("peers", "alice", "messages")).status_code == 404
    assert bot_api.chats() == []


def test_a_message_to_an_unknown_user_is_accepted_and_starts_a_chat(
    alice: MeshAgent, alice_api: Api, eventually: Eventually
) -> None:
    alice.send("no-such-user", "hello?")
    eventually(lambda: [c["peer"] for c in alice_api.chats()] == ["no-such-user"])


def test_our_own_message_is_in_the_files_before_it_is_in_the_chat(
    slow_mesh: Mesh, api: Connect
) -> None:
    alice = slow_mesh.join("alice")
    reader = api(alice)
    reader.chats()
    alice.send("my-bot", "mine")
    assert len(reader.files()) == 1
    assert reader.texts("peers", "my-bot") == []
    shown = slow_mesh.wait_for(lambda: reader.texts("peers", "my-bot") or None, timeout_s=5)
    assert shown == ["mine"]


def test_since_and_before_are_inclusive_and_limit_is_ignored(
    alice: MeshAgent, alice_api: Api, eventually: Eventually
) -> None:
    alice.skew_clock(-3000)
    first = alice.send("my-bot", "1")
    alice.skew_clock(-2000)
    second = alice.send("my-bot", "2")
    alice.skew_clock(0)
    alice.send("my-bot", "3")
    eventually(lambda: len(alice_api.texts("peers", "my-bot")) == 3)

    def shown(**query: object) -> list[str]:
        return alice_api.texts("peers", "my-bot", **query)

    assert shown(since=second) == ["2", "3"]
    assert shown(before=second) == ["1", "2"]
    assert shown(since=first, before=first) == ["1"]
    assert shown(since=second + 0.5) == ["3"]
    assert (
        shown(limit=1) == shown(since="garbage") == shown(since="", before="x") == ["1", "2", "3"]
    )


def test_messages_are_in_order_of_arrival_not_of_time(
    mesh: Mesh, alice: MeshAgent, bot_api: Api, api: Connect, eventually: Eventually
) -> None:
    bot_api.chats()
    alice.create_group("g", name="G", members=["alice", "bob", "my-bot"])
    bob = mesh.join("bob")
    bob_api = api(bob)
    eventually(lambda: bob_api.get(bob_api.chat("groups", "alice", "g")).status_code == 200)
    bob.skew_clock(60_000)
    bob.send_to_group("alice", "g", "from the future")
    eventually(lambda: bot_api.texts("groups", "alice", "g"))
    alice.send_to_group("alice", "g", "now")
    eventually(lambda: bot_api.texts("groups", "alice", "g") == ["from the future", "now"])
    [chat] = bot_api.chats()
    assert chat["latest"]["message"] == {"text": "from the future"}
    assert chat["time"] == chat["latest"]["time"]


def test_updated_counts_messages_of_others_since_any_client_last_read(
    alice: MeshAgent, bot: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    bot_api.chats()
    alice.send("my-bot", "1")
    eventually(lambda: [c["updated"] for c in bot_api.chats()] == [1])
    alice.send("my-bot", "2")
    bot.send("alice", "mine does not count")
    eventually(lambda: [c["updated"] for c in bot_api.chats()] == [2])
    bot_api.texts("peers", "alice")
    assert [c["updated"] for c in bot_api.chats()] == [0]


def test_updated_is_0_after_a_restart(
    alice: MeshAgent, bot: MeshAgent, bot_api: Api, api: Connect, eventually: Eventually
) -> None:
    bot_api.chats()
    alice.send("my-bot", "seen")
    eventually(lambda: [c["updated"] for c in bot_api.chats()] == [1])
    bot.kill()
    alice.send("my-bot", "meanwhile")
    bot.wait_for(lambda entries: len(entries) == 2, sender="alice")
    bot.restart()
    [chat] = api(bot).chats()
    assert (chat["updated"], chat["latest"]["message"]["text"]) == (0, "meanwhile")


def test_an_attachment_is_found_by_its_hash(
    alice_api: Api, bot_api: Api, eventually: Eventually
) -> None:
    posted = alice_api.post(alice_api.chat("files"), raw=b"\x00picture")
    assert posted.status_code == 200
    path = bot_api.chat("files", "alice", posted.text)
    eventually(lambda: bot_api.get(path).status_code == 200)
    assert bot_api.get(path).content == b"\x00picture"
    assert bot_api.get(bot_api.chat("files", "alice", "unknown")).status_code == 404


@pytest.mark.parametrize("name", ["two words", "line\nfeed", "%41", "Ops: EU é", "a?b#c"])
def test_names_may_contain_any_character(
    mesh: Mesh, alice: MeshAgent, alice_api: Api, api: Connect, name: str
) -> None:
    other = mesh.join(name)
    alice.send(name, "hello")
    path = next(iter(alice_api.files()))
    assert f"/peers/{name}/messages/" in path
    other.wait_for(lambda entries: len(entries) == 1, sender="alice")
    reader = api(other)
    assert reader.data(path).json()[0]["message"] == {"text": "hello"}
    assert reader.file(path).json()["size"] == len(reader.data(path).content)
    assert reader.texts("peers", "alice") == ["hello"]


def test_a_peer_named_dot_dot_writes_outside_its_folder(alice: MeshAgent, alice_api: Api) -> None:
    alice.send("..", "stray")
    [path] = alice_api.files()
    assert path.startswith("/apps/ztm/chat/shared/alice/publish/messages/")


@pytest.mark.parametrize("control", ["\x00", "\x1b[31mred"])
def test_a_control_character_hides_a_message_and_the_next_overwrites_it(
    alice: MeshAgent, bot: MeshAgent, bot_api: Api, eventually: Eventually, control: str
) -> None:
    bot_api.chats()
    alice.send("my-bot", control)
    eventually(lambda: len(bot_api.files()) == 1)
    [path] = bot_api.files()
    assert control.encode() in bot_api.data(path).content
    alice.send("my-bot", "next")
    eventually(lambda: bot_api.texts("peers", "alice"))
    assert bot_api.texts("peers", "alice") == ["next"]
    assert [entry["message"] for entry in bot_api.data(path).json()] == [{"text": "next"}]
    assert [entry.text for entry in bot.inbox("alice")] == ["next"]


def test_the_chat_shows_one_of_two_messages_of_a_sender_in_the_same_ms(
    alice: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    twins = [{"time": 5, "message": {"text": text}} for text in ("a", "b")]
    path = "/apps/ztm/chat/shared/alice/publish/peers/my-bot/messages/5.json"
    alice.publish_file(path, json.dumps(twins).encode(), readers=["my-bot"])
    eventually(lambda: bot_api.texts("peers", "alice"))
    assert bot_api.texts("peers", "alice") == ["a"]
    assert bot_api.data(path).json() == twins


def test_a_text_of_2_mb_arrives(mesh: Mesh, alice: MeshAgent, bot: MeshAgent) -> None:
    alice.send("my-bot", "x" * 2_000_000)
    bot.wait_for(lambda entries: [len(e.text) for e in entries] == [2_000_000], sender="alice")


def test_a_change_soon_after_another_stays_unseen_until_the_next(api: Connect) -> None:
    with Mesh(timing=Timing(publish_tick_s=0.01, feed_delay_s=0.1, hold_back_s=0.1)) as mesh:
        alice, reader = mesh.join("alice"), api(mesh.join("my-bot"))

        def shows(*texts: str) -> bool | None:
            return reader.texts("peers", "alice") == list(texts) or None

        reader.chats()
        time.sleep(0.3)  # the time after the app's own start is blind, too
        alice.send("my-bot", "1")
        assert mesh.wait_for(lambda: shows("1"), timeout_s=5)
        alice.send("my-bot", "2")
        assert mesh.wait_for(lambda: shows("1", "2"), timeout_s=0.5) is None
        alice.send("my-bot", "3")
        assert mesh.wait_for(lambda: shows("1", "2", "3"), timeout_s=5)


def test_nothing_is_held_back_when_that_is_switched_off(api: Connect) -> None:
    with Mesh(timing=Timing(publish_tick_s=0.01, feed_delay_s=0.1, hold_back_s=0)) as mesh:
        alice, reader = mesh.join("alice"), api(mesh.join("my-bot"))

        def shows(count: int) -> bool | None:
            return len(reader.texts("peers", "alice")) == count or None

        for sent in range(1, 4):
            alice.send("my-bot", str(sent))
            assert mesh.wait_for(partial(shows, sent), timeout_s=5)
