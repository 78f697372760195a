"""An account's edge on a loop of its own, before an account that records what it is told.

The account is what actors would be, without their rules: it puts every new message on record in a
real log, and confirms. It can be told to refuse, or to keep the intake waiting.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from actors.agents.settings import EchoSettings
from actors.configuration import AccountConfig, PermitFile
from actors.messages import CursorReached, GroupSeen, IncomingBatch, Observed
from actors.runtime.system import SendTask
from actors.ztm.account_edge import AccountEdge
from actors.ztm.account_link import AccountLink
from actors.ztm.health import Health
from actors.ztm.reading.message_files import LARGE_FILES
from actors.ztm.timing import Timing
from events.account.events import PolicyApplied
from events.account.state import AccountState, fold
from events.conversation.arrivals import Arrival
from events.conversation.events import BaselineTaken, MessageIgnored, MessageQueued
from events.event import Body, Draft, Event
from events.policy.account_policy import AccountPolicy
from events.streams import (
    ConversationId,
    GroupId,
    PeerId,
    account_stream,
    conversation_stream,
    parse_stream,
)
from events.watermark import WatermarkAdvanced
from store.log.memory_log import MemoryLog
from ztm_chat.mesh import MeshAgent

T = TypeVar("T")

ACCOUNT = "bot"
STREAM = account_stream(ACCOUNT)
PATIENCE_S = 30.0
NO_PERMIT = Path("/nowhere/permit.json")


def peer(name: str) -> PeerId:
    """The conversation with a user."""
    return PeerId(ACCOUNT, name)


def group(creator: str, name: str) -> GroupId:
    """A group's conversation."""
    return GroupId(ACCOUNT, creator, name)


def link_of(tell: Callable[[str, Any], None], timing: Timing | None = None) -> AccountLink:
    """The link of an account that has no agent."""
    client: Any = None
    return AccountLink(
        id=ACCOUNT,
        username="my-bot",
        groups=True,
        client=client,
        tell=tell,
        now_ms=clock_ms,
        timing=timing or Timing(),
        health=Health(),
    )


class Recorder:
    """The account, its conversations and its log. It outlives edges, as a log outlives processes.

    `news`: what was delivered and was not on record, in order. `refuse` and `stall`: conversations
    whose batches are refused, or left waiting; `refuse_members`: groups of which none are taken.
    """

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.news: list[tuple[ConversationId, Arrival]] = []
        self.marked: list[tuple[ConversationId, Arrival]] = []
        self.told: list[Any] = []
        self.members: dict[ConversationId, frozenset[str] | None] = {}
        self.refuse: set[ConversationId] = set()
        self.stall: set[ConversationId] = set()
        self.refuse_members: set[ConversationId] = set()
        self.refused = 0
        self.stalled: list[tuple[ConversationId, IncomingBatch]] = []
        self.most_waiting = 0
        self._changed = threading.Condition(threading.RLock())

    def tell(self, stream: str, message: Any) -> None:
        """Take in what an edge tells the account or one of its conversations."""
        with self._changed:
            self.told.append(message)
            conversation = parse_stream(stream)
            if isinstance(conversation, PeerId | GroupId):
                assert isinstance(message, IncomingBatch)
                self._deliver(conversation, message)
            else:
                assert stream == STREAM
                self._note(message)
            self._changed.notify_all()

    def _deliver(self, conversation: ConversationId, batch: IncomingBatch) -> None:
        if conversation in self.refuse:
            self.refused += 1
            batch.receipt.refuse()
        elif conversation in self.stall:
            self.stalled.append((conversation, batch))
            waiting = sum(len(stalled.arrivals) for _, stalled in self.stalled)
            self.most_waiting = max(self.most_waiting, waiting)
        else:
            self._record(conversation, batch)

    def _note(self, message: Any) -> None:
        match message:
            case GroupSeen(creator, group_id, facts, receipt):
                conversation = group(creator, group_id)
                if conversation in self.refuse_members:
                    receipt.refuse()
                else:
                    self.members[conversation] = facts.members
                    receipt.confirm()
            case CursorReached(position, unavailable):
                self._commit(STREAM, [Draft(STREAM, WatermarkAdvanced(position, unavailable))])
            case Observed(drafts):
                self._commit(STREAM, list(drafts))

    def apply(self, policy: AccountPolicy) -> None:
        """Put `policy` on record, as an account does when it starts."""
        with self._changed:
            self._commit(STREAM, [Draft(STREAM, PolicyApplied(policy.digest(), policy, "mesh"))])

    def release(self, conversation: ConversationId) -> None:
        """Decide what was kept waiting."""
        with self._changed:
            self.stall.discard(conversation)
            for stalled in self.stalled:
                self._record(*stalled)
            self.stalled.clear()
            self._changed.notify_all()

    def _record(self, conversation: ConversationId, batch: IncomingBatch) -> None:
        stream = conversation_stream(conversation)
        ours = f"{self.log.log_id}-"
        fresh = {
            arrival.identity: arrival
            for arrival in batch.arrivals
            if self.log.seen(arrival.identity) is None and not arrival.wire_id.startswith(ours)
        }
        kept = self.marked if batch.baseline else self.news
        kept.extend((conversation, arrival) for arrival in fresh.values())
        drafts: list[Event] = [
            MessageIgnored(
                arrival.identity, arrival.sender, arrival.sent_ms, "self", arrival.source
            )
            for arrival in fresh.values()
        ]
        if batch.baseline:
            drafts = [BaselineTaken(tuple(fresh))]
        self._commit(stream, [Draft(stream, draft) for draft in drafts])
        batch.receipt.confirm()

    def _commit(self, stream: str, drafts: list[Draft]) -> None:
        if drafts:
            self.log.commit(drafts, expected={stream: self.log.version(stream)})

    # What came of it

    @property
    def state(self) -> AccountState:
        """What the account's stream folds to."""
        return fold(self.log.read_stream(STREAM))

    def recorded(self, kind: type[T]) -> list[T]:
        """The account's own events of one kind."""
        found = (record.event for record in self.log.read_stream(STREAM))
        return [event for event in found if isinstance(event, kind)]

    def texts(self, conversation: ConversationId | None = None) -> list[str]:
        """The texts of the news, in order."""
        return [arrival.text for where, arrival in self.news if conversation in (None, where)]

    def wait_for(self, condition: Callable[[], Any], *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until something holds, looking whenever an edge says something, and now and then for
        what it does not say."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while not (held := condition()) and time.monotonic() < until_s:
                self._changed.wait(0.02)
        assert held, f"not within {timeout_s} s; there is {self.texts()!r}, {self.told[-5:]!r}"

    def wait_for_texts(self, *texts: str, conversation: ConversationId | None = None) -> None:
        """Wait until all of these, and nothing else, have been delivered as news, in any order."""
        pending = Counter(texts)
        self.wait_for(lambda: Counter(self.texts(conversation)) >= pending)
        assert Counter(self.texts(conversation)) == pending

    def wait_until_settled(self) -> None:
        """Wait until the cursor has been put on record."""
        self.wait_for(lambda: self.state.cursor > 0)

    def queue(self, conversation: ConversationId, text: str, queued_ms: int) -> tuple[int, int]:
        """Put a message to be sent on record; its version and sequence."""
        stream = conversation_stream(conversation)
        body = Body("somebody", text, bytes(16))
        event = MessageQueued("notice", body.digest, len(text))
        draft = Draft(stream, event, bodies=(body,))
        (recorded,) = self.log.commit([draft], expected={stream: self.log.version(stream)})
        return recorded.version, recorded.seq


class Watching:
    """One process's edge of an account, until it stops or dies."""

    def __init__(self, config: AccountConfig, recorder: Recorder, timing: Timing) -> None:
        self.recorder = recorder
        self._config = config
        self._timing = timing
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.edge: AccountEdge

    def start(self, *, watch: bool = True) -> None:
        """Open the edge, and watch unless told otherwise."""
        self._thread.start()
        self.edge = self.run(self._open())
        self._watch: Any = None
        if watch:
            work = self.edge.watch(self.recorder.state)
            self._watch = asyncio.run_coroutine_threadsafe(work, self._loop)

    def watch_again(self) -> Callable[[], object]:
        """Begin to watch anew from the record; what ends the watch before is returned."""
        before, work = self._watch, self.edge.watch(self.recorder.state)
        self._watch = asyncio.run_coroutine_threadsafe(work, self._loop)
        cancel: Callable[[], object] = before.cancel
        return cancel

    async def _open(self) -> AccountEdge:
        return AccountEdge(
            self._config,
            self.recorder.log,
            self.recorder.tell,
            now_ms=clock_ms,
            ahead_ms=lambda: 0,
            salt=bytes,
            timing=self._timing,
            large_files=asyncio.Semaphore(LARGE_FILES),
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the edge's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def send(self, conversation: ConversationId, text: str, *, doubtful: bool = False) -> Any:
        """Send a message as an actor would have it sent; what became of it."""
        return self.post(conversation, text, doubtful=doubtful).result(30)

    def post(self, conversation: ConversationId, text: str, *, doubtful: bool = False) -> Any:
        """As `send`, without waiting: a future."""
        queued = self.recorder.queue(conversation, text, clock_ms())
        return self.resume(conversation, *queued, doubtful=doubtful)

    def resume(
        self, conversation: ConversationId, version: int, seq: int, *, doubtful: bool
    ) -> Any:
        """Send what is on record already."""
        stream = conversation_stream(conversation)
        task = SendTask(ACCOUNT, stream, version, seq, clock_ms(), doubtful)
        return asyncio.run_coroutine_threadsafe(self.edge.send(task), self._loop)

    def stop(self) -> None:
        """End everything under way."""
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.edge.aclose()


def clock_ms() -> int:
    """ms since 1970, by the one clock of these tests that is real."""
    return time.time_ns() // 1_000_000


def config_of(agent: MeshAgent, **changes: Any) -> AccountConfig:
    """An account of this agent's user."""
    policy = AccountPolicy(username=agent.username, dm_policy="allow", enable_groups=True)
    config = AccountConfig(
        id=ACCOUNT,
        enabled=True,
        agent_url=agent.url,
        mesh=agent.mesh.name,
        username=agent.username,
        permit=PermitFile(path=NO_PERMIT),
        api_timeout_ms=5_000,
        tls=None,
        heal=True,
        agent=EchoSettings(),
        policy=policy,
    )
    return msgspec.structs.replace(config, **changes)


@contextmanager
def requests_of(agent: MeshAgent) -> Iterator[list[tuple[str, int]]]:
    """What is asked of an agent meanwhile: path without query, and the size of the answer."""
    asked: list[tuple[str, int]] = []
    faults = agent._server.faults
    take = faults.take

    def noting(path: str) -> Any:
        instead, change = take(path)

        def noted(answer: Any) -> Any:
            changed = change(answer)
            asked.append((path, len(changed.body)))
            return changed

        return instead, noted

    faults.take = noting  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        faults.take = take  # type: ignore[method-assign]
