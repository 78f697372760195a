"""What follows from a turn: the agent's answer, its failure, or the turn's end by other means."""

from collections.abc import Mapping

import msgspec

from events.back_off import pause_s
from events.conversation import notices
from events.conversation.decision_builder import DecisionBuilder, DecisionContext
from events.conversation.events import (
    AgentFailed,
    AgentReplied,
    MessageDropped,
    MessageRetried,
    MessageSeen,
)
from events.conversation.state import Turn
from events.conversation.wire_text import leaves_text
from events.event import Draft, Recorded
from events.policy.account_policy import ToolGrant
from events.streams import PeerId

MAX_RETRY_AFTER_MS = 300_000
"""An agent that asks to be left alone for longer is not waited for: 5 minutes, in ms. The person is
told, and the conversation goes on."""


class Reply(msgspec.Struct, frozen=True):
    """An agent's answer to a turn. `silent`: it chose to say nothing; `cut_short`: it had more to
    say, but reached a limit of its length."""

    text: str
    silent: bool = False
    elapsed_ms: int = 0
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cut_short: bool = False


class Failure(msgspec.Struct, frozen=True):
    """How an agent failed: a kind (nobody's words), whether trying again can help, and when at the
    earliest (ms from now). `jitter` (0 to 1, random) spreads attempts that failed together."""

    error: str
    transient: bool
    retry_after_ms: int = 0
    jitter: float = 0.0


def decide_reply(context: DecisionContext, turn: int, attempt: int, reply: Reply) -> list[Draft]:
    """Record the answer to `turn` and queue it for the wire; nothing when it isn't awaited.

    An answer of which nothing can be sent is a failed attempt, unless the agent chose silence.
    """
    current = _awaited(context, turn, attempt)
    if current is None:
        return []
    if not reply.silent and not leaves_text(reply.text):
        return decide_failure(context, turn, attempt, Failure("EmptyReply", transient=True))
    builder = DecisionBuilder(context)
    body = builder.body(current.sender, reply.text)
    replied = AgentReplied(
        turn=turn,
        attempt=attempt,
        body=body.digest,
        length=len(reply.text),
        silent=reply.silent,
        elapsed_ms=reply.elapsed_ms,
        model=reply.model,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        cut_short=reply.cut_short,
    )
    builder.add(replied, body, by=current)
    if not reply.silent:
        text = reply.text + notices.CUT_SHORT if reply.cut_short else reply.text
        builder.queue("reply", current.sender, text, answers=turn, by=current)
    return builder.done()


def decide_failure(
    context: DecisionContext, turn: int, attempt: int, failure: Failure
) -> list[Draft]:
    """Record a failed attempt: another one later, or the messages set aside with an apology."""
    current = _awaited(context, turn, attempt)
    if current is None:
        return []
    policy = context.policy_context.policy
    tries_again = (
        failure.transient
        and attempt < policy.attempts
        and current.began_ms > context.horizon_ms
        and failure.retry_after_ms <= MAX_RETRY_AFTER_MS
    )
    builder = DecisionBuilder(context)
    retry_ms = context.now_ms + _delay_ms(attempt, failure) if tries_again else 0
    failed = AgentFailed(turn, attempt, failure.error, failure.transient, retry_ms)
    builder.add(failed, by=current)
    if not tries_again:
        builder.dead_letter(current, "agent")
        apology = policy.apology if isinstance(context.address, PeerId) else policy.group_apology
        if apology:
            builder.queue("notice", current.sender, apology, answers=turn, by=current)
    return builder.done()


def decide_policy_context(
    context: DecisionContext, texts: Mapping[int, str] | None = None
) -> list[Draft]:
    """What follows from the standing alone: what waited for a group's members is judged (`texts` by
    version of the MessageSeen), a turn that may not go on ends, a next one begins."""
    builder = DecisionBuilder(context)
    for message in context.state.waiting:
        builder.settle(message, (texts or {}).get(message.version, ""))
    return builder.done()


def decide_retry(
    context: DecisionContext, aside: int, seen: Recorded, tools: ToolGrant
) -> list[Draft]:
    """Queue a dead letter for the agent again (`aside`: the version of its MessageDeadLettered;
    `seen`: its MessageSeen), if its sender is still accepted."""
    message = seen.event
    builder = DecisionBuilder(context)
    if isinstance(message, MessageSeen) and builder.may_let_in(message.sender):
        builder.add(MessageRetried(aside, message.sender, message.sent_ms, tools), by=seen.seq)
    return builder.done()


def decide_drop(context: DecisionContext, message: int) -> list[Draft]:
    """Discard a dead letter: its message is not asked about again."""
    builder = DecisionBuilder(context)
    builder.add(MessageDropped(message))
    return builder.done()


def _awaited(context: DecisionContext, turn: int, attempt: int) -> Turn | None:
    current = context.state.turn
    awaited = current is not None and (current.version, current.attempt) == (turn, attempt)
    return current if awaited else None


def _delay_ms(attempt: int, failure: Failure) -> int:
    return max(round(pause_s(attempt) * 1_000 * (1 + failure.jitter / 4)), failure.retry_after_ms)
