"""Every message that the mesh shows in its files is offered once, whatever happens on the way."""

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from actors.messages import CursorReached
from actors.ztm.health import Health
from actors.ztm.timing import Timing
from events.account_events import FeedBroken, FeedReset
from events.policy import AccountPolicy
from tests.actors.ztm.conftest import Watch, as_dict
from tests.actors.ztm.watching import Recorder, clock_ms, group, peer, requests_of
from ztm_chat.mesh import Mesh, MeshAgent

ALICE = peer("alice")
HOUR_MS = 3_600_000
SHARED = "/apps/ztm/chat/shared"


def publish(agent: MeshAgent, entries: Iterable[tuple[int, Any]], *, ms: int = 5) -> str:
    """Put messages with times of our choice into one of the agent's files for the bot."""
    path = f"{SHARED}/{agent.username}/publish/peers/my-bot/messages/{ms}.json"
    data = json.dumps([{"time": time, "message": {"text": text}} for time, text in entries])
    agent.publish_file(path, data.encode(), readers=["my-bot"])
    return path


def publish_and_wait(agent: MeshAgent, bot: MeshAgent, entries: list[tuple[int, str]]) -> None:
    """As `publish`, until the hub shows it."""
    publish(agent, entries)
    bot.wait_for(lambda found: len(found) >= len(entries), sender=agent.username)


# What arrives while we watch


def test_messages_are_offered_once_while_their_files_grow(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    texts = [f"number {number}: {'x' * 150}" for number in range(30)]
    for text in texts:
        alice.send("my-bot", text)
    recorder.wait_for_texts(*texts)
    files = [one.path for one in alice._member.store if "/peers/my-bot/" in one.path]
    assert len(files) > 3, "after 1,024 bytes a new file begins"
    assert recorder.texts() == texts


def test_a_late_message_is_offered_in_spite_of_its_old_time(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    alice.send("my-bot", "now")
    recorder.wait_for_texts("now")
    alice.go_offline()
    alice.skew_clock(-48 * HOUR_MS)
    publish(alice, [(clock_ms() - 48 * HOUR_MS, "two days ago")])
    alice.go_online()
    recorder.wait_for_texts("now", "two days ago")
    (late,) = [one for _, one in recorder.news if one.text == "two days ago"]
    assert clock_ms() - late.available_ms < HOUR_MS, "it could not have been seen earlier"


@pytest.mark.parametrize("skew_ms", [-24 * HOUR_MS, 24 * HOUR_MS])
def test_clocks_ahead_and_behind_do_not_matter(
    watch: Watch, recorder: Recorder, alice: MeshAgent, skew_ms: int
) -> None:
    watch()
    alice.send("my-bot", "before")
    alice.skew_clock(skew_ms)
    alice.send("my-bot", "skewed")
    alice.skew_clock(0)
    alice.send("my-bot", "after")
    recorder.wait_for_texts("before", "skewed", "after")


def test_several_messages_of_one_millisecond_are_all_offered(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    now = clock_ms()
    publish(alice, [(now, "same"), (now, "same"), (now, "other"), (now - 5, "earlier")])
    recorder.wait_for_texts("same", "same", "other", "earlier")
    assert recorder.texts()[0] == "earlier"


def test_old_entries_that_a_rewritten_file_brings_are_offered(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    now = clock_ms()
    publish(alice, [(now, "one")])
    recorder.wait_for_texts("one")
    publish(alice, [(now - 90 * 24 * HOUR_MS, "from another device"), (now, "one")])
    recorder.wait_for_texts("one", "from another device")


# What happens to the mesh


def test_what_came_while_we_were_down_is_offered_on_our_return(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    alice.send("my-bot", "one")
    recorder.wait_for_texts("one")
    watch(watching=False)
    alice.send("my-bot", "two")
    alice.send("my-bot", "three")
    watch()
    recorder.wait_for_texts("one", "two", "three")


def test_what_came_before_a_first_message_to_an_empty_mesh_is_not_taken_for_history(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch()
    watch(watching=False)
    publish_and_wait(alice, bot, [(clock_ms() - HOUR_MS, "while you were away")])
    watch()
    recorder.wait_for_texts("while you were away")
    assert recorder.marked == []


def test_the_agents_restart_costs_nothing(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch()
    alice.send("my-bot", "one")
    recorder.wait_for_texts("one")
    bot.kill()
    alice.send("my-bot", "two")
    bot.restart()
    alice.send("my-bot", "three")
    recorder.wait_for_texts("one", "two", "three")


def test_a_hub_outage_costs_nothing(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, mesh: Mesh
) -> None:
    watch()
    mesh.hub_down()
    recorder.wait_for(lambda: not bot.is_connected)
    mesh.hub_up()
    alice.wait_connected()
    alice.send("my-bot", "after the outage")
    recorder.wait_for_texts("after the outage")


@pytest.mark.parametrize("trouble", ["deaf", "held back"])
def test_a_chat_app_that_does_not_show_it_does_not_matter(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, trouble: str
) -> None:
    watch(config={"heal": False})
    bot.deafen() if trouble == "deaf" else bot.hold_back()
    alice.send("my-bot", "hello?")
    recorder.wait_for_texts("hello?")


def test_a_replaced_hub_is_noticed_and_survived(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, mesh: Mesh
) -> None:
    watch()
    alice.send("my-bot", "one")
    recorder.wait_for_texts("one")
    recorder.wait_for(lambda: recorder.state.cursor > 1)
    watch(watching=False)
    mesh.replace_hub(behind_ms=HOUR_MS)
    bot.wait_connected()
    alice.wait_connected()
    alice.send("my-bot", "two")
    watch(wait=False)
    recorder.wait_for_texts("one", "two")
    (reset,) = recorder.recorded(FeedReset)
    assert reset.after < reset.before
    recorder.wait_for(lambda: 1 < recorder.state.cursor < reset.before)


def test_a_crash_right_after_another_hub_was_noticed_loses_nothing(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, mesh: Mesh
) -> None:
    watch()
    alice.send("my-bot", "one")
    recorder.wait_for_texts("one")
    watch(watching=False)
    mesh.replace_hub(behind_ms=HOUR_MS)
    bot.wait_connected()
    alice.wait_connected()
    alice.send("my-bot", "two")
    recorder.stall.add(ALICE)
    watch(wait=False)
    recorder.wait_for(lambda: recorder.recorded(FeedReset) and recorder.stalled)
    watch(watching=False)
    recorder.stall.clear()
    recorder.stalled.clear()
    watch()
    recorder.wait_for_texts("one", "two")


# What is owed


def test_a_file_whose_source_is_offline_is_owed_and_read_on_its_return(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    carol = mesh.join("carol")
    watch()
    alice.withhold_files()
    alice.send("my-bot", "hard to get")
    recorder.wait_for(lambda: [one.path for one in recorder.state.owed])
    carol.send("my-bot", "meanwhile")
    recorder.wait_for_texts("meanwhile")
    alice.withhold_files(False)
    recorder.wait_for_texts("meanwhile", "hard to get")
    recorder.wait_for(lambda: recorder.state.owed == ())


def test_what_is_owed_stays_so_over_our_own_restarts(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    def is_owing(health: Health) -> bool:
        return bool(health.feed_ms and health.owed)

    watch()
    alice.withhold_files()
    alice.send("my-bot", "hard to get")
    recorder.wait_for(lambda: recorder.state.owed)
    for _ in range(2):
        health = watch().edge.health
        recorder.wait_for(partial(is_owing, health))
        assert recorder.state.owed
    alice.withhold_files(False)
    recorder.wait_for_texts("hard to get")


def test_a_file_that_was_owed_for_days_counts_as_new(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    alice.withhold_files()
    publish(alice, [(clock_ms() - 72 * HOUR_MS, "hard to get")])
    recorder.wait_for(lambda: recorder.state.owed)
    asked_ms = clock_ms()
    alice.withhold_files(False)
    recorder.wait_for_texts("hard to get")
    ((_, arrival),) = recorder.news
    assert arrival.available_ms >= asked_ms - 1_000


def test_many_owed_files_are_not_asked_for_all_the_time(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch()
    alice.withhold_files()
    for number in range(40):
        publish(alice, [(clock_ms(), f"number {number}")], ms=number)
    recorder.wait_for(lambda: len(recorder.state.owed) == 40)
    with requests_of(bot) as asked:
        recorder.wait_for(lambda: sum("file-data" in path for path, _ in asked) >= 20, timeout_s=20)
        before = len(asked)
    chats = sum(path.endswith("/chats") for path, _ in asked[:before])
    assert 4 * chats >= 20, "two a second, and chats are polled once a second"


# The baseline


def test_what_was_there_before_us_is_marked_and_not_offered_but_what_is_fresh_is(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    now = clock_ms()
    publish_and_wait(alice, bot, [(now - HOUR_MS, "long ago"), (now - 60_000, "a minute ago")])
    watch()
    recorder.wait_for_texts("a minute ago")
    assert [one.sent_ms for _, one in recorder.marked] == [now - HOUR_MS]


def test_who_writes_for_the_first_time_later_has_no_baseline(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, mesh: Mesh
) -> None:
    publish_and_wait(alice, bot, [(clock_ms() - HOUR_MS, "long ago")])
    watch()
    publish(mesh.join("carol"), [(clock_ms() - 9 * HOUR_MS, "I wrote this offline")])
    recorder.wait_for_texts("I wrote this offline")


def test_a_crash_amid_the_first_baseline_lets_nothing_old_through(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, mesh: Mesh
) -> None:
    carol = mesh.join("carol")
    for agent in (alice, carol):
        publish_and_wait(agent, bot, [(clock_ms() - HOUR_MS, f"old, of {agent.username}")])
    recorder.stall.add(peer("carol"))
    watch(wait=False)
    recorder.wait_for(lambda: recorder.marked and recorder.stalled)
    assert recorder.state.cursor == 0
    recorder.stall.clear()
    recorder.stalled.clear()
    watch()
    assert sorted(where.name for where, _ in recorder.marked) == ["alice", "carol"]  # type: ignore[union-attr]
    alice.send("my-bot", "new")
    recorder.wait_for_texts("new")


def test_a_baseline_that_was_owed_is_not_answered_when_it_comes(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    publish_and_wait(alice, bot, [(clock_ms() - HOUR_MS, "long ago")])
    alice.withhold_files()
    watch()
    recorder.wait_for(lambda: recorder.state.owed)
    assert all(one.baseline for one in recorder.state.owed)
    watch()
    alice.withhold_files(False)
    recorder.wait_for(lambda: recorder.marked)
    recorder.wait_for(lambda: recorder.state.owed == ())
    assert recorder.news == []


def test_a_new_group_has_a_baseline_also_of_what_became_visible_with_it(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    alice.create_group("g", name="Team", members=["alice"])
    alice.skew_clock(-HOUR_MS)
    alice.send_to_group("alice", "g", "before you came")
    alice.skew_clock(0)
    watch()
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    recorder.wait_for(lambda: recorder.marked)
    alice.send_to_group("alice", "g", "welcome")
    recorder.wait_for_texts("welcome", conversation=group("alice", "g"))
    assert len(recorder.marked) == 1


def test_groups_that_are_turned_on_later_have_a_baseline(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    policy = {"policy": _without_groups(bot)}
    watch(config=policy)
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    alice.skew_clock(-HOUR_MS)
    alice.send_to_group("alice", "g", "while groups were off")
    alice.skew_clock(0)
    alice.send("my-bot", "direct")
    recorder.wait_for_texts("direct")
    watch(baseline_groups=True)
    recorder.wait_for(lambda: recorder.marked)
    alice.send_to_group("alice", "g", "now on")
    recorder.wait_for_texts("now on", conversation=group("alice", "g"))
    assert len(recorder.marked) == 1


def _without_groups(bot: MeshAgent) -> Any:
    return AccountPolicy(username=bot.username, dm_policy="allow")


# The cursor


def test_the_cursor_waits_for_what_is_undecided_and_what_is_refused_comes_again(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    carol = mesh.join("carol")
    watch()
    recorder.refuse.add(ALICE)
    alice.send("my-bot", "refused at first")
    recorder.wait_for(lambda: recorder.refused >= 2)
    cursor = recorder.state.cursor
    carol.send("my-bot", "another")
    recorder.wait_for_texts("another")
    recorder.refuse.clear()
    recorder.wait_for_texts("another", "refused at first")
    recorder.wait_for(lambda: recorder.state.cursor > cursor)


def test_the_cursor_never_goes_back(watch: Watch, recorder: Recorder, alice: MeshAgent) -> None:
    for number in range(3):
        watch()
        alice.send("my-bot", f"number {number}")
        recorder.wait_for_texts(*(f"number {one}" for one in range(number + 1)))
    positions = [one.position for one in recorder.told if isinstance(one, CursorReached)]
    assert positions == sorted(positions)


def test_a_restart_reads_nothing_that_was_decided_long_ago(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch(overlap_ms=0)
    alice.send("my-bot", "one")
    recorder.wait_for_texts("one")
    seen = recorder.state.cursor
    alice.send("my-bot", "two")
    recorder.wait_for_texts("one", "two")
    recorder.wait_for(lambda: recorder.state.cursor > seen)
    watch(watching=False)
    with requests_of(bot) as asked:
        edge = watch(overlap_ms=0)
        alice.create_group("g", name="Team", members=["alice", "my-bot"])
        recorder.wait_for(lambda: edge.edge.health.groups)
    files = {path for path, _ in asked if "file-data" in path}
    assert all("info.json" in path for path in files)


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
    assert [one.malformed for _, one in recorder.news] == [True, False]


def test_good_entries_beside_bad_ones_are_offered(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    data = b'[{"time": 5, "message": "bell \x07"}, 7, {"time": -1}, {"time": 6, "message": null}]'
    path = f"{SHARED}/alice/publish/peers/my-bot/messages/7.json"
    alice.publish_file(path, data, readers=["my-bot"])
    recorder.wait_for(lambda: len(recorder.news) == 4)
    good = [one.text for _, one in recorder.news if not one.malformed]
    assert good == ["bell \x07", "null"]


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
    assert {where for where, one in recorder.news if one.witness == "feed"} == {ALICE}


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
    assert recorder.news[0][1].sender == "mallory", "it is offered, to be denied on the record"


# One conversation's trouble is its own


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
    recorder.wait_for(lambda: edge.edge.health.wanted == 0)
    events = recorder.log.head().seq
    with requests_of(bot) as asked:
        bot.mesh.wait_for(lambda: None, timeout_s=3.0)
    assert 6 <= len(asked) <= 3 * 3 + 2, sorted(asked)
    assert {path.rpartition("/")[2] for path, _ in asked} == {"files", "chats"}
    assert recorder.log.head().seq == events
