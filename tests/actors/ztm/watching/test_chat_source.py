"""The Chat API: alone, where an agent gives no files, and as the second source beside the feed."""

import json

import pytest

from events.account.events import FeedBroken
from tests.actors.ztm.conftest import Watch
from tests.actors.ztm.watched_mesh import Recorder, clock_ms, group, peer, requests_of
from ztm_chat.mesh import Mesh, MeshAgent
from ztm_chat.mesh.model.chat_app import ChatPeer

ALICE = peer("alice")
HOUR_MS = 3_600_000
READ = "/messages"


@pytest.fixture
def old_agent(bot: MeshAgent) -> MeshAgent:
    """The bot's agent, of a release that gives no files."""
    bot.refuse_files()
    return bot


# Alone


def test_the_chat_api_alone_is_enough(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    edge = watch()
    for number in range(3):
        alice.send("my-bot", f"number {number}")
        recorder.wait_for_texts(*(f"number {sent}" for sent in range(number + 1)))
    assert edge.edge.health.source == "chat"
    assert edge.edge.health.phase == "online"
    assert recorder.recorded(FeedBroken) == []


def test_a_message_behind_a_newer_one_of_ours_is_found(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    watch()
    old_agent.send("alice", "ours")
    recorder.wait_for_texts("ours")
    alice.skew_clock(-60_000)
    alice.send("my-bot", "written before ours")
    recorder.wait_for_texts("ours", "written before ours")


def test_a_clock_ahead_hides_nothing(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    watch()
    alice.skew_clock(400 * 24 * HOUR_MS)
    alice.send("my-bot", "from next year")
    recorder.wait_for_texts("from next year")
    alice.skew_clock(0)
    alice.send("my-bot", "from now")
    recorder.wait_for_texts("from next year", "from now")


def test_a_late_message_is_found_though_another_client_reads_the_chat(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    edge = watch(whole_list_s=0.5)
    alice.send("my-bot", "now")
    recorder.wait_for_texts("now")
    alice.skew_clock(-72 * HOUR_MS)
    alice.send("my-bot", "three days ago")
    chat = old_agent._joined.host.running()
    key = next(_chat for _chat in chat._chats)
    for _ in range(20):
        alice.mesh.call(lambda: chat.messages(key, 0, float("inf")))
    recorder.wait_for_texts("now", "three days ago")
    assert edge.edge.health.source == "chat"


def test_history_is_marked_and_what_comes_while_we_are_down_is_not_history(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    alice.skew_clock(-HOUR_MS)
    alice.send("my-bot", "long ago")
    old_agent.wait_for(lambda found: len(found) == 1, sender="alice")
    watch()
    recorder.wait_for(lambda: len(recorder.marked) == 1)
    watch(watching=False)
    alice.send("my-bot", "while you were down")
    watch()
    recorder.wait_for_texts("while you were down")


def test_groups_and_their_members_come_from_the_chat_api(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    edge = watch()
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    alice.send_to_group("alice", "g", "hello all")
    recorder.wait_for_texts("hello all", conversation=group("alice", "g"))
    assert edge.edge.health.groups == {"alice/g": "Team"}


def test_a_new_groups_whole_history_is_marked(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    watch(whole_list_s=0.3)
    alice.create_group("g", name="Team", members=["alice"])
    alice.skew_clock(-90 * 24 * HOUR_MS)
    alice.send_to_group("alice", "g", "months ago")
    alice.skew_clock(0)
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    alice.send_to_group("alice", "g", "welcome")
    recorder.wait_for_texts("welcome", conversation=group("alice", "g"))


def test_what_is_refused_is_delivered_again(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    watch()
    recorder.refuse.add(ALICE)
    alice.send("my-bot", "refused at first")
    recorder.wait_for(lambda: recorder.refused >= 2)
    recorder.refuse.clear()
    recorder.wait_for_texts("refused at first")


def test_a_late_one_that_is_refused_is_delivered_again(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    watch()
    alice.send("my-bot", "now")
    recorder.wait_for_texts("now")
    recorder.refuse.add(ALICE)
    alice.skew_clock(-HOUR_MS)
    alice.send("my-bot", "an hour ago")
    recorder.wait_for(lambda: recorder.refused)
    recorder.refuse.clear()
    recorder.wait_for_texts("now", "an hour ago")


def test_one_chat_that_cannot_be_read_holds_up_no_other(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent, mesh: Mesh
) -> None:
    carol, dave = mesh.join("carol"), mesh.join("dave")
    watch()
    old_agent.garble(b"<html>", path_part="peers/alice/messages", times=float("inf"))
    recorder.stall.add(peer("carol"))
    alice.send("my-bot", "unreadable")
    carol.send("my-bot", "slow")
    recorder.wait_for(lambda: recorder.stalled)
    dave.send("my-bot", "quick")
    recorder.wait_for_texts("quick")
    old_agent.clear_http_faults()
    recorder.wait_for(lambda: "unreadable" in recorder.texts(ALICE))


def test_when_files_are_given_again_nothing_is_delivered_twice(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    edge = watch(whole_list_s=1.0)
    alice.send("my-bot", "by the chat")
    recorder.wait_for_texts("by the chat")
    old_agent.refuse_files(False)
    recorder.wait_for(lambda: edge.edge.health.source == "feed")
    alice.send("my-bot", "by the feed")
    recorder.wait_for_texts("by the chat", "by the feed")
    assert recorder.news[0][1].source == "chat"


def test_an_idle_chat_is_not_read(
    watch: Watch, recorder: Recorder, alice: MeshAgent, old_agent: MeshAgent
) -> None:
    """Each reading would reset the counters that the person sees."""
    edge = watch()
    alice.send("my-bot", "one")
    recorder.wait_for_texts("one")
    with requests_of(old_agent) as asked:
        alice.mesh.wait_for(lambda: None, timeout_s=0.5)
    assert sum(path.endswith(READ) for path, _ in asked) <= 1
    assert sum(path.endswith("/chats") for path, _ in asked) >= 3
    assert edge.edge.health.phase == "online"


# Beside the feed


def test_while_both_agree_no_chat_is_read(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch()
    with requests_of(bot) as asked:
        for number in range(5):
            alice.send("my-bot", f"number {number}")
        recorder.wait_for_texts(*(f"number {number}" for number in range(5)))
        alice.mesh.wait_for(lambda: None, timeout_s=0.4)
    assert not any(path.endswith(READ) for path, _ in asked)
    assert recorder.recorded(FeedBroken) == []


def test_a_feed_that_is_behind_is_recorded_and_the_chat_is_read(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch()
    bot.garble(b"{}", path_part="/files", times=float("inf"))
    with requests_of(bot) as asked:
        alice.send("my-bot", "only the chat shows me")
        recorder.wait_for_texts("only the chat shows me")
        recorder.wait_for(lambda: recorder.recorded(FeedBroken))
    assert recorder.news[0][1].source == "chat"
    assert sum(path.endswith(READ) for path, _ in asked) == 1
    bot.clear_http_faults()
    alice.send("my-bot", "both show me")
    recorder.wait_for_texts("only the chat shows me", "both show me")


def test_history_is_not_taken_from_the_chat_while_the_feed_takes_the_baseline(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    alice.skew_clock(-HOUR_MS)
    alice.send("my-bot", "long ago")
    bot.wait_for(lambda found: len(found) == 1, sender="alice")
    recorder.stall.add(ALICE)
    edge = watch(wait=False)
    recorder.wait_for(lambda: recorder.stalled)
    polls = edge.edge.health
    first = polls.chat_ms
    recorder.wait_for(lambda: polls.chat_ms > first + 400)
    recorder.release(ALICE)
    recorder.wait_until_settled()
    assert recorder.news == []
    assert len(recorder.marked) == 1


def test_a_feed_that_is_slow_at_first_is_not_called_broken(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    alice.send("my-bot", "fresh")
    bot.wait_for(lambda found: len(found) == 1, sender="alice")
    bot.slow("/files", 0.6)
    with requests_of(bot) as asked:
        watch()
        recorder.wait_for_texts("fresh")
    assert recorder.recorded(FeedBroken) == []
    assert not any(path.endswith(READ) for path, _ in asked)


def test_what_a_person_says_with_the_bots_account_is_delivered_and_ours_is_not(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    edge = watch()
    edge.send(ALICE, "from the bot")
    bot.send("alice", "from the person")
    recorder.wait_for_texts("from the person")
    alice.wait_for(lambda found: len(found) == 2, sender="my-bot")
    assert recorder.texts() == ["from the person"]


@pytest.mark.parametrize(
    "message",
    [
        "plain text",
        {"text": "with a file", "files": [{"hash": "a" * 64, "name": "é.png", "size": 1.5e3}]},
        {"files": [{"hash": "b" * 64}]},
        {"text": "pair \ud83d\ude00 lone \ud83d"},
        {"other": [1.0, 2.5, 2**53 + 1, None, {"deep": [True]}]},
        7,
        [1, 2],
        None,
    ],
)
def test_both_sources_name_a_real_message_alike(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, message: object
) -> None:
    """It is seen by the feed first; then the Chat API alone shows it again, and it is no news."""
    watch(watching=False)
    alice.send_body(ChatPeer("my-bot"), json.dumps(message).encode())
    now = clock_ms()
    watch(wait=False)
    recorder.wait_for(lambda: recorder.news)
    bot.refuse_files()
    edge = watch(wait=False)
    recorder.wait_for(lambda: edge.edge.health.source == "chat")
    with requests_of(bot) as asked:
        recorder.wait_for(lambda: any(path.endswith("/chats") for path, _ in asked))
        alice.send("my-bot", "a later one")
        recorder.wait_for(lambda: "a later one" in recorder.texts())
    assert len(recorder.news) == 2
    assert recorder.news[0][1].source == "feed"
    assert recorder.news[1][1].source == "chat"
    assert recorder.news[0][1].sent_ms <= now + 1_000
