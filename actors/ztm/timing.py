"""The times by which the edge to the ZTM Agent works, in seconds unless named otherwise."""

import msgspec


class Timing(msgspec.Struct, frozen=True):
    """Each is measured on a real mesh, whose agents publish once a second.

    `feed_cycle_s`: the least time from one idle look at the feed to the next. `chat_poll_s`: the
    user's document's polling interval. `overlap_ms`: how far back the feed is asked.
    `whole_list_s`: how often the whole list is read. `cursor_every_s`: the least time between two
    records of the cursor. `fresh_ms`: what is younger than this is no baseline.
    `unavailable_retry_s`: when a file that could not be had is first asked for again, and
    `unavailable_retry_max_s`: the longest pause that this grows to. `deaf_after_s`: how long the
    Chat app may lag behind the files. `chat_grace_s`: how long the feed may lag behind the Chat
    app. `heal_every_s`: at most one restart of the Chat app in this time. `settle_s`: by when a
    message posted must have been published. `second_look_s`: when another client of the same user
    could have overwritten it. `no_group_s`: for how long the Chat app must not know a group before
    it is taken for one that is not ours: a deaf app knows no new group until it is restarted.
    `clock_slack_s`: how far the agent's clock may be behind ours before only the newest of our own
    files are read back. `back_off_scale` shortens the pauses after errors.
    """

    feed_cycle_s: float = 0.51
    chat_poll_s: float = 1.0
    overlap_ms: int = 10_000
    whole_list_s: float = 600.0
    cursor_every_s: float = 5.0
    fresh_ms: int = 300_000
    unavailable_retry_s: float = 2.0
    unavailable_retry_max_s: float = 30.0
    deaf_after_s: float = 10.0
    chat_grace_s: float = 5.0
    heal_every_s: float = 300.0
    settle_s: float = 3.0
    second_look_s: float = 1.5
    no_group_s: float = 900.0
    clock_slack_s: float = 600.0
    back_off_scale: float = 1.0

    def retry_pause_s(self, failures: int) -> float:
        """How long to wait before what failed so often is read again."""
        return min(
            self.unavailable_retry_s * 2.0 ** min(failures, 16), self.unavailable_retry_max_s
        )

    def scaled(self, factor: float) -> "Timing":
        """The same for a mesh whose agents tick `factor` times as slowly (below 1: faster). What is
        kept in ms compares clocks, not ticks, and stays."""
        seconds = {
            name: value * factor
            for name, value in msgspec.structs.asdict(self).items()
            if name.endswith(("_s", "_scale"))
        }
        return msgspec.structs.replace(self, **seconds)
