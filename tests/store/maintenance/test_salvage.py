"""What can be proved of a damaged log lives on; what can't is counted."""

import os
import shutil
from pathlib import Path

import lmdb
import pytest

from events.event import Draft
from events.gateway.events import GatewayStarted
from events.streams import GATEWAY
from store.disk.layout import POSITION, pack_slot, pack_u64, unpack_u64
from store.errors import LogDamaged, LogUnusable
from store.log.lmdb_log import LmdbLog
from store.maintenance.check import examine
from store.maintenance.salvage import salvage
from tests.store.builders import ALICE, BOB, add, add_all, body, dispatched, seen, tick

MESSAGES = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed log of some pages, with a batch of every width, bodies and open work."""
    folder = tmp_path / "log"
    log = LmdbLog.open(folder)
    for number in range(MESSAGES):
        words = body(f"words {number}", person=f"person {number % 7}")
        add_all(
            log,
            Draft(ALICE, seen(number, sender=f"sender-{number}"), bodies=(words,)),
            *(Draft(BOB, tick(other)) for other in range(number % 9)),
        )
    add(log, ALICE, dispatched(1, 2, 3))
    add(log, BOB, *map(tick, range(3_000)))
    add(log, ALICE, seen("last", sender="sender-last"))
    log.close()
    return folder


def rewrite(folder: Path, table: bytes, key: bytes, value: bytes | None) -> None:
    env = lmdb.open(str(folder), max_dbs=8, map_size=1 << 30)
    with env.begin(write=True, db=env.open_db(table)) as txn:
        assert txn.delete(key) if value is None else txn.put(key, value)
    env.close()


def replace(folder: Path, old: bytes, new: bytes) -> None:
    data = (folder / "data.mdb").read_bytes()
    assert old in data
    (folder / "data.mdb").write_bytes(data.replace(old, new))


def everything(folder: Path) -> list[tuple[object, ...]]:
    log = LmdbLog.open_reader(folder)
    try:
        return [(each, log.body(each.seq)) for each in log.read()]
    finally:
        log.close()


def tables(folder: Path) -> dict[bytes, list[tuple[bytes, bytes]]]:
    env = lmdb.open(str(folder), max_dbs=8, readonly=True)
    names = (b"log", b"streams", b"names", b"index", b"bodies", b"seen", b"open", b"meta")
    with env.begin() as txn:
        found = {name: list(txn.cursor(env.open_db(name, txn=txn))) for name in names}
    env.close()
    return found


def test_of_a_sound_log_nothing_is_lost_and_every_table_is_the_same(
    folder: Path, tmp_path: Path
) -> None:
    saved = salvage(folder, tmp_path / "new")
    assert (saved.lost, saved.bodies_lost, saved.why) == (0, 0, "")
    assert tables(tmp_path / "new") == tables(folder)
    assert (tmp_path / "new" / "keys").read_bytes() == (folder / "keys").read_bytes()


def test_everything_before_an_altered_event_is_saved(folder: Path, tmp_path: Path) -> None:
    before = everything(folder)
    at = next(place for place, (record, _) in enumerate(before) if "sender-30" in str(record))
    replace(folder, b"sender-30", b"sender-03")
    saved = salvage(folder, tmp_path / "new")
    assert saved.head.seq == at
    assert saved.lost == len(before) - at
    assert saved.why.startswith(f"event {at + 1}: ")
    assert everything(tmp_path / "new") == before[:at]


def test_a_salvaged_log_is_sound_and_goes_on(folder: Path, tmp_path: Path) -> None:
    replace(folder, b"sender-30", b"sender-03")
    new = tmp_path / "new"
    saved = salvage(folder, new)
    assert examine(new) == []
    log = LmdbLog.open(new)
    assert log.version(ALICE) == 30
    assert add(log, ALICE, tick())[0].seq == saved.head.seq + 1
    log.close()
    assert examine(new) == []


def test_a_log_that_the_daemon_refuses_for_its_end_is_saved_up_to_it(
    folder: Path, tmp_path: Path
) -> None:
    before = everything(folder)
    replace(folder, b"sender-last", b"sender-lost")
    with pytest.raises(LogDamaged):
        LmdbLog.open(folder)
    saved = salvage(folder, tmp_path / "new")
    assert saved.lost == 1
    assert everything(tmp_path / "new") == before[:-1]


def test_nothing_is_put_behind_a_batch_that_is_missing(folder: Path, tmp_path: Path) -> None:
    before = everything(folder)
    rewrite(folder, b"log", pack_u64(2), None)
    saved = salvage(folder, tmp_path / "new")
    # The first batch's successor held its hash; the next one holds another.
    assert saved.head.seq == 0
    assert saved.lost == len(before)
    assert examine(tmp_path / "new") == []


def test_without_a_recorded_end_only_the_last_batch_is_unproved(
    folder: Path, tmp_path: Path
) -> None:
    before = everything(folder)
    rewrite(folder, b"meta", POSITION, None)
    saved = salvage(folder, tmp_path / "new")
    assert saved.lost is None
    assert everything(tmp_path / "new") == before[:-1]


def test_indexes_are_made_anew(folder: Path, tmp_path: Path) -> None:
    sound = tables(folder)
    for table in (b"seen", b"open", b"index", b"names"):
        rewrite(folder, table, sound[table][0][0], None)
    rewrite(folder, b"streams", pack_u64(1), b"account/main/peer/eve")
    saved = salvage(folder, tmp_path / "new")
    assert saved.lost == 0
    assert tables(tmp_path / "new") == sound


def test_words_that_are_not_what_was_written_are_left_out_and_counted(
    folder: Path, tmp_path: Path
) -> None:
    rewrite(folder, b"bodies", pack_slot(1, 0), b"not what was written" * 4)
    sealed = dict(tables(folder)[b"bodies"])[pack_slot(2, 0)]
    rewrite(folder, b"bodies", pack_slot(2, 0), sealed[:-1] + bytes([sealed[-1] ^ 1]))
    saved = salvage(folder, tmp_path / "new")
    assert saved.lost == 0
    assert saved.bodies_lost == 2
    log = LmdbLog.open_reader(tmp_path / "new")
    assert (log.body(1), log.body(2)) == (None, None)
    log.close()
    assert examine(tmp_path / "new", bodies=False) == []
    assert examine(tmp_path / "new") == [
        "event 1: its body is missing",
        "event 2: its body is missing",
    ]


def test_pages_that_are_wiped_end_it_and_not_the_process(folder: Path, tmp_path: Path) -> None:
    """Wherever a page is lost: something is saved that is a beginning of what was, or it is said
    that nothing can be read."""
    before = everything(folder)
    size = (folder / "data.mdb").stat().st_size
    sound = (folder / "data.mdb").read_bytes()
    verdicts = set()
    for number, place in enumerate(range(2 * 4096, size, 4096 * 9)):
        with (folder / "data.mdb").open("r+b") as file:
            os.pwrite(file.fileno(), b"\xff" * 4096, place)
        new = tmp_path / f"new{number}"
        try:
            salvage(folder, new)
            found = everything(new)
            assert found[: len(found)] == [
                (record, words if text is not None else None)
                for (record, words), (_, text) in zip(before, found, strict=False)
            ]
            verdicts.add("whole" if len(found) == len(before) else "a beginning")
        except LogDamaged:
            assert not new.exists()
            verdicts.add("nothing")
        (folder / "data.mdb").write_bytes(sound)
    assert "a beginning" in verdicts


def test_what_exists_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(LogUnusable, match="nothing is overwritten"):
        salvage(folder, tmp_path / "new")


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed log of some hundred commits."""
    folder = tmp_path_factory.mktemp("long") / "log"
    log = LmdbLog.open(folder)
    add(log, GATEWAY, GatewayStarted("1.0", log.log_id))
    for number in range(400):
        text = "long " * (2_000 if number % 50 == 7 else 10)
        add_all(log, Draft(ALICE, seen(number), bodies=(body(text, person=f"p{number % 9}"),)))
        if number % 40 == 3:
            add(log, BOB, *map(tick, range(1_000)))
    log.close()
    return folder


@pytest.mark.parametrize("left", [0.98, 0.96, 0.8, 0.6, 0.3])
def test_of_a_log_that_is_cut_off_every_whole_batch_before_the_cut_is_saved(
    long_log: Path, tmp_path: Path, left: float
) -> None:
    before = everything(long_log)
    folder = tmp_path / "log"
    shutil.copytree(long_log, folder)
    data = (folder / "data.mdb").read_bytes()[: int((folder / "data.mdb").stat().st_size * left)]
    data = data[: len(data) // 4096 * 4096]
    (folder / "data.mdb").write_bytes(data)
    whole = []
    for key, value in tables(long_log)[b"log"]:
        if value not in data:
            break
        whole.append(unpack_u64(key))
    with pytest.raises(LogDamaged):
        LmdbLog.open(folder)
    saved = salvage(folder, tmp_path / "new")
    # All but the last one, at least, which may have been confirmed by what was cut off.
    assert saved.head.seq >= whole[-1] - 1
    assert "cut off" in saved.why or "damaged" in saved.why
    found = everything(tmp_path / "new")
    assert [record for record, _ in found] == [record for record, _ in before[: len(found)]]
    assert all(text in (None, words) for (_, text), (_, words) in zip(found, before, strict=False))
    assert examine(tmp_path / "new", bodies=False) == []
    assert all("its body is missing" in place for place in examine(tmp_path / "new"))


def test_of_a_file_of_which_nothing_is_left_nothing_is_made(long_log: Path, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    shutil.copytree(long_log, folder)
    for left in (0, 1, 4_095, 8_192):
        os.truncate(folder / "data.mdb", left)
        with pytest.raises(LogDamaged):
            salvage(folder, tmp_path / "new")
        assert not (tmp_path / "new").exists()
        shutil.copyfile(long_log / "data.mdb", folder / "data.mdb")
