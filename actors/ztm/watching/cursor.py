"""The feed's cursor: how far an account has read the mesh's files, as far as it is on record."""

import asyncio

from actors.messages import CursorReached
from actors.ztm.account_link import AccountLink
from actors.ztm.reading.catalogue import Catalogue
from events.account.state import AccountState
from events.watermark import UnavailableFile


class Cursor:
    """Puts the progress of the feed on record: at most every `Timing.cursor_every_s`, and only when
    a file of ours was decided or became unavailable.

    `position`: ms of the hub's clock, 0 until the first baseline is taken. What is not on record
    when the process ends is only read again.
    """

    def __init__(self, link: AccountLink, catalogue: Catalogue, state: AccountState) -> None:
        self._link = link
        self._catalogue = catalogue
        self.position = state.cursor
        self.groups_turned_on = state.groups_turned_on
        self._unavailable = state.unavailable
        self._next_s = 0.0
        self._later: asyncio.TimerHandle | None = None

    def report(self) -> None:
        """Put progress on record, if there is any: now, or as soon as it is time again.

        The first baseline and that of groups turned on don't wait: with them on record, what comes
        later counts as news.
        """
        if self.position == 0 or self.groups_turned_on:
            self.report_at_once()
        elif self._catalogue.progress and self._later is None:
            loop = asyncio.get_running_loop()
            pause_s = self._next_s - loop.time()
            if pause_s <= 0:
                self.report_at_once()
            else:
                self._later = loop.call_later(pause_s, self.report_at_once)

    def report_at_once(self) -> None:
        """Put on record how far the cursor may go, unless that is there already."""
        self.stop()
        if self.position == 0 and self._catalogue.baselining:
            # A cursor on record says that the baseline is taken: what comes after it is answered.
            return
        position, unavailable = self._catalogue.position(self.position)
        on_record = (position, unavailable) == (self.position, self._unavailable)
        if not on_record or self.groups_turned_on:
            self._record(position, unavailable)
        self._catalogue.progress = False

    def begin_without_files(self) -> None:
        """The baseline was taken from the Chat API: what comes from now on is news."""
        self._record(1, self._unavailable)

    def reset(self) -> None:
        """It is another hub's: its clock says nothing of how far we have read."""
        self.position = min(self.position, 1)

    def stop(self) -> None:
        """Leave what is not on record yet to the next process."""
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _record(self, position: int, unavailable: tuple[UnavailableFile, ...]) -> None:
        self._link.tell_account(CursorReached(position, unavailable))
        self.position, self._unavailable = position, unavailable
        self.groups_turned_on = False
        self._next_s = asyncio.get_running_loop().time() + self._link.timing.cursor_every_s
