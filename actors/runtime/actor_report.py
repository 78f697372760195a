"""One line about a live actor, for an operator."""

import msgspec


class ActorReport(msgspec.Struct, frozen=True):
    """The actor of `stream`: how many messages are in its `inbox`, and what it waits for (nothing,
    when it is idle)."""

    stream: str
    inbox: int
    waits_for: str
