"""Bits that are no longer what was written: reported, or harmless, and never handed out."""

import shutil
from collections import Counter
from pathlib import Path

import lmdb
import pytest

from events.event import Draft
from store.disk.layout import pack_u64, pack_u64_pair
from store.log.event_log import LogDamaged
from store.log.lmdb_log import LmdbLog
from store.maintenance.check import examine
from tests.store.builders import ALICE, BOB, add, add_all, body, dispatched, identity, seen, tick
from tests.store.processes import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed log of some pages, with a batch of every width, bodies and open work."""
    folder = tmp_path / "log"
    log = LmdbLog.open(folder)
    for number in range(60):
        words = body(f"words {number}", person=f"person {number % 7}")
        add_all(
            log,
            Draft(ALICE, seen(number, sender=f"sender-{number}"), bodies=(words,)),
            *(Draft(BOB, tick(other)) for other in range(number % 9)),
        )
    add(log, ALICE, dispatched(1, 2, 3))
    add(log, BOB, *map(tick, range(3_000)))
    add(log, ALICE, tick())
    log.close()
    return folder


def test_a_sound_log_has_nothing_to_report(folder: Path) -> None:
    assert examine(folder) == []


def test_a_flipped_bit_is_reported_or_harmless(folder: Path) -> None:
    said = run("flip_bytes", folder)
    verdicts = Counter(each["verdict"] for each in said)
    assert set(verdicts) == {"reported", "harmless"}
    assert verdicts["reported"] > 30


def test_a_file_that_was_cut_off_is_not_opened(folder: Path) -> None:
    """Mapped, its missing pages would kill the process."""
    said = run("cut", folder)
    verdicts = Counter(each["verdict"] for each in said)
    assert verdicts == {"LogDamaged": len(said)}


def replace(folder: Path, old: bytes, new: bytes) -> None:
    data = (folder / "data.mdb").read_bytes()
    assert data.count(old) >= 1
    assert len(old) == len(new)
    (folder / "data.mdb").write_bytes(data.replace(old, new))


def test_an_altered_event_is_never_handed_out(folder: Path) -> None:
    """Another sender in the middle of the log: every byte is valid, but not what was written."""
    log = LmdbLog.open(folder)
    at = next(each for each in log.read() if getattr(each.event, "sender", "") == "sender-30")
    log.close()
    replace(folder, b"sender-30", b"sender-03")
    log = LmdbLog.open(folder)
    with pytest.raises(LogDamaged, match=f"batch of event {at.seq}"):
        list(log.read())
    with pytest.raises(LogDamaged, match=f"batch of event {at.seq}"):
        list(log.read_stream(ALICE))
    with pytest.raises(LogDamaged, match=f"batch of event {at.seq}"):
        log.event(at.seq)
    assert log.event(at.seq - 1) is not None
    assert len(list(log.read(at.seq + 3_000))) > 0
    log.close()
    assert "not what was written" in examine(folder)[0]


def test_an_altered_end_is_noticed_on_opening(folder: Path) -> None:
    log = LmdbLog.open(folder)
    add(log, ALICE, seen("last", sender="sender-last"))
    log.close()
    replace(folder, b"sender-last", b"sender-lost")
    with pytest.raises(LogDamaged, match="last batch"):
        LmdbLog.open(folder)


def rewrite(folder: Path, table: bytes, key: bytes, value: bytes | None) -> None:
    """What no version of ours does: change an entry behind the log's back."""
    env = lmdb.open(str(folder), max_dbs=8, map_size=1 << 30)
    with env.begin(write=True, db=env.open_db(table)) as txn:
        assert txn.delete(key) if value is None else txn.put(key, value)
    env.close()


def test_a_body_in_anothers_place_is_noticed(folder: Path) -> None:
    env = lmdb.open(str(folder), max_dbs=8)
    with env.begin(db=env.open_db(b"bodies")) as txn:
        cursor = txn.cursor()
        cursor.first()
        first = cursor.item()
        cursor.next()
        second = cursor.item()
    env.close()
    rewrite(folder, b"bodies", second[0], first[1])
    log = LmdbLog.open(folder)
    assert log.body(1) == "words 0"
    with pytest.raises(LogDamaged, match="event 2, body 0"):
        log.body(2)
    log.close()
    assert examine(folder) == ["event 2: its body is not what was written"]


def test_a_batch_that_was_taken_out_is_missed(folder: Path) -> None:
    rewrite(folder, b"log", pack_u64(2), None)
    log = LmdbLog.open(folder)
    with pytest.raises(LogDamaged):
        list(log.read())
    with pytest.raises(LogDamaged):
        list(log.read_stream(ALICE))
    log.close()


@pytest.mark.parametrize(
    ("table", "key", "value", "finding"),
    [
        (b"seen", identity(5), None, f"table seen: {identity(5).hex()} is not "),
        (b"seen", identity("x"), pack_u64_pair(1, 1), "table seen: it has 61 entries"),
        (b"open", pack_u64_pair(1, 4), None, "table open: version 4 of stream 1 is open, and not"),
        (b"open", pack_u64_pair(1, 2), b"", "table open: version 2 of stream 1 is there, and not"),
        (b"index", pack_u64_pair(1, 5), None, f"table index: {pack_u64_pair(1, 5).hex()} is not "),
        (
            b"streams",
            pack_u64(1),
            b"account/main/peer/eve",
            f"table streams: {pack_u64(1).hex()} is not {ALICE.encode().hex()}",
        ),
    ],
    ids=["unknown", "invented", "forgotten", "reopened", "unfindable", "renamed"],
)
def test_an_index_that_disagrees_with_the_events_is_reported(
    folder: Path, table: bytes, key: bytes, value: bytes | None, finding: str
) -> None:
    rewrite(folder, table, key, value)
    assert finding in " ".join(examine(folder))


def test_a_log_without_its_last_index_entry_does_not_open(folder: Path) -> None:
    log = LmdbLog.open(folder)
    version = log.version(ALICE)
    log.close()
    rewrite(folder, b"index", pack_u64_pair(1, version), None)
    with pytest.raises(LogDamaged, match=r"alice.*disagree"):
        LmdbLog.open(folder)


def test_an_event_of_a_later_version_is_named(folder: Path) -> None:
    broken = folder.with_name("other")
    shutil.copytree(folder, broken)
    replace(broken, b"\xaaDispatched", b"\xaaDispatchee")
    log = LmdbLog.open(broken)
    with pytest.raises(LogDamaged, match="batch of event"):
        list(log.read())
    log.close()
