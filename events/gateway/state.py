"""The daemon's own life: the state that the stream `gateway` folds to."""

from collections.abc import Iterable
from functools import reduce

import msgspec
from msgspec.structs import replace

from events.event import Recorded
from events.gateway.events import BodiesExpired, ClockJumped


class GatewayState(msgspec.Struct, frozen=True):
    """How many events the stream has, before which week all bodies are erased, and to when (ms
    since 1970) this machine's clock last jumped ahead."""

    version: int = 0
    expired: int = 0
    jumped_ms: int = 0


def evolve(state: GatewayState, recorded: Recorded) -> GatewayState:
    """The state after one more event of the gateway's stream."""
    state = replace(state, version=recorded.version)
    match recorded.event:
        case BodiesExpired(before):
            return replace(state, expired=before)
        case ClockJumped(_, found_ms):
            return replace(state, jumped_ms=found_ms)
    return state


def fold(recorded: Iterable[Recorded], state: GatewayState | None = None) -> GatewayState:
    """The state after all of `recorded`, from `state` or from nothing."""
    return reduce(evolve, recorded, state or GatewayState())
