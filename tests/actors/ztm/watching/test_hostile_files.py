"""Files that mean harm, hang, or are without end: they hold up nobody else; nor do we ask for more
than we need."""

import json

import pytest

from actors.ztm.timing import Timing
from events.account.events import FeedBroken
from tests.actors.ztm.conftest import Watch, as_dict
from tests.actors.ztm.published_messages import SHARED, publish
from tests.actors.ztm.watched_mesh import Recorder, clock_ms, group, peer, requests_of
from ztm_chat.mesh import Mesh, MeshAgent

ALICE = peer("alice")
HOUR_MS = 3_600_000


# Hostile files


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage", b"{}", b"\xff\xfe", b"[" * 5_000, b"<html>no</html>", b'[{"time": "now"}]'],
)
def test_garbage_is_recorded_once_and_harms_nobody(
    watch: Watch, recorder: Recorder, alice: MeshAgent, data: bytes
) -> None:
    watch()
    path = f"{SHARED}/alice/publish/peers/my-bot/messages/7.json"
    alice.publish_file(path, data, readers=["my-bot"])
    recorder.wait_for(lambda: recorder.news)
    alice.send("my-bot", "a good one")
    recorder.wait_for(lambda: "a good one" in recorder.texts())
    assert [arrival.malformed for _, arrival in recorder.news] == [True, False]


def test_good_entries_beside_bad_ones_are_delivered(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    data = b'[{"time": 5, "message": "bell \x07"}, 7, {"time": -1}, {"time": 6, "message": null}]'
    path = f"{SHARED}/alice/publish/peers/my-bot/messages/7.json"
    alice.publish_file(path, data, readers=["my-bot"])
    recorder.wait_for(lambda: len(recorder.news) == 4)
    good = [arrival.text for _, arrival in recorder.news if not arrival.malformed]
    assert good == ["bell \x07"], "null is no message"


def test_a_file_beyond_the_limit_is_recorded_and_not_asked_for_again(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch()
    path = f"{SHARED}/alice/publish/peers/my-bot/messages/7.json"
    with requests_of(bot) as asked:
        alice.publish_file(path, b"[" + b" " * (17 * 2**20) + b"]", readers=["my-bot"])
        recorder.wait_for(lambda: recorder.news)
        alice.send("my-bot", "a good one")
        recorder.wait_for(lambda: "a good one" in recorder.texts())
    assert recorder.news[0][1].malformed
    assert sum(path.endswith("/7.json") for path, _ in asked) == 1


def test_a_file_of_100_000_entries_is_taken_in_by_and_by_and_holds_up_nobody(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    carol = mesh.join("carol")
    watch()
    now = clock_ms()
    recorder.stall.add(ALICE)
    publish(alice, ((now, f"{number}") for number in range(100_000)))
    recorder.wait_for(lambda: recorder.stalled, timeout_s=30)
    carol.send("my-bot", "may I?")
    recorder.wait_for_texts("may I?", conversation=peer("carol"))
    assert recorder.most_waiting == 256


def test_files_of_entries_without_end_are_recorded_in_part_and_harm_nobody(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    mallory = mesh.join("mallory")
    watch()
    data = b"[" + b",".join([b'{"time":1,"message":"x"}'] * 20_000) + b"]"
    for number in range(3):
        path = f"{SHARED}/mallory/publish/peers/my-bot/messages/{number}.json"
        mallory.publish_file(path, data, readers=["my-bot"])
    alice.send("my-bot", "a good one")
    recorder.wait_for(lambda: "a good one" in recorder.texts(), timeout_s=20)
    recorder.wait_for(lambda: len(recorder.news) == 3_004, timeout_s=30)
    refused = [arrival for _, arrival in recorder.news if arrival.malformed]
    assert len(refused) == 3


def test_dangerous_names_in_paths_are_passed_over(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    mallory = mesh.join("mallory")
    watch()
    for file in ("../../7.json", "..", "7.json\n", "%2e%2e.json", "-1.json", "7.json/8.json"):
        path = f"{SHARED}/mallory/publish/peers/my-bot/messages/{file}"
        mallory.publish_file(path, b'[{"time": 1, "message": "boo"}]', readers=["my-bot"])
    alice.send("my-bot", "a good one")
    recorder.wait_for_texts("a good one", conversation=ALICE)
    assert {where for where, arrival in recorder.news if arrival.source == "feed"} == {ALICE}


def test_the_word_of_others_on_a_group_is_not_taken(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    mallory = mesh.join("mallory")
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    edge = watch()
    recorder.wait_for(lambda: edge.edge.health.groups == {"alice/g": "Team"})
    forged = f"{SHARED}/mallory/publish/groups/alice/g/info.json"
    info = json.dumps({"name": "Mine", "members": ["mallory", "my-bot"]}).encode()
    mallory.publish_file(forged, info, readers=["my-bot"])
    mallory.forge_to_group("alice", "g", "let me in", readers=["my-bot"])
    recorder.wait_for_texts("let me in", conversation=group("alice", "g"))
    assert edge.edge.health.groups == {"alice/g": "Team"}
    assert recorder.news[0][1].sender == "mallory", "it is delivered, to be denied on the record"


# One conversation's trouble is its own


def test_the_unavailable_files_of_one_sender_do_not_delay_those_of_another(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    mallory = mesh.join("mallory")
    edge = watch(unavailable_retry_s=0.8, unavailable_retry_max_s=0.2)
    mallory.withhold_files()
    for number in range(100):
        publish(mallory, [(clock_ms(), f"number {number}")], ms=number)
    recorder.wait_for(lambda: edge.edge.health.unavailable == 100, timeout_s=20)
    alice.withhold_files()
    publish(alice, [(clock_ms(), "hello")])
    recorder.wait_for(lambda: edge.edge.health.unavailable == 101)
    alice.withhold_files(on=False)
    recorder.wait_for_texts("hello", conversation=ALICE)


def test_files_that_hang_hold_up_nobody_else(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, mesh: Mesh
) -> None:
    carol = mesh.join("carol")
    watch(config={"api_timeout_ms": 1_000})
    bot.slow("file-data/apps/ztm/chat/shared/alice", 2.0)
    for number in range(30):
        publish(alice, [(clock_ms(), f"number {number}")], ms=number)
    for number in range(3):
        carol.send("my-bot", f"quick {number}")
    recorder.wait_for(lambda: len(recorder.texts(peer("carol"))) == 3, timeout_s=0.9)
    bot.clear_http_faults()
    recorder.wait_for(lambda: len(recorder.texts(ALICE)) == 30, timeout_s=20)


def test_an_actor_that_is_slow_to_decide_holds_up_nobody_else(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    carol = mesh.join("carol")
    watch()
    recorder.stall.add(ALICE)
    alice.send("my-bot", "think about it")
    recorder.wait_for(lambda: recorder.stalled)
    carol.send("my-bot", "quick")
    recorder.wait_for_texts("quick")
    recorder.release(ALICE)
    recorder.wait_for_texts("quick", "think about it")
    assert recorder.recorded(FeedBroken) == []


def test_an_idle_account_adds_no_events_and_asks_three_times_a_second(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    """With the real times, on the mesh's fast ones: it is we who pause."""
    alice.send("my-bot", "one")
    edge = watch(**as_dict(Timing()))
    recorder.wait_for_texts("one")
    recorder.wait_for(lambda: edge.edge.health.pending == 0)
    events = recorder.log.head().seq
    with requests_of(bot) as asked:
        bot.mesh.wait_for(lambda: None, timeout_s=3.0)
    assert 6 <= len(asked) <= 3 * 3 + 2, sorted(asked)
    assert {path.rpartition("/")[2] for path, _ in asked} == {"files", "chats"}
    assert recorder.log.head().seq == events
