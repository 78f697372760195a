"""Snapshots save time and change nothing else."""

from pathlib import Path

import msgspec
import pytest

from events.conversation.events import MessageIgnored
from events.conversation.state import ConversationState, fold
from events.event import Draft, Recorded
from store.log.memory_log import MemoryLog
from store.log.snapshots import FOLDER, Snapshots, fingerprint_of

STREAM = "account/a/peer/x"
CODE = b"f" * 16


@pytest.fixture
def log() -> MemoryLog:
    return with_events(20)


def with_events(count: int, first: int = 0) -> MemoryLog:
    log = MemoryLog(entropy=lambda n: b"l" * n)
    for number in range(first, first + count):
        ignored = MessageIgnored(b"%016d" % number, "x", number, "blank", "feed")
        log.commit([Draft(STREAM, ignored)], expected={STREAM: log.version(STREAM)})
    return log


def state_after(log: MemoryLog, version: int) -> tuple[Recorded, bytes]:
    events = list(log.read_stream(STREAM))[:version]
    return events[-1], msgspec.msgpack.encode(fold(events))


def resumed(snapshots: Snapshots) -> tuple[int, ConversationState]:
    """From which version it resumes, and the state that comes of it."""
    state, version, tail = snapshots.resume(STREAM)
    before = msgspec.msgpack.decode(state, type=ConversationState) if state else None
    return version, fold(tail, before)


def everything(log: MemoryLog) -> ConversationState:
    return fold(log.read_stream(STREAM))


@pytest.fixture
def snapshots(tmp_path: Path, log: MemoryLog) -> Snapshots:
    snapshots = Snapshots(tmp_path, log, CODE)
    snapshots.take(*state_after(log, 12))
    return snapshots


def the_file(folder: Path) -> Path:
    (file,) = (folder / FOLDER).iterdir()
    return file


def test_a_state_resumes_from_its_snapshot(snapshots: Snapshots, log: MemoryLog) -> None:
    assert resumed(snapshots) == (12, everything(log))


def test_without_a_snapshot_everything_is_folded(tmp_path: Path, log: MemoryLog) -> None:
    assert resumed(Snapshots(tmp_path, log, CODE)) == (0, everything(log))


def test_a_snapshot_at_the_very_end_leaves_nothing_to_fold(
    snapshots: Snapshots, log: MemoryLog
) -> None:
    snapshots.take(*state_after(log, 20))
    assert resumed(snapshots) == (20, everything(log))


def test_a_snapshot_of_other_code_is_ignored(
    tmp_path: Path, snapshots: Snapshots, log: MemoryLog
) -> None:
    del snapshots
    assert resumed(Snapshots(tmp_path, log, b"g" * 16)) == (0, everything(log))


def test_a_snapshot_of_another_history_is_ignored(tmp_path: Path, snapshots: Snapshots) -> None:
    """A log restored from an older backup has gone another way since."""
    del snapshots
    other = with_events(20, first=100)
    assert resumed(Snapshots(tmp_path, other, CODE)) == (0, everything(other))


def test_a_snapshot_ahead_of_the_log_is_ignored(tmp_path: Path, snapshots: Snapshots) -> None:
    del snapshots
    shorter = with_events(5)
    assert resumed(Snapshots(tmp_path, shorter, CODE)) == (0, everything(shorter))


@pytest.mark.parametrize("place", [0, 31, 32, 40, -1])
def test_one_damaged_byte_makes_it_ignored(
    tmp_path: Path, snapshots: Snapshots, log: MemoryLog, place: int
) -> None:
    data = bytearray(the_file(tmp_path).read_bytes())
    data[place] ^= 1
    the_file(tmp_path).write_bytes(data)
    assert resumed(snapshots) == (0, everything(log))


def test_a_torn_snapshot_is_ignored_at_any_length(
    tmp_path: Path, snapshots: Snapshots, log: MemoryLog
) -> None:
    data = the_file(tmp_path).read_bytes()
    for length in range(len(data)):
        the_file(tmp_path).write_bytes(data[:length])
        assert resumed(snapshots)[0] == 0
    the_file(tmp_path).write_bytes(data)
    assert resumed(snapshots) == (12, everything(log))


def test_snapshots_are_private(tmp_path: Path, snapshots: Snapshots) -> None:
    del snapshots
    assert the_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700


def test_a_folder_that_takes_none_is_said_and_harms_nothing(
    tmp_path: Path, log: MemoryLog, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    snapshots = Snapshots(tmp_path, log, CODE)
    snapshots.take(*state_after(log, 12))
    assert "no snapshot could be kept" in caplog.text
    assert resumed(snapshots) == (0, everything(log))


def test_any_change_of_the_code_changes_its_fingerprint(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("ab")
    two.write_text("c")
    before = fingerprint_of(one, two)
    one.write_text("a")
    two.write_text("bc")
    assert fingerprint_of(one, two) != before
