"""Joining, going offline and online, and agents that answer anything but what was asked."""

import math

import pytest

from actors.runtime.back_off import BackOff
from events.account.events import AccountOffline, AccountOnline
from events.back_off import PAUSES_S
from tests.actors.ztm.conftest import Watch
from tests.actors.ztm.watched_mesh import Recorder, requests_of
from ztm_chat.mesh import Mesh, MeshAgent


def changes(recorder: Recorder) -> list[str]:
    """Online and offline, in order."""
    found = (record.event for record in recorder.log.read_stream("account/bot"))
    return [
        type(event).__name__[7:]
        for event in found
        if isinstance(event, AccountOnline | AccountOffline)
    ]


def test_the_pauses_grow_as_the_user_wrote_and_begin_anew_after_a_success() -> None:
    back_off = BackOff()
    assert [back_off.failed() for _ in range(11)] == [1, 1, 2, 3, 5, 8, 13, 21, 30, 30, 30]
    back_off.succeeded()
    assert back_off.failed() == PAUSES_S[0]


def test_online_is_recorded_once_as_whom(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    alice.send("my-bot", "hello")
    recorder.wait_for_texts("hello")
    assert recorder.recorded(AccountOnline) == [AccountOnline("my-bot")]


def test_an_agent_that_is_down_is_recorded_once_with_nobodys_words(
    watch: Watch, recorder: Recorder, bot: MeshAgent
) -> None:
    edge = watch(back_off_scale=0.004)
    bot.kill()
    with_errors = edge.edge.health
    recorder.wait_for(lambda: with_errors.phase == "offline")
    bot.mesh.wait_for(lambda: None, timeout_s=0.2)
    bot.restart()
    recorder.wait_for(lambda: changes(recorder) == ["Online", "Offline", "Online"])
    (offline,) = recorder.recorded(AccountOffline)
    assert offline.error in {"AgentUnreachable", "AgentDisconnected"}


def test_one_error_is_a_hiccup(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch()
    bot.answer_with(500, b"oops", path_part="/files")
    alice.send("my-bot", "hello")
    recorder.wait_for_texts("hello")
    assert changes(recorder) == ["Online"]


def test_a_hub_outage_makes_the_account_offline_and_online_again(
    watch: Watch, recorder: Recorder, alice: MeshAgent, mesh: Mesh
) -> None:
    watch()
    mesh.hub_down()
    recorder.wait_for(lambda: changes(recorder) == ["Online", "Offline"])
    assert recorder.recorded(AccountOffline) == [AccountOffline("NotConnected")]
    mesh.hub_up()
    alice.wait_connected()
    alice.send("my-bot", "back")
    recorder.wait_for_texts("back")
    assert changes(recorder) == ["Online", "Offline", "Online"]


def test_an_agent_that_lost_the_mesh_is_not_taken_for_an_older_one(
    watch: Watch, recorder: Recorder, bot: MeshAgent
) -> None:
    """It would join again, but for the permit, which these tests do not have."""
    edge = watch()
    joined = bot._agent.joined
    lost = bot.mesh.call(lambda: joined.pop(bot.mesh.name))
    recorder.wait_for(lambda: "permit" in edge.edge.health.error)
    assert edge.edge.health.source == "feed"
    assert edge.edge.health.phase == "offline"
    bot.mesh.call(lambda: joined.update({bot.mesh.name: lost}))
    recorder.wait_for(lambda: edge.edge.health.phase == "online")


def test_an_agent_of_another_user_is_never_watched(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    edge = watch(config={"agent_url": alice.url}, wait=False)
    recorder.wait_for(lambda: edge.edge.health.phase == "offline")
    assert recorder.recorded(AccountOffline) == [AccountOffline("WrongUser")]
    bot.send("alice", "private")
    bot.mesh.wait_for(lambda: None, timeout_s=0.2)
    assert recorder.news == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html><body>Welcome to the wifi</body></html>"),
        (200, b"[1, 2, 3]"),
        (200, b"\xff\xfe\x00"),
        (200, b"[" * 100_000),
        (200, b'{"/apps/ztm/chat/shared/x": 7, "y": {"hash": []}, "z": null}'),
        (302, b""),
        (418, b"I'm a teapot"),
        (500, b"{}"),
        (503, b"Cannot start the app"),
    ],
)
def test_answers_that_mean_nothing_are_survived(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, status: int, body: bytes
) -> None:
    watch(back_off_scale=0.01)
    bot.answer_with(status, body, times=12)
    with requests_of(bot) as asked:
        alice.send("my-bot", "hello")
        recorder.wait_for_texts("hello")
    assert len(asked) < 200, "no spin"


def test_a_proxy_that_answers_the_same_for_ever_is_not_asked_without_pause(
    watch: Watch, recorder: Recorder, bot: MeshAgent
) -> None:
    watch(feed_cycle_s=0.1)
    bot.answer_with(200, b"{}", path_part="/files", times=math.inf)
    with requests_of(bot) as asked:
        bot.mesh.wait_for(lambda: None, timeout_s=1.0)
    assert sum(path.endswith("/files") for path, _ in asked) <= 11


@pytest.mark.parametrize("status", [403, 405, 500])
def test_a_feed_that_is_always_refused_is_replaced_by_the_chat_api(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, status: int
) -> None:
    bot.answer_with(status, b"no", path_part="/files", times=math.inf)
    edge = watch(back_off_scale=0.01)
    assert edge.edge.health.source == "chat"
    alice.send("my-bot", "hello")
    recorder.wait_for_texts("hello")


def test_users_that_cannot_be_listed_do_not_stop_the_chat_api(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    bot.refuse_files()
    bot.garble(b"nonsense", path_part="/api/users", times=math.inf)
    watch()
    alice.send("my-bot", "hello")
    recorder.wait_for_texts("hello")


def test_users_that_could_not_be_listed_are_asked_for_again_soon(
    watch: Watch, recorder: Recorder, bot: MeshAgent
) -> None:
    bot.garble(b"nonsense", path_part="/api/users", times=2)
    edge = watch()
    recorder.wait_for(lambda: "my-bot" in edge.edge.health.users)


def test_an_older_agent_that_dies_makes_the_account_offline(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    bot.refuse_files()
    watch()
    bot.kill()
    recorder.wait_for(lambda: changes(recorder)[-1] == "Offline")
    bot.restart()
    alice.send("my-bot", "back")
    recorder.wait_for_texts("back")
    assert changes(recorder)[-1] == "Online"


def test_a_watch_that_replaces_another_begins_when_that_has_ended(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    def beginnings() -> int:
        return sum("AccountOnline" in repr(message) for message in recorder.told)

    edge = watch()
    alice.send("my-bot", "one")
    recorder.wait_for_texts("one")
    end = edge.watch_again()
    alice.mesh.wait_for(lambda: None, timeout_s=0.2)
    assert beginnings() == 1
    end()
    recorder.wait_for(lambda: beginnings() == 2)
    alice.send("my-bot", "two")
    recorder.wait_for_texts("one", "two")
    assert edge.edge.health.phase == "online"
