"""The index of decisions makes finding them quicker, and changes nothing else."""

import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.conversation_events import MessageIgnored, PolicyDecided
from events.event import Recorded
from store.audit import decisions as room
from store.audit import places
from store.audit.decisions import Decision, Decisions, Found
from store.audit.index import FOLDER, TrailIndex, search
from store.audit.places import About, keys_of
from store.audit.selection import Selection
from store.backup import back_up, restore
from store.check import check
from store.data_file import structure
from store.event_log import EventLog
from store.folder import FolderLock
from store.layout import DATA_FILE
from store.lmdb_log import LmdbLog
from store.lmdb_reader import LmdbReader
from store.salvage import salvage
from tests.store.builders import add, seen

ROOT = Path(__file__).parents[3]
RARE = Selection(sender="user20")
PAGE = 4_096


class Heard(TrailIndex):
    """An index that remembers what it said, and how often it could tell."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.answers = 0
        super().__init__(folder, self.said.append)

    def find(self, wanted: Selection, *, first: int, last: int, limit: int) -> Found | None:
        found = super().find(wanted, first=first, last=last, limit=limit)
        self.answers += found is not None
        return found


@pytest.fixture(autouse=True)
def asked_at_once() -> Iterator[None]:
    """Tests' logs are small: here the index is asked after the first few events."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "WINDOW", 50)
        patch.setattr(room, "NEAR", 50)
        patch.setattr(room, "PLACE_COST", 0)
        yield


@pytest.fixture
def index(folder: Path) -> Heard:
    """An index that was made before."""
    made = Heard(folder)
    assert rows(folder, made) == scanned(folder)
    assert made.said == ["making an index of all decisions, once; later it is only added to"]
    assert made.answers
    made.said.clear()
    made.answers = 0
    return made


def with_log(folder: Path, ask: Callable[[LmdbReader], list[Decision]]) -> list[Decision]:
    log = LmdbLog.open_reader(folder)
    try:
        return ask(log)
    finally:
        log.close()


def rows(folder: Path, index: Heard, wanted: Selection = RARE) -> list[Decision]:
    return with_log(folder, lambda log: Decisions(log, wanted, index).newest(10_000))


def scanned(folder: Path, wanted: Selection = RARE) -> list[Decision]:
    found = with_log(folder, lambda log: list(Decisions(log, wanted).all()))
    assert found
    return found


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
    times = [0, *sorted({one.time_ms for one in Decisions(indexed).all()})]
    wanted = msgspec.structs.replace(
        wanted,
        since_ms=data.draw(st.sampled_from(times)),
        until_ms=data.draw(st.sampled_from(times)),
    )
    index = Heard(indexed._database.folder)
    expected = list(Decisions(indexed, wanted).all())
    before = data.draw(st.integers(0, indexed.head().seq))
    count = data.draw(st.integers(1, 100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "PLACES", portion)
        patch.setattr(room, "PLACE_COST", cost)
        newest = Decisions(indexed, wanted, index).newest(count, before)
        everything = list(Decisions(indexed, wanted, index).all())
    assert everything == expected
    assert newest == [one for one in expected if not before or one.seq < before][-count:]


def test_pages_going_back_hold_everything_once(folder: Path, index: Heard) -> None:
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
    index = Heard(folder)
    assert rows(folder, index, Selection(text="train")) == scanned(folder, Selection(text="train"))
    assert rows(folder, index, Selection(peer="user0", sender="user0"))
    assert not (folder / FOLDER).exists()
    assert not index.said


def test_what_the_last_events_hold_needs_no_index(folder: Path) -> None:
    index = Heard(folder)
    assert len(with_log(folder, lambda log: Decisions(log, Selection(), index).newest(3))) == 3
    wanted = Selection(account="main")
    assert len(with_log(folder, lambda log: Decisions(log, wanted, index).newest(3))) == 3
    assert not (folder / FOLDER).exists()


def test_what_is_everywhere_is_scanned(folder: Path, index: Heard) -> None:
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


def ignored(name: str, sender: str) -> MessageIgnored:
    return MessageIgnored(name.encode().ljust(16), sender, 1, "blank", "feed")


def test_what_is_decided_later_is_added(folder: Path, index: Heard) -> None:
    log = LmdbLog.open(folder)
    for number in range(80):
        add(log, "account/main/peer/late", ignored(f"m{number}", "late"))
    log.close()
    late = Selection(sender="late")
    assert rows(folder, index, late) == scanned(folder, late)
    assert rows(folder, index) == scanned(folder)
    assert index.answers == 2
    assert not index.said


def test_a_message_that_was_seen_before_a_catch_up_is_decided_after_it(
    folder: Path, index: Heard
) -> None:
    log = LmdbLog.open(folder)
    decided = next(one.event for one in log.read() if isinstance(one.event, PolicyDecided))
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
    expected = [one.seq for one in Decisions(log, wanted).all()]
    log.close()
    found = search(folder, keys_of(wanted), 1, end, 10_000)
    assert found == Found(expected[::-1], len(expected))
    some = search(folder, keys_of(wanted), expected[3], expected[20], 5)
    assert some.places == expected[20:15:-1]
    assert not structure(folder / FOLDER / DATA_FILE)


# Disposable


def test_without_the_index_it_is_made_again(folder: Path, index: Heard) -> None:
    shutil.rmtree(folder / FOLDER)
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def no_database(path: Path) -> None:
    path.write_bytes(b"this is not an LMDB file" * 1_000)


def noise(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: 2 * PAGE] + random.Random(1).randbytes(len(data) - 2 * PAGE))


def noise_in_the_leaves(path: Path) -> None:
    """The headers of pages stay: LMDB takes each for what it was."""
    data, chance = bytearray(path.read_bytes()), random.Random(2)
    for start in range(2 * PAGE, len(data), PAGE):
        data[start + 16 : start + 400] = chance.randbytes(384)
    path.write_bytes(data)


def no_tables(path: Path) -> None:
    path.unlink()
    lmdb.open(str(path.parent)).close()


def about(path: Path, *, schema: int = 1, log_id: str | None = None, extra: bytes = b"") -> None:
    env = lmdb.open(str(path.parent), max_dbs=2)
    meta = env.open_db(b"meta")
    with env.begin(db=meta, write=True) as txn:
        old = msgspec.msgpack.decode(txn.get(b"about") or b"", type=About)
        new = msgspec.structs.replace(old, schema=schema, log_id=log_id or old.log_id)
        txn.put(b"about", extra or msgspec.msgpack.encode(new))
    env.close()


def another_schema(path: Path) -> None:
    about(path, schema=99)


def another_log(path: Path) -> None:
    about(path, log_id="01234567")


def unreadable(path: Path) -> None:
    about(path, extra=b"\xc1")


SPOILT = [
    cut,
    empty,
    no_database,
    noise,
    noise_in_the_leaves,
    no_tables,
    another_schema,
    another_log,
    unreadable,
]


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_an_index_that_is_spoilt_is_made_again(
    folder: Path, index: Heard, spoil: Callable[[Path], None]
) -> None:
    spoil(folder / FOLDER / DATA_FILE)
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1
    assert index.said[0].startswith("the index of decisions is made again: ")
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1
    assert index.answers


def test_an_index_that_is_ahead_of_a_restored_log_is_made_again(
    folder: Path, index: Heard, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "older")
    log = LmdbLog.open(folder)
    add(log, "account/main/peer/late", *(ignored(f"m{number}", "late") for number in range(9)))
    log.close()
    assert rows(folder, index, Selection(sender="late"))  # takes no index: they are the last
    search(folder, keys_of(RARE), 1, with_head(folder), 1)
    shutil.copy(tmp_path / "older" / DATA_FILE, folder / DATA_FILE)
    assert rows(folder, index) == scanned(folder)
    assert "restored since" in index.said[0]


def test_an_index_of_what_came_after_the_backup_is_made_again(
    folder: Path, index: Heard, tmp_path: Path
) -> None:
    back_up(folder, tmp_path / "older")
    log = LmdbLog.open(folder)
    add(log, "account/main/peer/one", *(ignored(f"m{number}", "one") for number in range(60)))
    log.close()
    search(folder, keys_of(RARE), 1, with_head(folder), 1)
    (folder / DATA_FILE).unlink()
    (folder / "keys").unlink()
    restore(tmp_path / "older", folder)
    log = LmdbLog.open(folder)
    for number in range(120):
        add(log, "account/main/peer/two", ignored(f"n{number}", "two"))
    log.close()
    two = Selection(sender="two")
    assert rows(folder, index, two) == scanned(folder, two)
    assert "restored since" in index.said[0]
    assert not rows(folder, index, Selection(sender="one"))


def with_head(folder: Path) -> int:
    log = LmdbLog.open_reader(folder)
    try:
        return log.head().seq
    finally:
        log.close()


# Where there can't be one


def test_while_another_process_makes_it_the_log_is_scanned(folder: Path) -> None:
    (folder / FOLDER).mkdir()
    lock = FolderLock(folder / FOLDER, now=time.time_ns())
    index = Heard(folder)
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1
    assert "so the log is scanned: another process is making it just now" in index.said[0]
    assert str(os.getpid()) in index.said[0]
    lock.release()


def test_an_index_that_holds_enough_is_read_while_another_process_adds_to_it(
    folder: Path, index: Heard
) -> None:
    lock = FolderLock(folder / FOLDER, now=time.time_ns())
    assert rows(folder, index) == scanned(folder)
    assert index.answers
    assert not index.said
    lock.release()


def test_where_it_cannot_be_written_the_log_is_scanned(folder: Path) -> None:
    (folder / FOLDER).write_text("in the way")
    index = Heard(folder)
    assert rows(folder, index) == scanned(folder)
    assert len(index.said) == 1
    assert index.said[0].startswith("no index of decisions, so the log is scanned: ")


class Liar:
    """Says that everything is at the first event."""

    distrusted = False

    def find(self, wanted: Selection, *, first: int, last: int, limit: int) -> Found:
        return Found([1] if last else [], 1)

    def distrust(self) -> None:
        self.distrusted = True


def test_a_place_where_nothing_was_decided_is_not_believed(folder: Path) -> None:
    first, second = Liar(), Liar()
    expected = scanned(folder)
    found = with_log(folder, lambda log: Decisions(log, RARE, first).newest(10_000))
    assert found == expected
    found = with_log(folder, lambda log: list(Decisions(log, RARE, second).all()))
    assert found == expected
    assert first.distrusted
    assert second.distrusted


# Beside the log


def test_the_index_is_private_and_holds_no_names(folder: Path, index: Heard) -> None:
    place = folder / FOLDER
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in place.iterdir()} == {0o600}
    data = (place / DATA_FILE).read_bytes()
    for row in with_log(folder, lambda log: list(Decisions(log).all())):
        assert row.sender.encode() not in data
        assert row.identity not in data


def test_the_store_commands_leave_the_index_alone(
    folder: Path, index: Heard, tmp_path: Path
) -> None:
    assert not [one.damage for one in check(folder, quick=False, fingerprint=b"") if one.damage]
    back_up(folder, tmp_path / "copy")
    assert sorted(one.name for one in (tmp_path / "copy").iterdir()) == [DATA_FILE, "keys"]
    saved = salvage(folder, tmp_path / "saved")
    assert saved.lost == 0
    assert not (tmp_path / "saved" / FOLDER).exists()
    assert index.answers == 0


def test_the_daemon_writes_while_the_index_is_made(folder: Path) -> None:
    log: EventLog = LmdbLog.open(folder)
    try:
        index = Heard(folder)
        expected = list(Decisions(log, RARE).all())
        assert Decisions(log, RARE, index).newest(10_000) == expected
        add(log, "account/main/peer/late", ignored("m", "user20"))
        assert len(Decisions(log, RARE, index).newest(10_000)) == len(expected) + 1
    finally:
        log.close()


# The command

CONFIG = """\
channels:
  ztm-chat:
    store: {{path: {folder}/log}}
    gateway: {{socket: {folder}/socket}}
    accounts:
      main:
        agentUrl: http://127.0.0.1:9
        permitSource: file
        permitFilePath: {folder}/permit.json
        meshName: mesh
        username: my-bot
"""

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
    (folder.parent / "openclaw.yaml").write_text(CONFIG.format(folder=folder.parent))
    first, said = trail(folder.parent, "--sender", "user20")
    assert said == "(making an index of all decisions, once; later it is only added to)\n"
    assert [json.loads(line)["seq"] for line in first] == [row.seq for row in scanned(folder)]
    assert trail(folder.parent, "--sender", "user20", "--limit", "0") == (first, "")
    assert trail(folder.parent, "--sender", "user20", "--limit", "2") == (first[-2:], "")
