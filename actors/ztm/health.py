"""What is seen working, and what is not: kept for `status`, never for decisions."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Health:
    """One account's view of its agent. Times in ms, 0: never. Written by the edge loop only.

    `source`: who shows us messages now: both (`feed`), or the Chat API alone (`chat`).
    """

    phase: Literal["starting", "online", "offline", "stopped"] = "starting"
    source: Literal["feed", "chat"] = "feed"
    deaf: bool = False
    error: str = ""
    feed_ms: int = 0
    chat_ms: int = 0
    inbound_ms: int = 0
    outbound_ms: int = 0
    pending: int = 0
    unavailable: int = 0
    healed_ms: int = 0
    unreadable: int = 0
    users: tuple[str, ...] = ()
    groups: dict[str, str] = field(default_factory=dict)

    def failed(self, error: Exception) -> None:
        """Note an error of the edge for the operator."""
        self.error = str(error)
