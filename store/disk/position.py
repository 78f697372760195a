"""The end of the log: as the world sees it, and as it is kept."""

import msgspec


class Head(msgspec.Struct, frozen=True):
    """The end of the log: its last sequence, and the hash that covers everything up to it.

    Whoever keeps a head elsewhere can prove later that nothing before it was altered.
    """

    seq: int
    hash: bytes


class Position(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The log at its end: last sequence, last batch's hash and time (ns), number of streams."""

    seq: int
    hash: bytes
    time: int
    streams: int

    @property
    def head(self) -> Head:
        """The part of it that the world sees."""
        return Head(self.seq, self.hash)
