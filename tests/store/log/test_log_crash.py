"""Killed in the middle of appends, over and over: what was acknowledged is there."""

import contextlib
import json
from pathlib import Path

from events.watermark import WatermarkAdvanced
from store.log.lmdb_log import LmdbLog
from store.maintenance.check import examine
from tests.store.builders import ALICE, BOB
from tests.store.processes import child, heard

KILLS = 10


def killed_after(folder: Path, acknowledged: int) -> tuple[int, int]:
    """Kill a writer after so many acknowledgements: where it began, and the last it told of."""
    with child("append_for_ever", folder) as writer:
        start = last = heard(writer)["head"]
        for _ in range(acknowledged):
            last = heard(writer)["durable"]
        writer.kill()
        assert writer.stdout is not None
        for line in writer.stdout.read().splitlines():
            with contextlib.suppress(ValueError):  # a line that was cut off by the kill
                last = max(last, json.loads(line)["durable"])
    return start, last


def test_what_was_acknowledged_survives_every_kill(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    head = 0
    for round_ in range(KILLS):
        start, acknowledged = killed_after(folder, 5 + 17 * round_)
        assert start == head
        assert acknowledged > start
        log = LmdbLog.open(folder)
        head = log.head().seq
        assert head >= acknowledged
        assert head % 2 == 0, "an append of two events was torn"
        assert log.version(ALICE) == log.version(BOB) == head // 2
        message, moved = log.read(head - 2)
        assert isinstance(moved.event, WatermarkAdvanced)
        assert log.body(message.seq) == f"words {moved.event.position}"
        log.close()
    assert examine(folder) == []
