"""What the runtime tells an actor about its own life, and what becomes of a message that no actor
will handle."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import msgspec

from store.log.event_log import Outcome


class Loaded(msgspec.Struct, frozen=True):
    """The state that the stream folds to."""

    state: Any


class LoadFailed(msgspec.Struct, frozen=True):
    """The state could not be loaded; why is in the daemon's log."""


class Appended(msgspec.Struct, frozen=True):
    """What became of the append in flight."""

    outcome: Outcome


class RequestPassivation(msgspec.Struct, frozen=True):
    """From the router: you have been idle; may you be stopped?"""


@runtime_checkable
class Answerable(Protocol):
    """A message whose sender waits for what comes of it."""

    def undelivered(self, reason: str) -> None:
        """No actor will handle it: tell the sender why. Any thread."""


def undelivered(messages: Iterable[Any], reason: str) -> None:
    """Tell whoever waits for one of `messages` that no actor will handle it."""
    for message in messages:
        if isinstance(message, list):
            undelivered(message, reason)
        elif isinstance(message, Answerable):
            message.undelivered(reason)
