"""Waiting until live conversations decide by a policy context that is new enough.

A context that was pushed is in a conversation's inbox, behind what it was told before. Some things
must not be called done until it has arrived: a revocation, an erasure.
"""

from collections.abc import Callable, Iterable

import msgspec


class _Waiting(msgspec.Struct):
    version: int
    unaware: set[str]
    then: Callable[[], None]
    otherwise: Callable[[], None]


class Acknowledgements:
    """What waits for conversations of one account, by their streams."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def when_known(
        self,
        version: int,
        conversations: Iterable[str],
        then: Callable[[], None],
        otherwise: Callable[[], None] = lambda: None,
    ) -> None:
        """Call `then` when each of these live conversations decides by a policy context of at least
        this version of the account; `otherwise` if the account fails before that. They must have
        been told the context, or be told it next."""
        self._waiting.append(_Waiting(version, set(conversations), then, otherwise))
        self._go_on()

    def acknowledged(self, conversation: str, version: int) -> None:
        """The conversation decides by a policy context of this version from now on."""
        for waiting in self._waiting:
            if version >= waiting.version:
                waiting.unaware.discard(conversation)
        self._go_on()

    def lost(self, conversation: str) -> None:
        """The conversation's actor failed: the next one begins with the newest policy context."""
        for waiting in self._waiting:
            waiting.unaware.discard(conversation)
        self._go_on()

    def abandon(self) -> None:
        """The account fails: nobody waits any more."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.otherwise()

    def _go_on(self) -> None:
        known = [waiting for waiting in self._waiting if not waiting.unaware]
        self._waiting = [waiting for waiting in self._waiting if waiting.unaware]
        for waiting in known:
            waiting.then()
