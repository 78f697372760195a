"""The file of keys is held against the log: keys taken away, exchanged, given away, put back."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from events.event import Draft
from events.gateway.events import BodiesExpired, KeysLost
from events.streams import GATEWAY
from store.log.event_log import LogDamaged, LogError
from store.log.lmdb_log import LmdbLog
from store.maintenance.backup import back_up
from store.maintenance.check import check, examine
from store.maintenance.salvage import salvage
from store.verify.proof import prove
from tests.store.builders import ALICE, BOB, add, add_all, body, end_key, seen

Rows = list[dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """alice and bob have said something; carol's key names her messages, and encrypts nothing."""
    log = LmdbLog.open(tmp_path / "log")
    log.key("main/carol")
    for stream, name in ((ALICE, "alice"), (BOB, "bob")):
        text = body(f"words of {name}", person=f"main/{name}")
        add_all(log, Draft(stream, seen(name, sender=name), bodies=(text,)))
    log.close()
    return tmp_path / "log"


def rows(folder: Path) -> Rows:
    return [json.loads(line) for line in (folder / "keys").read_text().splitlines()]


def rewrite(folder: Path, changed: Rows) -> None:
    (folder / "keys").write_text("".join(json.dumps(row) + "\n" for row in changed))


def of(found: Rows, person: str) -> dict[str, Any]:
    return next(row for row in found if row.get("person") == person)


def emptied(_: Rows) -> Rows:
    return []


def swapped(found: Rows) -> Rows:
    alice, bob = of(found, "main/alice"), of(found, "main/bob")
    alice["key"], bob["key"] = bob["key"], alice["key"]
    return found


def renamed(found: Rows) -> Rows:
    of(found, "main/alice")["person"] = "main/mallory"
    return found


def shared(found: Rows) -> Rows:
    return [*found, {**of(found, "main/alice"), "person": "main/mallory"}]


def without_one_that_encrypts_nothing(found: Rows) -> Rows:
    return [row for row in found if row.get("person") != "main/carol"]


def without_the_week(found: Rows) -> Rows:
    return [row for row in found if "week" not in row]


def another(found: Rows) -> Rows:
    of(found, "main/bob")["key"] = "ab" * 32
    return found


ATTACKS = {
    emptied: "the key of .* is missing",
    swapped: "the key of 'main/alice' is not the one that was used",
    renamed: "the key of 'main/alice' is missing",
    shared: "the key of 'main/mallory' is that of 'main/alice'",
    without_one_that_encrypts_nothing: "the key of 'main/carol' is missing",
    without_the_week: "the key of the week .* is missing",
    another: "the key of 'main/bob' is not the one that was used",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_keys_that_are_not_those_of_the_log_are_noticed_by_whoever_looks(
    folder: Path, tmp_path: Path, attack: Callable[[Rows], Rows]
) -> None:
    rewrite(folder, attack(rows(folder)))
    with pytest.raises(LogDamaged, match=f"{folder / 'keys'}.*{ATTACKS[attack]}.*backup"):
        LmdbLog.open(folder)
    with pytest.raises(LogError, match=ATTACKS[attack]):
        back_up(folder, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    keys = next(part for part in check(folder, quick=False, fingerprint=b"") if part.name == "keys")
    assert keys.damage
    assert not prove(folder).verified
    assert not prove(folder, bodies=False).verified


def test_two_keys_of_one_person_are_refused(folder: Path) -> None:
    found = rows(folder)
    rewrite(folder, [*found, {**of(found, "main/alice"), "key": "ab" * 32}])
    with pytest.raises(LogDamaged, match=r"line 5.*a second key of 'main/alice'"):
        LmdbLog.open(folder)


def test_an_erased_key_that_is_put_back_is_destroyed_by_the_next_start(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = (folder / "keys").read_bytes()
    log = LmdbLog.open(folder)
    end_key(log, "main/alice")
    log.close()
    assert examine(folder) == []
    (folder / "keys").write_bytes(before)
    assert examine(folder) == ["the key of 'main/alice' was erased"]
    with pytest.raises(LogDamaged, match="the key of 'main/alice' was erased"):
        back_up(folder, tmp_path / "copy")
    assert not prove(folder).verified
    with caplog.at_level(logging.WARNING):
        log = LmdbLog.open(folder)
    assert "1 keys whose erasure is on record" in caplog.text
    assert log.key_id("main/alice") is None
    assert (log.body(1), log.body(2)) == (None, "words of bob")
    log.close()
    assert "main/alice" not in (folder / "keys").read_text()


def test_an_erased_key_does_not_replace_the_new_one(folder: Path) -> None:
    old = of(rows(folder), "main/alice")
    log = LmdbLog.open(folder)
    end_key(log, "main/alice")
    again = body("again", person="main/alice")
    add_all(log, Draft(ALICE, seen("again"), bodies=(again,)))
    log.close()
    found = rows(folder)
    of(found, "main/alice")["key"] = old["key"]
    rewrite(folder, found)
    with pytest.raises(LogDamaged, match="the key of 'main/alice' is not the one that was used"):
        LmdbLog.open(folder)


def test_an_expired_week_that_is_put_back_is_destroyed_by_the_next_start(folder: Path) -> None:
    before = (folder / "keys").read_bytes()
    week = next(row["week"] for row in rows(folder) if "week" in row)
    log = LmdbLog.open(folder)
    add(log, GATEWAY, BodiesExpired(week + 1))
    log.expire(week + 1)
    log.close()
    (folder / "keys").write_bytes(before)
    log = LmdbLog.open(folder)
    assert (log.body(1), log.body(2)) == (None, None)
    log.close()
    assert examine(folder) == []


def test_a_key_made_just_before_a_crash_is_put_on_record_later(folder: Path) -> None:
    log = LmdbLog.open(folder)
    log.key("main/dora")
    log.close()  # nothing was committed since
    log = LmdbLog.open(folder)
    add(log, ALICE, seen("hers"))
    log.close()
    rewrite(folder, [row for row in rows(folder) if row.get("person") != "main/dora"])
    with pytest.raises(LogDamaged, match="the key of 'main/dora' is missing"):
        LmdbLog.open(folder)


def test_a_lost_key_is_put_on_record_by_salvage(folder: Path, tmp_path: Path) -> None:
    rewrite(folder, [row for row in rows(folder) if row.get("person") != "main/alice"])
    saved = salvage(folder, tmp_path / "new")
    assert (saved.lost, saved.keys_lost) == (0, ("main/alice",))
    log = LmdbLog.open(tmp_path / "new")
    assert [log.body(1), log.body(2)] == [None, "words of bob"]
    assert [event.event for event in log.read_stream(GATEWAY)] == [KeysLost(("main/alice",), ())]
    log.close()
    assert examine(tmp_path / "new") == []


def test_a_reader_does_not_take_a_body_without_a_key_for_erased(folder: Path) -> None:
    rewrite(folder, emptied(rows(folder)))
    reader = LmdbLog.open_reader(folder)
    with pytest.raises(LogDamaged, match=r"event 1.*the key of its body is not there"):
        reader.body(1)
    reader.close()


def test_a_copy_of_another_logs_keys_is_refused(folder: Path, tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path / "other")
    add_all(log, Draft(ALICE, seen("alice"), bodies=(body("hi", person="main/alice"),)))
    log.close()
    shutil.copyfile(tmp_path / "other" / "keys", folder / "keys")
    with pytest.raises(LogDamaged, match="the file of keys does not belong to this log"):
        LmdbLog.open(folder)
