"""What was there before us, and how far the cursor says that all is decided."""

from functools import partial
from typing import Any

from msgspec.structs import replace

from actors.messages import CursorReached, GroupSeen, IncomingBatch
from events.policy.account_policy import AccountPolicy
from events.watermark import UnavailableFile
from tests.actors.ztm.conftest import Watch
from tests.actors.ztm.published_messages import SHARED, publish, publish_and_wait
from tests.actors.ztm.watched_mesh import Recorder, Watching, clock_ms, group, peer, requests_of
from ztm_chat.mesh import Mesh, MeshAgent

ALICE = peer("alice")
HOUR_MS = 3_600_000


# The baseline


def test_what_was_there_before_us_is_marked_and_not_delivered_but_what_is_fresh_is(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    now = clock_ms()
    publish_and_wait(alice, bot, [(now - HOUR_MS, "long ago"), (now - 60_000, "a minute ago")])
    watch()
    recorder.wait_for_texts("a minute ago")
    assert [arrival.sent_ms for _, arrival in recorder.marked] == [now - HOUR_MS]


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


def test_a_baseline_that_was_unavailable_is_not_answered_when_it_comes(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    publish_and_wait(alice, bot, [(clock_ms() - HOUR_MS, "long ago")])
    alice.withhold_files()
    watch()
    recorder.wait_for(lambda: recorder.state.unavailable)
    assert all(unavailable_file.baseline for unavailable_file in recorder.state.unavailable)
    watch()
    alice.withhold_files(False)
    recorder.wait_for(lambda: recorder.marked)
    recorder.wait_for(lambda: recorder.state.unavailable == ())
    assert recorder.news == []


def test_a_new_group_has_a_baseline_also_of_what_became_visible_with_it(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    alice.create_group("g", name="Team", members=["alice"])
    alice.skew_clock(-HOUR_MS)
    alice.send_to_group("alice", "g", "before you came")
    alice.skew_clock(0)
    watch(overlap_ms=0)
    alice.send("my-bot", "the feed has gone on since")
    recorder.wait_for_texts("the feed has gone on since")
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    recorder.wait_for(lambda: recorder.marked)
    alice.send_to_group("alice", "g", "welcome")
    recorder.wait_for_texts("welcome", conversation=group("alice", "g"))
    assert len(recorder.marked) == 1


def test_groups_that_are_turned_on_later_have_a_baseline(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    without = _without_groups(bot)
    recorder.apply(without)
    watch(config={"policy": without})
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    alice.skew_clock(-HOUR_MS)
    alice.send_to_group("alice", "g", "while groups were off")
    alice.skew_clock(0)
    alice.send("my-bot", "direct")
    recorder.wait_for_texts("direct")
    recorder.apply(replace(without, enable_groups=True))  # and a crash before all else
    watch()
    recorder.wait_for(lambda: recorder.marked)
    alice.send_to_group("alice", "g", "now on")
    recorder.wait_for_texts("now on", conversation=group("alice", "g"))
    watch(watching=False)
    alice.send_to_group("alice", "g", "while down")
    watch()
    recorder.wait_for_texts("now on", "while down", conversation=group("alice", "g"))
    assert len(recorder.marked) == 1


def test_what_is_unavailable_of_a_new_group_is_on_record_before_the_group_begins(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    """After a crash in between, it would be taken for news and answered."""
    carol = mesh.join("carol")
    watch(cursor_every_s=60.0)
    carol.withhold_files()
    path = f"{SHARED}/carol/publish/groups/alice/g/messages/5.json"
    data = b'[{"time": 5, "message": {"text": "long ago"}}]'
    carol.publish_file(path, data, readers=["my-bot"])
    recorder.wait_for(lambda: recorder.marked or _baselines(recorder))
    (cursor,) = [
        place
        for place, told in enumerate(recorder.told)
        if isinstance(told, CursorReached) and UnavailableFile(path, True) in told.unavailable
    ]
    (begun,) = _baselines(recorder)
    told_between = recorder.told[cursor + 1 : begun]
    assert any(isinstance(told, GroupSeen) for told in told_between), "confirmed in order, after it"
    carol.withhold_files(False)
    recorder.wait_for(lambda: recorder.marked)
    assert recorder.news == []


def _baselines(recorder: Recorder) -> list[int]:
    return [
        place
        for place, told in enumerate(recorder.told)
        if isinstance(told, IncomingBatch) and told.baseline
    ]


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
        recorder.wait_for_texts(*(f"number {sent}" for sent in range(number + 1)))
    positions = [told.position for told in recorder.told if isinstance(told, CursorReached)]
    assert positions == sorted(positions)


def test_files_of_strangers_put_no_cursor_on_record(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    carol = mesh.join("carol")
    edge = watch()
    alice.send("my-bot", "ours")
    recorder.wait_for_texts("ours")
    recorder.wait_for(lambda: recorder.state.cursor > 1)
    before = recorder.state.cursor
    for number in range(20):
        path = f"{SHARED}/carol/publish/peers/alice/messages/{number}.json"
        carol.publish_file(path, b"[]", readers=["my-bot"])
        seen_ms = edge.edge.health.feed_ms
        recorder.wait_for(partial(_has_looked_since, edge, seen_ms))
    assert recorder.state.cursor == before
    alice.send("my-bot", "ours again")
    recorder.wait_for(lambda: recorder.state.cursor > before)


def _has_looked_since(edge: Watching, feed_ms: int) -> bool:
    return edge.edge.health.feed_ms > feed_ms


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
