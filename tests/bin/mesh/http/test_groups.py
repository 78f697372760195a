"""Groups: who sees, changes and talks in them, and who only seems to."""

import json

from tests.bin.mesh.agent_client import Api, Connect, Eventually
from ztm_chat.mesh import Mesh, MeshAgent


def test_a_group_without_messages_has_time_0_and_no_latest(
    alice: MeshAgent, alice_api: Api
) -> None:
    alice.create_group("team", name="Team é", members=["alice", "my-bot"])
    assert alice_api.chats() == [
        {"creator": "alice", "group": "team", "name": "Team é", "time": 0, "updated": 0}
    ]


def test_a_group_without_a_name_is_left_out_of_chats(alice: MeshAgent, alice_api: Api) -> None:
    alice.create_group("nameless", members=["alice"])
    alice.send_to_group("alice", "nameless", "still there")
    assert alice_api.chats() == []
    assert alice_api.get(alice_api.chat("groups", "alice", "nameless")).json()["name"] == ""


def test_members_read_a_groups_info_and_only_its_creator_changes_it(
    mesh: Mesh, alice: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    bot_api.chats()
    alice.create_group("team", name="Team", members=["alice", "my-bot"])
    path = bot_api.chat("groups", "alice", "team")
    assert bot_api.get(path).status_code == 404
    eventually(lambda: bot_api.get(path).status_code == 200)
    assert bot_api.get(path).json() == {
        "creator": "alice",
        "group": "team",
        "name": "Team",
        "members": ["alice", "my-bot"],
    }
    assert bot_api.post(path, {"name": "Mine"}).status_code == 403


def test_members_write_to_a_group_and_others_get_404(
    mesh: Mesh, alice: MeshAgent, bot_api: Api, api: Connect, eventually: Eventually
) -> None:
    bot_api.chats()
    alice.create_group("team", name="Team", members=["alice", "my-bot"])
    messages = bot_api.chat("groups", "alice", "team", "messages")
    assert bot_api.post(messages, {"text": "too early"}).status_code == 404
    eventually(lambda: bot_api.post(messages, {"text": "hi"}).status_code == 201)
    entries = alice.wait_for(bool, group=("alice", "team"))
    assert [(e.sender, e.text) for e in entries] == [("my-bot", "hi")]
    outsider = api(mesh.join("eve"))
    assert outsider.post(messages, {"text": "let me in"}).status_code == 404
    assert outsider.get(messages).status_code == 404


def test_group_files_are_shown_to_current_members_only(
    mesh: Mesh, alice: MeshAgent, bot_api: Api, api: Connect, eventually: Eventually
) -> None:
    outsider = api(mesh.join("eve"))
    alice.create_group("team", name="Team", members=["alice", "my-bot"])
    alice.send_to_group("alice", "team", "hi")
    eventually(lambda: len(bot_api.files()) == 2)
    info = next(path for path in bot_api.files() if path.endswith("/groups/alice/team/info.json"))
    assert bot_api.data(info).json()["members"] == ["alice", "my-bot"]
    assert outsider.files() == {}
    alice.create_group("team", name="Team", members=["alice", "eve"])
    eventually(lambda: len(outsider.files()) == 2)
    assert bot_api.files() == {}


def test_the_chat_shows_group_messages_from_anyone_who_publishes_them(
    mesh: Mesh, alice: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    eve = mesh.join("eve")
    alice.create_group("team", name="Team", members=["alice", "my-bot"])
    eve.forge_to_group("alice", "team", "buy!", readers=["my-bot"])
    eventually(lambda: bot_api.texts("groups", "alice", "team") == ["buy!"])
    assert [entry.sender for entry in mesh.group_transcript("alice", "team")] == ["eve"]


def test_group_info_is_valid_only_under_the_creators_own_path(
    mesh: Mesh, alice: MeshAgent, bot_api: Api, eventually: Eventually
) -> None:
    eve = mesh.join("eve")
    info = json.dumps({"name": "Hijacked", "members": ["eve"]}).encode()
    alice.create_group("team", name="Team", members=["alice", "my-bot"])
    eve.publish_file(
        "/apps/ztm/chat/shared/eve/publish/groups/alice/team/info.json", info, readers=["my-bot"]
    )
    eventually(lambda: len(bot_api.files()) == 2)
    group = bot_api.chat("groups", "alice", "team")
    eventually(lambda: bot_api.get(group).status_code == 200)
    assert bot_api.get(group).json()["name"] == "Team"
