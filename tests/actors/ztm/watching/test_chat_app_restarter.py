"""A Chat app that goes deaf is found, recorded, and restarted where that is allowed."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from actors.ztm.sending.send_gate import SendGate
from events.account.events import ChatAppDeaf, ChatAppHealed
from tests.actors.ztm.conftest import Watch
from tests.actors.ztm.watched_mesh import Recorder, peer, requests_of
from ztm_chat.mesh import MeshAgent

ALICE = peer("alice")


def make_deaf(bot: MeshAgent, alice: MeshAgent, recorder: Recorder) -> None:
    """Two messages that the Chat app does not show, with more than half a (short) second between
    them."""

    def unheard(number: int) -> bool:
        return f"unheard {number}" in recorder.texts()

    bot.deafen()
    for number in (1, 2):
        alice.send("my-bot", f"unheard {number}")
        recorder.wait_for(partial(unheard, number))
        bot.mesh.wait_for(lambda: None, timeout_s=0.1)


def restarts(asked: list[tuple[str, int]]) -> int:
    """How often the Chat app was stopped: its state is asked for, and then changed."""
    return sum(path.endswith("/apps/ztm/chat") for path, _ in asked) // 2


def test_a_deaf_app_is_recorded_restarted_and_recorded_as_healed(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    edge = watch()
    make_deaf(bot, alice, recorder)
    recorder.wait_for(lambda: recorder.recorded(ChatAppHealed))
    (deaf,) = recorder.recorded(ChatAppDeaf)
    assert deaf.missing >= 2
    assert recorder.recorded(ChatAppHealed) == [ChatAppHealed(restarted=True)]
    assert not edge.edge.health.deaf
    assert edge.edge.health.healed_ms


def test_with_heal_false_it_is_said_and_left_alone(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    edge = watch(config={"heal": False})
    with requests_of(bot) as asked:
        make_deaf(bot, alice, recorder)
        recorder.wait_for(lambda: recorder.recorded(ChatAppDeaf))
        polls = edge.edge.health.chat_ms
        recorder.wait_for(lambda: edge.edge.health.chat_ms > polls + 200)
    assert restarts(asked) == 0
    assert edge.edge.health.deaf
    bot.mesh.call(bot._joined.host.stop)
    recorder.wait_for(lambda: recorder.recorded(ChatAppHealed))
    assert recorder.recorded(ChatAppHealed) == [ChatAppHealed(restarted=False)]


def test_an_app_that_its_user_disabled_is_left_alone(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch()
    disabled = b'{"isDisabled": true, "isRunning": true}'
    endpoint = f"/endpoints/{bot.endpoint_id}/apps/ztm/chat"
    bot.garble(disabled, path_part=endpoint, times=float("inf"))
    with requests_of(bot) as asked:
        make_deaf(bot, alice, recorder)
        recorder.wait_for(lambda: recorder.recorded(ChatAppDeaf))
        recorder.wait_for(lambda: any(path.endswith(endpoint) for path, _ in asked))
        bot.mesh.wait_for(lambda: None, timeout_s=0.3)
    assert sum(path.endswith(endpoint) for path, _ in asked) == 1, "it was looked at, not changed"


def test_it_is_restarted_at_most_once_in_five_minutes(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch(heal_every_s=60.0)
    with requests_of(bot) as asked:
        make_deaf(bot, alice, recorder)
        recorder.wait_for(lambda: recorder.recorded(ChatAppHealed))
        bot.deafen()
        for number in (3, 4):
            alice.send("my-bot", f"unheard {number}")
            bot.mesh.wait_for(lambda: None, timeout_s=0.1)
        recorder.wait_for(lambda: len(recorder.recorded(ChatAppDeaf)) == 2)
        bot.mesh.wait_for(lambda: None, timeout_s=0.3)
    assert restarts(asked) == 1
    assert len(recorder.recorded(ChatAppHealed)) == 1


def test_after_the_five_minutes_it_is_restarted_again(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    def healed(times: int) -> bool:
        return len(recorder.recorded(ChatAppHealed)) == times

    watch(heal_every_s=0.5)
    for number in (1, 2):
        bot.deafen()
        for text in ("one", "two"):
            alice.send("my-bot", f"{text}, deaf for the {number}. time")
            bot.mesh.wait_for(lambda: None, timeout_s=0.1)
        recorder.wait_for(partial(healed, number))


def test_a_held_back_message_is_not_taken_for_deafness(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch()
    bot.hold_back()
    alice.send("my-bot", "held back")
    recorder.wait_for_texts("held back")
    bot.mesh.wait_for(lambda: None, timeout_s=0.6)
    alice.send("my-bot", "the next")
    recorder.wait_for_texts("held back", "the next")
    bot.mesh.wait_for(lambda: None, timeout_s=0.6)
    assert recorder.recorded(ChatAppDeaf) == []


def test_a_stranger_cannot_make_it_look_deaf_with_files_that_it_refuses(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    def delivered(count: int) -> bool:
        return len(recorder.news) == count

    watch()
    folder = "/apps/ztm/chat/shared/alice/publish/peers/my-bot/messages"
    for number in (1, 2):
        data = b'[{"time": %d, "message": "raw \x07 bell"}]' % (2**50 + number)
        alice.publish_file(f"{folder}/{number}.json", data, readers=["my-bot"])
        recorder.wait_for(partial(delivered, number))
        bot.mesh.wait_for(lambda: None, timeout_s=0.1)
    bot.mesh.wait_for(lambda: None, timeout_s=0.6)
    assert recorder.recorded(ChatAppDeaf) == []


def test_what_an_earlier_process_called_deaf_is_called_healed_when_it_hears(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    watch(config={"heal": False})
    make_deaf(bot, alice, recorder)
    recorder.wait_for(lambda: recorder.recorded(ChatAppDeaf))
    edge = watch(config={"heal": False})
    recorder.wait_for(lambda: edge.edge.health.deaf and edge.edge.health.chat_ms)
    bot.mesh.call(bot._joined.host.stop)
    alice.send("my-bot", "heard again")
    recorder.wait_for(lambda: recorder.recorded(ChatAppHealed))
    assert not recorder.state.deaf


def test_messages_are_still_sent_and_taken_in_while_it_is_deaf(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    edge = watch(config={"heal": False})
    make_deaf(bot, alice, recorder)
    recorder.wait_for(lambda: recorder.recorded(ChatAppDeaf))
    assert edge.send(ALICE, "I hear you").posts == 1
    alice.wait_for(lambda found: len(found) == 1, sender="my-bot")


# Not while a message is on its way


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 10))


def test_a_restart_waits_for_what_is_on_its_way_and_holds_back_the_next() -> None:
    async def scene() -> None:
        gate, order, sent = SendGate(), list[str](), asyncio.Event()

        async def send(name: str) -> None:
            async with gate.sending():
                order.append(f"{name} begins")
                await sent.wait()
                order.append(f"{name} ends")

        async def restart_app() -> None:
            async with gate.restarting():
                order.append("restarting")

        first = asyncio.create_task(send("first"))
        await asyncio.sleep(0)
        restart = asyncio.create_task(restart_app())
        await asyncio.sleep(0)
        second = asyncio.create_task(send("second"))
        await asyncio.sleep(0)
        assert order == ["first begins"]
        sent.set()
        await asyncio.gather(first, restart, second)
        assert order == ["first begins", "first ends", "restarting", "second begins", "second ends"]

    run(scene())


def test_a_restart_that_is_given_up_holds_back_nothing() -> None:
    async def scene() -> None:
        gate, never = SendGate(), asyncio.Event()

        async def send() -> None:
            async with gate.sending():
                await never.wait()

        async def restart_app() -> None:
            async with gate.restarting():
                pass

        sending, restart = asyncio.create_task(send()), asyncio.create_task(restart_app())
        await asyncio.sleep(0)
        restart.cancel()
        await asyncio.gather(restart, return_exceptions=True)
        async with gate.sending():
            pass
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    run(scene())
