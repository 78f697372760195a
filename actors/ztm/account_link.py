"""What everything that serves one account shares: who we are, its ZTM Agent, and its actors."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actors.messages import Observed
from actors.ztm.client.ztm_client import ZtmClient
from actors.ztm.health import Health
from actors.ztm.mesh_clock import MeshClock
from actors.ztm.timing import Timing
from events.event import Draft, Event
from events.streams import account_stream


@dataclass(frozen=True)
class AccountLink:
    """One account's link between its ZTM Agent and the actors.

    `id` is the account's; `username` is our own user in the mesh; `groups`: whether groups count.
    `tell(stream, message)` reaches the actor of a stream. `now_ms`: the record's time, ms since
    1970, which is `ahead_ms()` ahead of this machine's clock when that was set back.
    """

    id: str
    username: str
    groups: bool
    client: ZtmClient
    tell: Callable[[str, Any], None]
    now_ms: Callable[[], int]
    timing: Timing
    health: Health
    ahead_ms: Callable[[], int] = lambda: 0
    mesh_clock: MeshClock = field(default_factory=MeshClock)

    def wall_ms(self) -> int:
        """This machine's clock, as it is set: to be compared with clocks of others."""
        return self.now_ms() - self.ahead_ms()

    @property
    def stream(self) -> str:
        """The stream of the account."""
        return account_stream(self.id)

    def tell_account(self, message: Any) -> None:
        """Tell the account's actor."""
        self.tell(self.stream, message)

    def observe(self, event: Event) -> None:
        """Have the account put on record what was seen of the agent."""
        self.tell_account(Observed((Draft(self.stream, event),)))
