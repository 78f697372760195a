"""The index of decisions makes finding them quicker, and changes nothing else."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.conversation.events import PolicyDecided
from events.event import Recorded
from store.audit import decisions as room
from store.audit import places
from store.audit.decisions import Decision, Decisions
from store.audit.index import FOLDER, search
from store.audit.places import keys_of
from store.audit.selection import Found, Selection
from store.disk.data_file import structure
from store.disk.layout import DATA_FILE
from store.log.event_log import EventLog
from store.log.lmdb_log import LmdbLog
from store.log.lmdb_reader import LmdbReader
from store.maintenance.backup import back_up
from store.maintenance.check import check
from store.maintenance.salvage import salvage
from tests.daemon_config import write_config
from tests.store.audit.trail_queries import RARE, RecordingIndex, ignored, rows, scanned, with_log
from tests.store.builders import add, seen

pytestmark = pytest.mark.usefixtures("asked_at_once")

ROOT = Path(__file__).parents[3]

# The same as a scan


@pytest.fixture(scope="module")
def indexed(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LmdbReader]:
    folder = tmp_path_factory.mktemp("indexed") / "log"
    shutil.copytree(written, folder)
    log = LmdbLog.open_reader(folder)
    yield log
    log.close()


@given(
    wanted=st.builds(
        Selection,
        account=st.sampled_from(["", "", "main", "other"]),
        sender=st.sampled_from(["", "user0", "user2", "user20", "nobody", "x" * 600]),
        actions=st.frozensets(st.sampled_from(["process", "ignore", "pairing"]), max_size=2),
        reasons=st.frozensets(
            st.sampled_from(["denied", "pending", "oversize", "blank"]), max_size=2
        ),
        text=st.sampled_from(["", "", "", "TRAIN"]),
    ),
    portion=st.sampled_from([1_000, 40]),
    cost=st.sampled_from([0, 0, 20]),
    data=st.data(),
)
@settings(max_examples=25)
def test_what_the_index_finds_is_what_a_scan_finds(
    indexed: LmdbReader, wanted: Selection, portion: int, cost: int, data: st.DataObject
) -> None:
    times = [0, *sorted({decision.time_ms for decision in Decisions(indexed).all()})]
    wanted = msgspec.structs.replace(
        wanted,
        since_ms=data.draw(st.sampled_from(times)),
        until_ms=data.draw(st.sampled_from(times)),
    )
    index = RecordingIndex(indexed._database.folder)
    expected = list(Decisions(indexed, wanted).all())
    before = data.draw(st.integers(0, indexed.head().seq))
    count = data.draw(st.integers(1, 100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "PLACES", portion)
        patch.setattr(room, "PLACE_COST", cost)
        newest = Decisions(indexed, wanted, index).newest(count, before)
        everything = list(Decisions(indexed, wanted, index).all())
    assert everything == expected
    assert (
        newest
        == [decision for decision in expected if not before or decision.seq < before][-count:]
    )


def test_pages_going_back_hold_everything_once(folder: Path, index: RecordingIndex) -> None:
    wanted = Selection(sender="user1", actions=frozenset({"process"}))
    found: list[Decision] = []
    before = 0
    log = LmdbLog.open_reader(folder)
    while page := Decisions(log, wanted, index).newest(7, before):
        found = [*page, *found]
        before = page[0].seq
    assert found == list(Decisions(log, wanted).all())
    assert len(found) > 20
    assert index.answers
    log.close()


def test_a_selection_that_says_nothing_of_what_is_indexed_makes_no_index(folder: Path) -> None:
    index = RecordingIndex(folder)
    assert rows(folder, index, Selection(text="train")) == scanned(folder, Selection(text="train"))
    assert rows(folder, index, Selection(peer="user0", sender="user0"))
    assert not (folder / FOLDER).exists()
    assert not index.said


def test_what_the_last_events_hold_needs_no_index(folder: Path) -> None:
    index = RecordingIndex(folder)
    assert len(with_log(folder, lambda log: Decisions(log, Selection(), index).newest(3))) == 3
    wanted = Selection(account="main")
    assert len(with_log(folder, lambda log: Decisions(log, wanted, index).newest(3))) == 3
    assert not (folder / FOLDER).exists()


def test_what_is_everywhere_is_scanned(folder: Path, index: RecordingIndex) -> None:
    wanted = Selection(account="main")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "PLACE_COST", 200)
        found = with_log(folder, lambda log: list(Decisions(log, wanted, index).all()))
    assert found == scanned(folder, wanted)
    assert index.answers == 1  # how many there are at most


def test_the_last_rows_of_a_long_conversation_are_read_from_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LmdbLog.open_reader(folder)
    stream = "account/main/peer/user0"
    wanted = Selection(peer="user0")
    expected = list(Decisions(log, wanted).all())
    assert log.version(stream) > 200
    starts: list[int] = []
    read = log.read_stream

    def read_stream(name: str, after: int = 0) -> Iterator[Recorded]:
        starts.append(after)
        return read(name, after)

    monkeypatch.setattr(log, "read_stream", read_stream)
    assert Decisions(log, wanted).newest(3) == expected[-3:]
    assert min(starts) > log.version(stream) - 100
    log.close()


# Caught up


def test_what_is_decided_later_is_added(folder: Path, index: RecordingIndex) -> None:
    log = LmdbLog.open(folder)
    for number in range(80):
        add(log, "account/main/peer/late", ignored(f"m{number}", "late"))
    log.close()
    late = Selection(sender="late")
    assert rows(folder, index, late) == scanned(folder, late)
    assert rows(folder, index) == scanned(folder)
    assert index.answers == 2
    assert not index.said


def test_places_that_follow_on_each_other_are_asked_for_in_portions(
    folder: Path, index: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LmdbLog.open(folder)
    for number in range(20):
        batch = (ignored(f"m{number}.{place}", "late") for place in range(4))
        add(log, "account/main/peer/late", *batch)
    for number in range(80):
        add(log, "account/main/peer/later", ignored(f"n{number}", "later"))
    log.close()
    monkeypatch.setattr(room, "PLACES", 30)
    late = Selection(sender="late")
    assert rows(folder, index, late) == scanned(folder, late)
    assert index.answers == 3


def test_a_message_that_was_seen_before_a_catch_up_is_decided_after_it(
    folder: Path, index: RecordingIndex
) -> None:
    log = LmdbLog.open(folder)
    decided = next(record.event for record in log.read() if isinstance(record.event, PolicyDecided))
    stream = "account/main/group/user1/team"
    (message,) = add(log, stream, seen("split", "split"))
    log.close()
    search(folder, keys_of(RARE), 1, message.seq, 1)
    log = LmdbLog.open(folder)
    for number in range(80):
        add(log, stream, ignored(f"m{number}", "late"))
    add(log, stream, msgspec.structs.replace(decided, message=message.version))
    for number in range(80):
        add(log, stream, ignored(f"n{number}", "late"))
    log.close()
    (row,) = rows(folder, index, Selection(sender="split"))
    assert row.message == message.seq
    assert index.answers == 1


def test_an_index_is_made_in_many_small_transactions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "COMMIT", 7)
    log = LmdbLog.open_reader(folder)
    end, wanted = log.head().seq, Selection(reasons=frozenset({"denied", "blank"}))
    expected = [decision.seq for decision in Decisions(log, wanted).all()]
    log.close()
    found = search(folder, keys_of(wanted), 1, end, 10_000)
    assert found == Found(expected[::-1], len(expected))
    some = search(folder, keys_of(wanted), expected[3], expected[20], 5)
    assert some.places == expected[20:15:-1]
    assert not structure(folder / FOLDER / DATA_FILE)


# Beside the log


def test_the_index_is_private_and_holds_no_names(folder: Path, index: RecordingIndex) -> None:
    place = folder / FOLDER
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o600}
    data = (place / DATA_FILE).read_bytes()
    for row in with_log(folder, lambda log: list(Decisions(log).all())):
        assert row.sender.encode() not in data
        assert row.identity not in data


def test_the_store_commands_leave_the_index_alone(
    folder: Path, index: RecordingIndex, tmp_path: Path
) -> None:
    assert not [part.damage for part in check(folder, quick=False, fingerprint=b"") if part.damage]
    back_up(folder, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [DATA_FILE, "keys"]
    saved = salvage(folder, tmp_path / "saved")
    assert saved.lost == 0
    assert not (tmp_path / "saved" / FOLDER).exists()
    assert index.answers == 0


def test_the_daemon_writes_while_the_index_is_made(folder: Path) -> None:
    log: EventLog = LmdbLog.open(folder)
    try:
        index = RecordingIndex(folder)
        expected = list(Decisions(log, RARE).all())
        assert Decisions(log, RARE, index).newest(10_000) == expected
        add(log, "account/main/peer/late", ignored("m", "user20"))
        assert len(Decisions(log, RARE, index).newest(10_000)) == len(expected) + 1
    finally:
        log.close()


# The command

PROGRAM = """\
from store.audit import decisions
from ztm_chat.__main__ import main
decisions.WINDOW = decisions.NEAR = 50
decisions.PLACE_COST = 0
main()
"""


def trail(folder: Path, *words: str) -> tuple[list[str], str]:
    """What the command prints, and what it says on stderr."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, "audit", "trail", "--json", *words],
        env={
            **os.environ,
            "ZTM_CHAT_CONFIG": str(folder / "openclaw.yaml"),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'bin'}",
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def test_the_command_makes_its_index_once_and_says_so(folder: Path) -> None:
    write_config(folder.parent, "http://127.0.0.1:9")
    first, said = trail(folder.parent, "--sender", "user20")
    assert said == "(making an index of all decisions, once; later it is only added to)\n"
    assert [json.loads(line)["seq"] for line in first] == [row.seq for row in scanned(folder)]
    assert trail(folder.parent, "--sender", "user20", "--limit", "0") == (first, "")
    assert trail(folder.parent, "--sender", "user20", "--limit", "2") == (first[-2:], "")
