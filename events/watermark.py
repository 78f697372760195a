"""How far the mesh was read: the one event that accounts and conversations share."""

import msgspec

from events.event import Event


class UnavailableFile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file of the mesh that nobody who has it could give us yet. `baseline`: it was there before
    we came, so what it holds is not to be answered."""

    path: str
    baseline: bool = False


class WatermarkAdvanced(Event, frozen=True):
    """Everything up to `position` is done.

    In a conversation: ms, the newest message's time. In an account: ms of the hub's clock up to
    which the feed has been read; `unavailable` are files changed before it that are still to come.
    """

    position: int
    unavailable: tuple[UnavailableFile, ...] = ()
