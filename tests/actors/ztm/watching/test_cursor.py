"""How often the cursor goes on record, and for what."""

import asyncio
from typing import Any

from actors.messages import CursorReached
from actors.ztm.client.answers import FileInfo
from actors.ztm.client.paths import PeerFile
from actors.ztm.reading.catalogue import Catalogue
from actors.ztm.watching.cursor import Cursor
from events.account.state import AccountState
from events.watermark import UnavailableFile
from tests.actors.ztm.virtual_time import run
from tests.actors.ztm.watched_mesh import ACCOUNT, STREAM, link_of

OURS = PeerFile("alice", "my-bot", 1).path


class Feed:
    """What the feed shows, and what the cursor has put on record of it: at what time, and where."""

    def __init__(self, *, cursor: int = 100, groups_turned_on: bool = False) -> None:
        state = AccountState(cursor=cursor, groups_turned_on=groups_turned_on)
        self.catalogue = Catalogue(ACCOUNT, "my-bot", groups=True)
        self.cursor = Cursor(link_of(self._tell), self.catalogue, state)
        self.records: list[tuple[float, int]] = []
        self.unavailable: list[tuple[UnavailableFile, ...]] = []
        self._began_s = asyncio.get_running_loop().time()

    def _tell(self, stream: str, message: Any) -> None:
        assert stream == STREAM
        assert isinstance(message, CursorReached)
        now_s = asyncio.get_running_loop().time()
        self.records.append((round(now_s - self._began_s, 3), message.position))
        self.unavailable.append(message.unavailable)

    def shows(self, path: str, since: int, *, baseline: bool = False) -> None:
        info = FileInfo(f"hash {since}", 10, since, since)
        self.catalogue.take({path: info}, after=-1, since_ms=0, now_ms=since, baseline=baseline)
        self.cursor.report()

    def decide(self, path: str) -> None:
        self.catalogue.decided(path, self.catalogue.pending[path])
        self.cursor.report()

    def positions(self) -> list[int]:
        return [position for _, position in self.records]


def test_files_of_strangers_alone_put_nothing_on_record() -> None:
    async def an_hour_of_78_files() -> Feed:
        feed = Feed()
        for half_second in range(2 * 3_600):
            path = PeerFile(f"person {half_second % 78}", "carol", 1).path
            feed.shows(path, 1_000 + half_second)
            await asyncio.sleep(0.5)
        return feed

    assert run(an_hour_of_78_files()).records == []


def test_a_busy_minute_puts_at_most_13_positions_on_record() -> None:
    async def busy_minute() -> Feed:
        feed = Feed()
        for tenth in range(600):
            feed.shows(OURS, 1_000 + tenth)
            feed.decide(OURS)
            await asyncio.sleep(0.1)
        await asyncio.sleep(10)
        return feed

    feed = run(busy_minute())
    assert len(feed.records) <= 13
    assert feed.positions()[-1] == 1_599, "the last one too, though nothing more came"


def test_what_is_decided_within_the_5_seconds_goes_on_record_when_they_are_over() -> None:
    async def scene() -> Feed:
        feed = Feed()
        for since in (200, 300):
            feed.shows(OURS, since)
            feed.decide(OURS)
            await asyncio.sleep(1)
        await asyncio.sleep(60)
        return feed

    assert run(scene()).records == [(0.0, 200), (5.0, 300)]


def test_a_file_that_becomes_unavailable_goes_on_record_once() -> None:
    async def scene() -> Feed:
        feed = Feed()
        feed.shows(OURS, 200)
        for _ in range(5):
            feed.catalogue.mark_unavailable(OURS, feed.catalogue.pending[OURS], 1)
            feed.cursor.report()
            await asyncio.sleep(10)
        return feed

    feed = run(scene())
    assert feed.records == [(0.0, 200)]
    assert feed.unavailable == [(UnavailableFile(OURS),)]


def test_the_first_baseline_goes_on_record_at_once_when_it_is_taken() -> None:
    async def scene() -> Feed:
        feed = Feed(cursor=0)
        feed.shows(OURS, 200, baseline=True)
        await asyncio.sleep(1)
        assert feed.records == []
        feed.decide(OURS)
        return feed

    assert run(scene()).records == [(1.0, 200)]


def test_groups_that_were_turned_on_go_on_record_at_once_though_nothing_was_decided() -> None:
    async def scene() -> Feed:
        feed = Feed(groups_turned_on=True)
        feed.cursor.report()
        feed.cursor.report()
        return feed

    assert run(scene()).records == [(0.0, 100)]


def test_nothing_goes_on_record_after_the_end() -> None:
    async def scene() -> Feed:
        feed = Feed()
        for since in (200, 300):
            feed.shows(OURS, since)
            feed.decide(OURS)
        feed.cursor.stop()
        await asyncio.sleep(60)
        return feed

    assert run(scene()).positions() == [200]
