"""How long to wait after failures in a row: one table for every retry there is."""

PAUSES_S = (1, 1, 2, 3, 5, 8, 13, 21, 30)
"""The user's document: 1, 1, 2, 3, 5, 8 … 30 s."""


def pause_s(failures: int) -> int:
    """Seconds to wait after this many failures in a row (from 1); the longest pause stays."""
    return PAUSES_S[min(failures, len(PAUSES_S)) - 1]
