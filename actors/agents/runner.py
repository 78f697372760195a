"""Asking an agent about a turn: the question is made from the log, the answer becomes a message."""

import logging
import random
import time
from collections.abc import Iterable

from actors.agents.fair_semaphore import FairSemaphore
from actors.agents.protocol import Agent, AgentError, Answer, Line, Question
from actors.agents.settings import MAX_HISTORY_LINES
from actors.messages import AgentAnswered, AgentErred
from actors.runtime.system import AskTask
from events.conversation.events import AgentReplied, Dispatched, MessageSeen, PolicyDecided
from events.conversation.turns import Failure, Reply
from events.event import Recorded
from events.streams import GroupId, PeerId, parse_stream
from store.log.event_log import EventLog
from store.read_models.dead_letters import message_behind

log = logging.getLogger(__name__)


class TurnGone(RuntimeError):
    """The log has no such turn: the task belongs to another log."""


class AgentRunner:
    """Asks the agents of all accounts, `turns` questions at a time, fairly shared between accounts.

    `usernames` gives each account's user name.
    """

    def __init__(
        self, log: EventLog, agents: dict[str, Agent], usernames: dict[str, str], turns: int
    ) -> None:
        self._log = log
        self._agents = agents
        self._usernames = usernames
        self._semaphore = FairSemaphore(turns)

    async def ask(self, task: AskTask) -> AgentAnswered | AgentErred:
        """Ask once; what became of it, as a message for the conversation."""
        async with self._semaphore.taken_by(task.account):
            began = time.monotonic()
            try:
                question = question_of(self._log, task, self._usernames[task.account])
                answer = await self._agents[task.account].ask(question)
            except AgentError as error:
                log.warning("%s, turn %d: %s", task.stream, task.turn, error)
                return AgentErred(task.turn, task.attempt, _failure(error))
            except Exception as error:
                # A few retries as after any other failure, then the dead letters.
                log.exception("%s, turn %d: could not ask the agent", task.stream, task.turn)
                failure = Failure(type(error).__name__, transient=True)
                return AgentErred(task.turn, task.attempt, failure)
            elapsed_ms = round((time.monotonic() - began) * 1_000)
            return AgentAnswered(task.turn, task.attempt, _reply(answer, elapsed_ms))


def _failure(error: AgentError) -> Failure:
    return Failure(
        error=type(error).__name__,
        transient=error.transient,
        retry_after_ms=round((error.retry_after_s or 0) * 1_000),
        jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
    )


def _reply(answer: Answer, elapsed_ms: int) -> Reply:
    return Reply(
        text=answer.text,
        silent=answer.silent,
        cut_short=answer.cut_short,
        elapsed_ms=elapsed_ms,
        model=answer.model or "",
        tokens_in=answer.tokens_in or 0,
        tokens_out=answer.tokens_out or 0,
    )


def question_of(log: EventLog, task: AskTask, own: str) -> Question:
    """All that the log holds of the turn, and of what was said before it. Raises `TurnGone`.

    Said is what was let in before the turn began and what we answered; nothing else is passed on.
    """
    turn = next(iter(log.read_stream(task.stream, task.turn - 1)), None)
    if turn is None or not isinstance(turn.event, Dispatched):
        msg = f"version {task.turn} of {task.stream} is not a turn"
        raise TurnGone(msg)
    asked = [_message(log, task.stream, version) for version in turn.event.messages]
    asked_seqs = {message.seq for message in asked}  # a retried message was said before, too
    earlier = (log.event(seq) for seq in task.context if seq not in asked_seqs)
    said = [record for record in earlier if record is not None]
    address = parse_stream(task.stream)
    return Question(
        key=f"{log.log_id}/{task.stream}/{task.turn}/{task.attempt}",
        account=task.account,
        bot=own,
        kind="peer" if isinstance(address, PeerId) else "group",
        peer=turn.event.sender,
        messages=tuple(_lines(log, asked, own)),
        group=f"{address.creator}/{address.group}" if isinstance(address, GroupId) else None,
        group_name=_group_name(log, asked[0]),
        history=tuple(_lines(log, said, own))[-MAX_HISTORY_LINES:],
        tools=turn.event.tools.allow,
        denied=turn.event.tools.deny,
    )


def _message(log: EventLog, stream: str, version: int) -> Recorded:
    found = message_behind(log, stream, version)
    if found is None:
        msg = f"version {version} of {stream} is not a message"
        raise TurnGone(msg)
    return found


def _group_name(log: EventLog, message: Recorded) -> str | None:
    """The group's name when `message` was decided on, which mostly was at once."""
    for record in log.read_stream(message.stream, message.version):
        match record.event:
            case PolicyDecided(message=version, inputs=inputs) if version == message.version:
                return inputs.group_name or None
    return None


def _lines(log: EventLog, said: Iterable[Recorded], own: str) -> Iterable[Line]:
    """What was said, as far as it can still be read: erased messages leave no line."""
    for record in said:
        match record.event:
            case MessageSeen(sender=sender, sent_ms=sent_ms):
                text = log.body(record.seq)
                if text is not None:
                    yield Line("user", sender, text, sent_ms)
            case AgentReplied(silent=False):
                text = log.body(record.seq)
                if text is not None:
                    yield Line("assistant", own, text, record.time // 1_000_000)
