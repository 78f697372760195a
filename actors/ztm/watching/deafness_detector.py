"""Whether the Chat app hears what the files say. Pure: told what each shows, it says what is wrong.

ZTM behaviour: the Chat app can stop seeing new messages for good, silently; and a healthy one may
hold a change back until the next change in the mesh. So it is deaf only when an entry of the files
is absent for long *and* a later one is absent too, and that twice in a row, while the app shows
nothing new at all. An app that shows something new hears; what it lacks even then it will never
show (files that its parser refuses).
"""

from collections.abc import Mapping

from events.streams import ConversationId

LATER_S = 0.5
"""A change that comes later than this after another one would make a healthy app show both."""

PASSED_OVER_S = 2.0
"""What an app that hears has not shown after this long, it will not show."""

ABSENT_LIMIT = 1_000
"""How many absent entries are remembered: enough to know that something is wrong."""


class DeafnessDetector:
    """Compares what the files and the Chat app show. Seconds are of any monotonic clock.

    `deaf`: as of the last comparison. `hears`: whether the app has shown something new since the
    one before. `scale` is that of the mesh's ticks.
    """

    def __init__(self, deaf_after_s: float, scale: float = 1.0) -> None:
        self._deaf_after_s = deaf_after_s
        self._later_s = LATER_S * scale
        self._passed_over_s = PASSED_OVER_S * scale
        self._absent: dict[tuple[ConversationId, int], float] = {}
        self._latest: dict[ConversationId, int] | None = None
        self._suspected = False
        self.deaf = False
        self.hears = False

    def files_show(self, conversation: ConversationId, time_ms: int, now_s: float) -> None:
        """The files hold an entry of this time (by its sender's clock)."""
        if len(self._absent) < ABSENT_LIMIT:
            self._absent.setdefault((conversation, time_ms), now_s)

    def app_lacks(self, conversation: ConversationId, now_s: float) -> None:
        """The Chat app knows nothing of this conversation, at the latest try: until it lists it,
        with a message of whatever time, each try is as good as an entry that is absent."""
        tries = sum(1 for absent, _ in self._absent if absent == conversation)
        self.files_show(conversation, 1 + tries, now_s)

    def chats_show(self, latest: Mapping[ConversationId, int], now_s: float) -> int:
        """The Chat app lists these conversations with these times (ms) of their newest message.

        Returns how many entries are missing there; `deaf` says what follows from that.
        """
        self.hears = self._latest is not None and dict(latest) != self._latest
        self._latest = dict(latest)
        passed_over = now_s - self._passed_over_s
        self._absent = {
            (conversation, time_ms): since
            for (conversation, time_ms), since in self._absent.items()
            if latest.get(conversation, 0) < time_ms and not (self.hears and since < passed_over)
        }
        suspected = not self.hears and (self.deaf or self._nothing_new(now_s))
        self.deaf = suspected and (self._suspected or self.deaf)
        self._suspected = suspected
        return len(self._absent)

    def _nothing_new(self, now_s: float) -> bool:
        """Whether something is long absent, and something later is too."""
        if not self._absent:
            return False
        first, last = min(self._absent.values()), max(self._absent.values())
        return now_s - first >= self._deaf_after_s and last - first > self._later_s
