"""Each message stands in our own files once, whatever the agent does with our POSTs."""

import json
from typing import Any

import pytest

from actors.messages import SendFailed, Sent
from actors.ztm.errors import NotConnected
from actors.ztm.sending.own_files import OwnFiles
from tests.actors.ztm.conftest import Watch
from tests.actors.ztm.watched_mesh import group, peer, requests_of
from ztm_chat.mesh import Entry, Mesh, MeshAgent
from ztm_chat.mesh.model.chat_app import ChatGroup

ALICE = peer("alice")
HOUR_MS = 3_600_000
THE_GROUP = ChatGroup("alice", "g")


@pytest.fixture
def edge(watch: Watch) -> Any:
    """The bot's edge, which only sends."""
    return watch(watching=False)


def texts(entries: list[Entry]) -> list[str]:
    return [entry.text for entry in entries]


def received(alice: MeshAgent, count: int) -> list[str]:
    """What alice has from the bot once it is so many."""
    return texts(alice.wait_for(lambda found: len(found) >= count, sender="my-bot"))


def wait_until_a_member(bot: MeshAgent) -> None:
    """Until the Chat app knows the group."""

    def members() -> object:
        return bot._joined.host.running().members(THE_GROUP)

    assert bot.mesh.wait_for(lambda: bot.mesh.call(members), timeout_s=5)


def wait_until_posted(bot: MeshAgent, asked: list[tuple[str, int]]) -> None:
    posted = bot.mesh.wait_for(
        lambda: any(path.endswith("/messages") for path, _ in asked) or None, timeout_s=5
    )
    assert posted


# The ordinary way


def test_a_message_is_read_back_and_its_time_is_the_files(edge: Any, alice: MeshAgent) -> None:
    sent = edge.send(ALICE, "hello")
    (entry,) = alice.wait_for(lambda found: len(found) == 1, sender="my-bot")
    assert sent == Sent(1, int(entry.time), reconciled=False, posts=1)
    assert entry.message["id"].startswith(f"{edge.recorder.log.log_id}-1-")


def test_fifty_in_a_row_arrive_once_each_and_in_order(watch: Watch, alice: MeshAgent) -> None:
    edge = watch(watching=False, second_look_s=0.01)
    pending = [f"part {number} {'x' * 100}" for number in range(50)]
    for text in pending:
        assert edge.send(ALICE, text).posts == 1
    assert received(alice, 50) == pending


def test_many_chats_are_sent_to_at_a_time(edge: Any, alice: MeshAgent, mesh: Mesh) -> None:
    people = [alice, *(mesh.join(f"user-{number}") for number in range(5))]
    futures = [edge.post(peer(person.username), f"to {person.username}") for person in people]
    assert {future.result(10).posts for future in futures} == {1}
    for person in people:
        assert received(person, 1) == [f"to {person.username}"]


def test_groups_are_sent_to(edge: Any, alice: MeshAgent, bot: MeshAgent) -> None:
    alice.create_group("g", name="Team é", members=["alice", "my-bot"])
    wait_until_a_member(bot)
    edge.send(group("alice", "g"), "hello all")
    entries = alice.wait_for(lambda found: len(found) == 1, group=("alice", "g"))
    assert texts(entries) == ["hello all"]


# Lost, overwritten, doubtful


@pytest.mark.parametrize("lost", [1, 2])
def test_a_post_that_is_accepted_and_lost_is_sent_again(
    edge: Any, alice: MeshAgent, bot: MeshAgent, lost: int
) -> None:
    bot.lose_posts(lost)
    assert edge.send(ALICE, "hello").posts == lost + 1
    assert received(alice, 1) == ["hello"]


@pytest.mark.parametrize("after_s", [0.0, 0.03])
def test_one_that_a_second_client_overwrites_is_sent_again(
    edge: Any, alice: MeshAgent, bot: MeshAgent, after_s: float
) -> None:
    """Before the first look, and after it."""
    bot.race_next("of another client", after_s=after_s)
    assert edge.send(ALICE, "hello").posts == 2
    assert sorted(received(alice, 2)) == ["hello", "of another client"]


def test_an_agent_that_is_killed_after_its_201_has_kept_it(
    edge: Any, alice: MeshAgent, bot: MeshAgent
) -> None:
    with requests_of(bot) as asked:
        future = edge.post(ALICE, "hello")
        wait_until_posted(bot, asked)
        bot.kill()
    bot.restart()
    assert future.result(10).posts == 1
    assert received(alice, 1) == ["hello"]


def test_what_is_in_doubt_is_looked_for_before_it_is_sent_again(
    edge: Any, alice: MeshAgent, bot: MeshAgent
) -> None:
    bot.answer_with(500, b"went wrong", path_part="/messages", handled=True)
    assert edge.send(ALICE, "hello").posts == 1
    assert received(alice, 1) == ["hello"]


def test_a_post_whose_answer_never_comes_is_looked_for(
    watch: Watch, alice: MeshAgent, bot: MeshAgent
) -> None:
    edge = watch(watching=False, config={"api_timeout_ms": 300})
    bot.slow("/messages", 1.0)
    future = edge.post(ALICE, "hello")
    bot.mesh.wait_for(lambda: None, timeout_s=0.4)
    bot.slow("/messages", 0.0)
    future.result(10)
    assert received(alice, 1) == ["hello"]


def test_after_a_crash_it_is_found_and_not_sent_again(
    watch: Watch, edge: Any, alice: MeshAgent
) -> None:
    version, seq = edge.recorder.queue(ALICE, "hello", 1)
    edge.resume(ALICE, version, seq, doubtful=False).result(10)
    edge = watch(watching=False)
    sent = edge.resume(ALICE, version, seq, doubtful=True).result(10)
    assert (sent.reconciled, sent.posts) == (True, 0)
    assert received(alice, 1) == ["hello"]


def test_after_a_crash_it_is_sent_if_it_is_nowhere(edge: Any, alice: MeshAgent) -> None:
    sent = edge.send(ALICE, "hello", doubtful=True)
    assert (sent.reconciled, sent.posts) == (False, 1)
    assert received(alice, 1) == ["hello"]


def test_it_is_found_among_others_in_files_of_any_age(
    watch: Watch, edge: Any, alice: MeshAgent, bot: MeshAgent
) -> None:
    version, seq = edge.recorder.queue(ALICE, "hello", 1)
    edge.resume(ALICE, version, seq, doubtful=False).result(10)
    for number in range(20):
        bot.send("alice", f"of the person {number} {'x' * 200}")
    edge = watch(watching=False)
    assert edge.resume(ALICE, version, seq, doubtful=True).result(10).reconciled


@pytest.mark.parametrize("skew_ms", [-48 * HOUR_MS, 48 * HOUR_MS])
def test_a_clock_of_the_agent_that_is_days_off_makes_no_duplicates(
    watch: Watch, alice: MeshAgent, bot: MeshAgent, skew_ms: int
) -> None:
    edge = watch(watching=False, second_look_s=0.01, settle_s=0.05)
    bot.skew_clock(skew_ms)
    for number in range(12):
        assert edge.send(ALICE, f"number {number} {'x' * 150}", doubtful=True).posts == 1
    assert len(received(alice, 12)) == 12


# It waits


def test_without_a_connection_it_waits_and_is_sent_when_there_is_one(
    edge: Any, alice: MeshAgent, bot: MeshAgent
) -> None:
    bot.go_offline()
    assert bot.mesh.wait_for(lambda: None if bot.is_connected else True, timeout_s=5)
    future = edge.post(ALICE, "hello")
    doubtful = edge.post(peer("carol"), "in doubt", doubtful=True)
    bot.go_online()
    assert (future.result(10).posts, doubtful.result(10).posts) == (1, 1)
    assert received(alice, 1) == ["hello"]


def test_while_the_agent_is_down_it_waits(edge: Any, alice: MeshAgent, bot: MeshAgent) -> None:
    bot.kill()
    future = edge.post(ALICE, "hello")
    bot.restart()
    assert future.result(10).posts == 1
    assert received(alice, 1) == ["hello"]


@pytest.mark.parametrize("status", [401, 403, 502, 503])
def test_a_refusal_that_may_pass_is_waited_out(
    edge: Any, alice: MeshAgent, bot: MeshAgent, status: int
) -> None:
    bot.answer_with(status, path_part="/messages", times=2)
    edge.send(ALICE, "hello")
    assert received(alice, 1) == ["hello"]


def test_a_file_that_is_missing_without_a_connection_proves_nothing(
    edge: Any, alice: MeshAgent, bot: MeshAgent
) -> None:
    """ZTM behaviour: every file is answered 404 then, also one that holds our message."""
    edge.send(ALICE, "hello")
    path = next(file.path for file in bot._member.store if "/peers/alice/" in file.path)
    files = OwnFiles("my-bot", edge.edge.client, ALICE, 0, path, 0)
    bot.answer_with(404, path_part="/file-data/")
    bot.answer_with(200, b'{"name": "demo-mesh", "connected": false}', path_part="/api/meshes/")
    with pytest.raises(NotConnected):
        edge.run(files.look_in_newest("some id"))


# It never will


def test_a_group_that_we_are_no_member_of_takes_nothing(watch: Watch, alice: MeshAgent) -> None:
    edge = watch(watching=False, no_group_s=0.1)
    alice.create_group("g", name="Team", members=["alice"])
    assert edge.send(group("alice", "g"), "hello") == SendFailed(1, "NotFound")


def test_a_group_that_is_unknown_for_a_moment_is_not_given_up(
    edge: Any, alice: MeshAgent, bot: MeshAgent
) -> None:
    """As to a Chat app that has only just been started."""
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    wait_until_a_member(bot)
    bot.answer_with(404, path_part="/messages", times=2)
    assert edge.send(group("alice", "g"), "hello").posts == 1


def test_a_group_that_a_deaf_chat_app_does_not_know_is_sent_to_when_it_is_healed(
    watch: Watch, alice: MeshAgent, bot: MeshAgent
) -> None:
    """The files show a group, and its messages are answered, before the Chat app knows of it."""
    edge = watch()
    bot.deafen()
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    alice.send_to_group("alice", "g", "hello bot")
    assert edge.send(group("alice", "g"), "hello").posts == 1


@pytest.mark.parametrize("name", ["..", ".", "a\nb", "x" * 300])
def test_names_that_lead_elsewhere_are_never_asked(edge: Any, bot: MeshAgent, name: str) -> None:
    with requests_of(bot) as asked:
        assert edge.send(peer(name), "hello") == SendFailed(1, "DangerousName")
    assert asked == []


def test_words_that_were_erased_are_not_sent(edge: Any, bot: MeshAgent) -> None:
    version, seq = edge.recorder.queue(ALICE, "hello", 1)
    edge.recorder.log.destroy("somebody")
    sent = edge.resume(ALICE, version, seq, doubtful=True).result(10)
    assert sent == SendFailed(version, "erased")


# Older agents, and what it costs


def test_an_agent_that_gives_no_files_is_read_back_through_the_chat(
    edge: Any, alice: MeshAgent, bot: MeshAgent
) -> None:
    bot.refuse_files()
    bot.lose_posts(1)
    assert edge.send(ALICE, "hello").posts == 2
    assert received(alice, 1) == ["hello"]
    assert edge.send(ALICE, "again", doubtful=True).posts == 1
    assert received(alice, 2) == ["hello", "again"]


def test_reading_back_is_cheap_with_ten_thousand_files(
    edge: Any, alice: MeshAgent, bot: MeshAgent
) -> None:
    entry = json.dumps([{"time": 1, "message": {"text": "x" * 100}}]).encode()
    folder = "/apps/ztm/chat/shared/my-bot/publish/peers"
    for number in range(10_000):
        bot._member.store.write(f"{folder}/user-{number % 100}/messages/{number}.json", entry, 1)
    edge.send(ALICE, "the first lists all files once")
    with requests_of(bot) as asked:
        for number in range(6):
            edge.send(ALICE, f"number {number}")
    lists = [size for path, size in asked if path.endswith("/files")]
    assert len(lists) <= 1, "and so may a new file, which begins after 1,024 bytes"
    assert len(asked) - len(lists) <= 6 * 5
    assert sum(size for path, size in asked if "/file-data/" in path) < 40_000
