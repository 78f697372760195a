"""The clocks that actors go by, and what is left of a clock that others don't bear out.

Time is not to be trusted: this machine's clock may be set back, or far ahead. So three are kept
apart: the record's, which never goes back and never stands still (`store.log.log_clock`), this
machine's, as it is set, and the mesh's: the newest time that a hub gave.
"""

from collections.abc import Callable
from dataclasses import dataclass

HOUR_MS = 3_600_000
"""Clocks of this machine and of the mesh that differ by less than this agree."""

DAY_MS = 24 * HOUR_MS


def _never() -> int:
    return 0


@dataclass(frozen=True)
class Clocks:
    """All in ms. `record`: the time that goes on record, since 1970: what is decided by is this,
    and differences of it; `wall`: this machine's, to be compared with clocks of others; `mesh`: the
    newest time that a hub gave since the start, 0: none yet; `elapsed`: one that nobody sets.
    """

    record: Callable[[], int]
    elapsed: Callable[[], int]
    wall: Callable[[], int]
    mesh: Callable[[], int] = _never

    def unproved_ms(self) -> int:
        """How far this machine's clock is beyond what the mesh bears out: all of it, before the
        mesh was heard.

        Either the clock is wrong, or the mesh was quiet for so long: nobody can tell.
        """
        return max(0, self.wall() - self.mesh() - HOUR_MS)

    def proved_wall_ms(self) -> int:
        """This machine's clock, but no more than a day beyond what the mesh bears out."""
        mesh = self.mesh()
        return min(self.wall(), mesh + DAY_MS) if mesh else self.wall()
