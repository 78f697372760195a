"""The daemon's own life: the state that the stream `gateway` folds to."""

from collections.abc import Iterable
from functools import reduce

import msgspec

from events.event import Recorded
from events.gateway.events import BodiesExpired


class GatewayState(msgspec.Struct, frozen=True):
    """How many events the stream has, and before which week all bodies are erased."""

    version: int = 0
    expired: int = 0


def evolve(state: GatewayState, recorded: Recorded) -> GatewayState:
    """The state after one more event of the gateway's stream."""
    event = recorded.event
    expired = event.before if isinstance(event, BodiesExpired) else state.expired
    return GatewayState(recorded.version, expired)


def fold(recorded: Iterable[Recorded], state: GatewayState | None = None) -> GatewayState:
    """The state after all of `recorded`, from `state` or from nothing."""
    return reduce(evolve, recorded, state or GatewayState())
