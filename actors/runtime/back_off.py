"""Counts failures in a row, and says how long to wait after each."""

from events.back_off import pause_s


class BackOff:
    """The pause after each failure in a row; a success begins the row anew. `scale` shortens
    tests.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self.errors = 0

    def failed(self) -> float:
        """One more failure: how many seconds to wait now."""
        self.errors += 1
        return pause_s(self.errors) * self._scale

    def succeeded(self) -> None:
        """No failure this time."""
        self.errors = 0
