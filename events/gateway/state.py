"""The daemon's own life: the state that the stream `gateway` folds to."""

from collections.abc import Iterable
from functools import reduce

import msgspec

from events.event import Recorded
from events.gateway.events import WordsExpired


class Life(msgspec.Struct, frozen=True):
    """How many events the stream has, and before which week all words are given up."""

    version: int = 0
    expired: int = 0


def evolve(state: Life, recorded: Recorded) -> Life:
    """The state after one more event of the gateway's stream."""
    event = recorded.event
    expired = event.before if isinstance(event, WordsExpired) else state.expired
    return Life(recorded.version, expired)


def fold(recorded: Iterable[Recorded], state: Life | None = None) -> Life:
    """The state after all of `recorded`, from `state` or from nothing."""
    return reduce(evolve, recorded, state or Life())
