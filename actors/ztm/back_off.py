"""How long to wait after errors."""

PAUSES_S = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 30.0)
"""The user's document: 1, 1, 2, 3, 5, 8 … 30 s."""


class BackOff:
    """The pause after each error in a row; a success begins the row anew. `scale` shortens
    tests.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self.errors = 0

    def failed(self) -> float:
        """One more error: how many seconds to wait now."""
        pause = PAUSES_S[min(self.errors, len(PAUSES_S) - 1)]
        self.errors += 1
        return pause * self._scale

    def succeeded(self) -> None:
        """No error this time."""
        self.errors = 0
