"""What is seen working, and what is not: kept for `status`, never for decisions."""

from dataclasses import dataclass, field
from typing import Literal

from actors.ztm.errors import ZtmError


@dataclass
class Health:
    """One account's view of its agent. Times in ms, 0: never. Written by the edge loop only.

    `source`: what shows us messages now: files and the Chat API (`feed`), or the Chat API alone
    (`chat`). `pending` and `unavailable` count files, `unreadable` counts messages.
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

    def failed(self, error: BaseException) -> None:
        """Note an error for the operator. Only errors of the agent are known to quote nobody."""
        if isinstance(error, ZtmError):
            self.error = str(error)
        else:
            self.error = (
                f"internal error ({type(error).__name__}); the daemon's log has the details"
            )
