"""What all agents of one mesh share."""

from collections.abc import Callable
from dataclasses import dataclass

from ztm_chat.mesh.model.hub import Hub
from ztm_chat.mesh.model.journal import Journal
from ztm_chat.mesh.model.permits import Authority
from ztm_chat.mesh.model.timing import Timing

HUB_ADDRESS = "127.0.0.1:8888"
"""The hub's address in permits and errors; nothing listens there."""


@dataclass(frozen=True, slots=True)
class World:
    """Shared state and settings. `changed` is called when anything has become visible."""

    hub: Hub
    authority: Authority
    timing: Timing
    journal: Journal
    clock_ms: Callable[[], int]
    changed: Callable[[], None]
