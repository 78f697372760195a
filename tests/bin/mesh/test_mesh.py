"""The mesh as other tests and the demo use it."""

import json
import os
import signal
import subprocess
import sys
import threading

import httpx
import pytest

from ztm_chat.mesh import Entry, Mesh, MeshAgent, MessageRefused, Timing


def test_an_inbox_holds_published_messages_and_a_transcript_both_directions(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent
) -> None:
    asked = alice.send("my-bot", "hello")
    bot.wait_for(lambda entries: len(entries) == 1, sender="alice")
    replied = bot.send("alice", {"text": "hi", "id": "7"})
    found = alice.wait_for(lambda entries: len(entries) == 1, sender="my-bot")
    reply = Entry(replied, "my-bot", {"text": "hi", "id": "7"})
    assert found == alice.inbox("my-bot") == alice.inbox() == [reply]
    hello = Entry(asked, "alice", {"text": "hello"})
    assert mesh.transcript("alice", "my-bot") == [hello, reply]
    assert mesh.transcript("alice", "nobody") == []


def test_a_group_message_reaches_the_other_members(
    mesh: Mesh, alice: MeshAgent, bot: MeshAgent
) -> None:
    alice.create_group("team", name="Team", members=["alice", "my-bot"])
    alice.send_to_group("alice", "team", "hi @my-bot")
    [entry] = bot.wait_for(bool, group=("alice", "team"))
    assert (entry.sender, entry.text) == ("alice", "hi @my-bot")
    assert bot.inbox("my-bot", group=("alice", "team")) == bot.inbox("alice") == []


def test_a_timeout_says_what_was_found_instead(alice: MeshAgent, bot: MeshAgent) -> None:
    alice.send("my-bot", "hello")
    bot.wait_for(bool, sender="alice")
    with pytest.raises(TimeoutError, match=r"my-bot has .*hello.* from alice"):
        bot.wait_for(lambda entries: len(entries) == 2, sender="alice", timeout_s=0.05)


def test_a_refused_message_says_why(alice: MeshAgent) -> None:
    with pytest.raises(MessageRefused, match="404"):
        alice.send_to_group("bob", "unknown", "hi")


def test_a_user_joins_once_and_a_port_can_be_chosen(mesh: Mesh, alice: MeshAgent) -> None:
    with pytest.raises(ValueError, match="alice has joined"):
        mesh.join("alice")
    with pytest.raises(OSError, match="in use"):
        mesh.join("bob", port=alice.port)


def test_several_threads_may_use_the_mesh_at_once(mesh: Mesh, bot: MeshAgent) -> None:
    users = [mesh.join(f"user-{number}") for number in range(4)]
    threads = [
        threading.Thread(target=lambda u=user: [u.send("my-bot", str(n)) for n in range(5)])
        for user in users
    ]
    for thread in threads:
        thread.start()
    for user in users:
        texts = [e.text for e in bot.wait_for(lambda e: len(e) == 5, sender=user.username)]
        assert texts == ["0", "1", "2", "3", "4"]
    for thread in threads:
        thread.join()


def test_a_stopped_mesh_refuses_calls_and_may_be_stopped_again() -> None:
    mesh = Mesh(timing=Timing().scaled(0.02)).start()
    alice = mesh.join("alice")
    mesh.stop()
    mesh.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(alice.url)
    with pytest.raises(RuntimeError, match="not running"):
        alice.inbox()
    assert not [t for t in threading.enumerate() if t.name == "mesh demo-mesh"]


def test_timing_is_scaled_as_a_whole() -> None:
    assert Timing().scaled(0.1).feed_delay_s == pytest.approx(0.05)
    with pytest.raises(ValueError, match="above 0"):
        Timing().scaled(0)


def run_mesh(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "ztm_chat.mesh", "--scale", "0.05", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_the_mesh_runs_as_its_own_process_until_sigterm() -> None:
    command = ["--name", "M", "--users", "a,b", "--group", "a/team=a,b"]
    with run_mesh(*command) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        chats = httpx.get(f"{ready['urls']['a']}/api/meshes/M/apps/ztm/chat/api/chats").json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert (ready["mesh"], set(ready["urls"])) == ("M", {"a", "b"})
    assert [(chat["creator"], chat["group"]) for chat in chats] == [("a", "team")]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--group", "eve/team=a"], "created by eve"),
        (["--group", "team"], "creator/group=member,member"),
        (["--ports", "7781,7782"], "2 ports for 1 users"),
    ],
)
def test_a_wrong_command_line_is_explained(arguments: list[str], complaint: str) -> None:
    with run_mesh("--users", "a", *arguments) as process:
        _, error = process.communicate(timeout=10)
    assert process.returncode == 2
    assert complaint in error
