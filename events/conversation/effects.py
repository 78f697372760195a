"""What a conversation's durable state calls for in the world.

The same answer after an ordinary commit and after a crash: whoever holds the state does what is due
and not yet under way. Hence nothing has to remember what it was about to do.
"""

from collections.abc import Iterator

import msgspec

from events.conversation.state import ConversationState


class Ask(msgspec.Struct, frozen=True):
    """Ask the agent: attempt `attempt` of `turn` (the version of its Dispatched)."""

    turn: int
    attempt: int


class Send(msgspec.Struct, frozen=True):
    """Bring the message `queued` (the version of its MessageQueued) into our files of the mesh."""

    queued: int


class RequestCode(msgspec.Struct, frozen=True):
    """Ask the account for a pairing code for a stranger's `message`."""

    message: int


class Wake(msgspec.Struct, frozen=True):
    """Look again at `at_ms`."""

    at_ms: int


Effect = Ask | Send | RequestCode | Wake


def due(state: ConversationState, now_ms: int, *, known: bool = True) -> Iterator[Effect]:
    """Everything that `state` calls for: one send at a time, the oldest first. While it isn't
    `known` who is let in (`PolicyContext.is_known`), nobody is served.
    """
    if state.turn and known:
        if state.turn.retry_ms <= now_ms:
            yield Ask(state.turn.version, state.turn.attempt)
        else:
            yield Wake(state.turn.retry_ms)
    if state.outbox:
        yield Send(state.outbox[0].version)
    if state.uncoded:
        yield RequestCode(state.uncoded[0].version)
