"""Every message that the mesh shows in its files is delivered once, whatever happens on the way."""

from functools import partial

import pytest

from actors.ztm.health import Health
from events.account.events import FeedReset
from tests.actors.ztm.conftest import Watch
from tests.actors.ztm.published_messages import publish, publish_and_wait
from tests.actors.ztm.watched_mesh import Recorder, clock_ms, peer, requests_of
from ztm_chat.mesh import Mesh, MeshAgent

ALICE = peer("alice")
HOUR_MS = 3_600_000


# What arrives while we watch


def test_messages_are_delivered_once_while_their_files_grow(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    texts = [f"number {number}: {'x' * 150}" for number in range(30)]
    for text in texts:
        alice.send("my-bot", text)
    recorder.wait_for_texts(*texts)
    files = [file.path for file in alice._member.store if "/peers/my-bot/" in file.path]
    assert len(files) > 3, "after 1,024 bytes a new file begins"
    assert recorder.texts() == texts


def test_a_late_message_is_delivered_in_spite_of_its_old_time(
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
    (late,) = [arrival for _, arrival in recorder.news if arrival.text == "two days ago"]
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


def test_several_messages_of_one_millisecond_are_all_delivered(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    now = clock_ms()
    publish(alice, [(now, "same"), (now, "same"), (now, "other"), (now - 5, "earlier")])
    recorder.wait_for_texts("same", "same", "other", "earlier")
    assert recorder.texts()[0] == "earlier"


def test_old_entries_that_a_rewritten_file_brings_are_delivered(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    now = clock_ms()
    publish(alice, [(now, "one")])
    recorder.wait_for_texts("one")
    publish(alice, [(now - 90 * 24 * HOUR_MS, "from another device"), (now, "one")])
    recorder.wait_for_texts("one", "from another device")


# What happens to the mesh


def test_what_came_while_we_were_down_is_delivered_on_our_return(
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
    watch(overlap_ms=0)
    alice.send("my-bot", "one")
    recorder.wait_for_texts("one")
    recorder.wait_for(lambda: recorder.state.cursor > 1)
    watch(watching=False)
    mesh.replace_hub(behind_ms=HOUR_MS)
    bot.wait_connected()
    alice.wait_connected()
    alice.send("my-bot", "two")
    recorder.stall.add(ALICE)
    watch(wait=False, overlap_ms=0)
    recorder.wait_for(lambda: recorder.recorded(FeedReset) and recorder.stalled)
    watch(watching=False)
    recorder.stall.clear()
    recorder.stalled.clear()
    watch(overlap_ms=0)
    recorder.wait_for_texts("one", "two")


# What is unavailable


def test_a_file_whose_source_is_offline_is_unavailable_and_read_on_its_return(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    carol = mesh.join("carol")
    watch()
    alice.withhold_files()
    alice.send("my-bot", "hard to get")
    recorder.wait_for(
        lambda: [unavailable_file.path for unavailable_file in recorder.state.unavailable]
    )
    carol.send("my-bot", "meanwhile")
    recorder.wait_for_texts("meanwhile")
    alice.withhold_files(False)
    recorder.wait_for_texts("meanwhile", "hard to get")
    recorder.wait_for(lambda: recorder.state.unavailable == ())


def test_what_is_unavailable_stays_so_over_our_own_restarts(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    def is_owing(health: Health) -> bool:
        return bool(health.feed_ms and health.unavailable)

    watch()
    alice.withhold_files()
    alice.send("my-bot", "hard to get")
    recorder.wait_for(lambda: recorder.state.unavailable)
    for _ in range(2):
        health = watch().edge.health
        recorder.wait_for(partial(is_owing, health))
        assert recorder.state.unavailable
    alice.withhold_files(False)
    recorder.wait_for_texts("hard to get")


def test_many_unavailable_files_are_not_asked_for_all_the_time(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch(unavailable_retry_max_s=0.08)
    alice.withhold_files()
    for number in range(40):
        publish(alice, [(clock_ms(), f"number {number}")], ms=number)
    recorder.wait_for(lambda: len(recorder.state.unavailable) == 40)
    with requests_of(bot) as asked:
        bot.mesh.wait_for(lambda: None, timeout_s=1.5)
    tries = sum("file-data" in path for path, _ in asked)
    polls = sum(path.endswith("/chats") for path, _ in asked)
    assert 0 < tries <= 4 * polls, "some two a second, where chats are polled once a second"
