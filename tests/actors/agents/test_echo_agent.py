import asyncio
from collections.abc import Callable

from actors.agents.echo import EchoAgent
from actors.agents.protocol import Answer, Line, Question


def test_the_echo_says_back_every_message_of_the_turn(question: Callable[..., Question]) -> None:
    lines = tuple(Line("user", "alice", text, 0) for text in ("one", "two"))
    answer = asyncio.run(EchoAgent().ask(question(messages=lines)))
    assert answer == Answer("You said: one\ntwo", model="echo")


def test_the_echo_leaves_history_alone(question: Callable[..., Question]) -> None:
    history = (Line("user", "alice", "earlier", 0),)
    answer = asyncio.run(EchoAgent().ask(question("now", history=history)))
    assert answer.text == "You said: now"


def test_a_slow_echo_can_be_cancelled(question: Callable[..., Question]) -> None:
    async def cancelled() -> bool:
        task = asyncio.create_task(EchoAgent(delay_s=60).ask(question()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert asyncio.run(cancelled())
