"""Whatever fails in the intake is heard, and what it was about is done all the same."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from actors.ztm.account_edge import AccountEdge
from actors.ztm.delivering.deliveries import Deliveries
from actors.ztm.errors import ZtmError
from actors.ztm.reading.arrival_factory import ArrivalFactory
from actors.ztm.watching.chat_source import ChatSource
from actors.ztm.watching.feed import Feed
from actors.ztm.watching.supervised import ConversationTasks, until_it_succeeds
from tests.actors.ztm.conftest import Watch
from tests.actors.ztm.watched_mesh import Recorder, peer
from ztm_chat.mesh import MeshAgent

ALICE, BOB = peer("alice"), peer("bob")


class Panic(BaseException):
    """As native code raises it: no `Exception`."""


FAILURES = [RuntimeError("a bug"), Panic("out of range"), SystemExit(1)]


@contextmanager
def failing_once(owner: Any, name: str, failure: BaseException) -> Iterator[list[str]]:
    """The first call of a method fails; what has failed is noted."""
    method, failed = getattr(owner, name), list[str]()

    def instead(*arguments: Any, **named: Any) -> Any:
        if not failed:
            failed.append(name)
            raise failure
        return method(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, instead)
        yield failed


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (AccountEdge, "_join"),
        (Feed, "cycle"),
        (ChatSource, "poll"),
        (ArrivalFactory, "from_files"),
        (Deliveries, "deliver"),
    ],
    ids=["join", "feed", "chats", "reading", "delivering"],
)
def test_after_any_failure_of_the_intake_a_message_is_delivered(
    watch: Watch,
    recorder: Recorder,
    alice: MeshAgent,
    caplog: pytest.LogCaptureFixture,
    owner: Any,
    name: str,
    failure: BaseException,
) -> None:
    with failing_once(owner, name, failure) as failed:
        watch()
        alice.send("my-bot", "hello")
        recorder.wait_for_texts("hello")
        recorder.wait_for(lambda: failed)
        assert name in {"from_files", "deliver"} or "internal error" in caplog.text
    said = [record for record in caplog.records if record.exc_info and "internal" in record.message]
    assert [record.levelno for record in said] == [logging.ERROR]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_after_any_failure_of_reading_a_chat_it_is_read_again(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, failure: BaseException
) -> None:
    bot.refuse_files()
    with failing_once(ArrivalFactory, "from_chat", failure) as failed:
        watch()
        alice.send("my-bot", "hello")
        recorder.wait_for_texts("hello")
    assert failed


def test_an_internal_error_quotes_nobody_in_the_status(
    watch: Watch, recorder: Recorder, bot: MeshAgent
) -> None:
    with failing_once(Feed, "cycle", RuntimeError("somebody's words")):
        edge = watch(wait=False, back_off_scale=1.0)
        recorder.wait_for(lambda: edge.edge.health.error)
        assert "RuntimeError" in edge.edge.health.error
        assert "somebody's words" not in edge.edge.health.error


# The mechanism


def test_an_attempt_is_repeated_until_it_succeeds() -> None:
    left: list[BaseException] = [ZtmError("away"), RuntimeError("a bug"), Panic("native")]
    heard: list[BaseException] = []

    async def attempt() -> str:
        if left:
            raise left.pop(0)
        return "done"

    async def failed(error: BaseException) -> None:
        heard.append(error)

    assert asyncio.run(until_it_succeeds(attempt, failed)) == "done"
    assert [type(error) for error in heard] == [ZtmError, RuntimeError, Panic]


@pytest.mark.parametrize("failure", [ZtmError("away"), *FAILURES], ids=repr)
def test_a_task_that_fails_ends_as_failed_and_harms_no_other(failure: BaseException) -> None:
    ended: list[tuple[str, bool | None]] = []

    async def fail() -> bool:
        raise failure

    async def succeed() -> bool:
        await asyncio.sleep(0)
        return True

    async def scene() -> None:
        tasks = ConversationTasks()
        tasks.start(ALICE, fail, lambda done: ended.append(("alice", done)))
        tasks.start(BOB, succeed, lambda done: ended.append(("bob", done)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert ALICE not in tasks
        assert BOB not in tasks

    asyncio.run(scene())
    assert ended == [("alice", None), ("bob", True)]


def test_tasks_that_are_stopped_end_as_failed_even_before_they_began() -> None:
    ended: list[bool | None] = []

    async def never() -> bool:
        await asyncio.Event().wait()
        return True

    async def scene() -> None:
        tasks = ConversationTasks()
        tasks.start(ALICE, never, ended.append)
        await asyncio.sleep(0)
        tasks.start(BOB, never, ended.append)
        await tasks.stop()
        assert ALICE not in tasks
        assert BOB not in tasks

    asyncio.run(scene())
    assert ended == [None, None]
