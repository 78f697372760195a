"""The mesh's time, as far as it was heard: a lower bound of what time it is."""


class MeshClock:
    """The newest time that others gave, ms since 1970; 0: none yet. Any thread may read it."""

    def __init__(self) -> None:
        self.newest_ms = 0

    def heard(self, time_ms: int) -> None:
        """Somebody else's clock was there already."""
        self.newest_ms = max(self.newest_ms, time_ms)
