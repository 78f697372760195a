"""Whether the two witnesses agree. Pure: told what each shows, it says what is wrong.

ZTM behaviour: the Chat app can stop seeing new messages for good, silently; and a healthy one may
hold a change back until the next change in the mesh. So it is deaf only when an entry of the files
is absent for long *and* a later one is absent too, and that twice in a row.
"""

from collections.abc import Mapping

import msgspec

from events.streams import Conversation

LATER_S = 0.5
"""A change that comes later than this after another one would make a healthy app show both."""


class Shown(msgspec.Struct, frozen=True):
    """The newest entry of a conversation that a witness showed: its time (ms), and since when
    (s).
    """

    time_ms: int
    since_s: float


class Sentinel:
    """Compares what the files and the Chat app show. Seconds are of any monotonic clock."""

    def __init__(self, deaf_after_s: float, scale: float = 1.0) -> None:
        self._deaf_after_s = deaf_after_s
        self._later_s = LATER_S * scale
        self._files: dict[Conversation, Shown] = {}
        self._suspected = False
        self.deaf = False

    def files_show(self, conversation: Conversation, time_ms: int, now_s: float) -> None:
        """The files hold an entry of this time (by its sender's clock)."""
        newest = self._files.get(conversation)
        if newest is None or time_ms > newest.time_ms:
            self._files[conversation] = Shown(time_ms, now_s)

    def chats_show(self, latest: Mapping[Conversation, int], now_s: float) -> int:
        """The Chat app lists these conversations with these times (ms) of their newest message.

        Returns how many entries are missing there; `deaf` says what follows from that.
        """
        absent = []
        for conversation, shown in tuple(self._files.items()):
            if latest.get(conversation, 0) < shown.time_ms:
                absent.append(shown.since_s)
            else:
                del self._files[conversation]
        absent.sort()
        overdue = [since for since in absent if now_s - since >= self._deaf_after_s]
        later = overdue and absent[-1] - overdue[0] > self._later_s
        suspected = bool(later) or (self.deaf and bool(overdue))
        self.deaf = suspected and (self._suspected or self.deaf)
        self._suspected = suspected
        return len(absent)
