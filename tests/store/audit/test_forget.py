"""A person who is forgotten can't be read again, from any byte on the disk; the rest is proved."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from events.account.events import PersonErased
from events.event import Body, Draft, Recorded
from store.disk.layout import unpack_slot
from store.log.event_log import LogDamaged
from store.log.lmdb_log import LmdbLog
from store.log.memory_log import MemoryLog
from store.read_models.erasure import accounts_with, erase, finish_erasures, nearest, newest_ms
from store.verify.proof import prove
from tests.bench.audit_log import WORDS
from tests.store.builders import ALICE, add_all, seen
from tests.store.verify.tampering import entries, flipped, put

PERSON = "user0"
NOW_MS = 1_800_000_000_000


@pytest.fixture
def forgotten(folder: Path) -> tuple[Path, bytes]:
    """A log in which somebody was forgotten, and the key that they had."""
    log = LmdbLog.open(folder)
    key = log.key(f"main/{PERSON}").secret
    assert erase(log, "main", PERSON, now_ms=NOW_MS, by="operator")
    log.close()
    return folder, key


def test_nothing_of_them_can_be_read_from_any_file(forgotten: tuple[Path, bytes]) -> None:
    folder, key = forgotten
    for path in folder.rglob("*"):
        data = path.read_bytes()
        assert key not in data, path
        assert key.hex().encode() not in data, path
        assert not [word for word in WORDS if len(word) > 7 and word.encode() in data], path


def test_their_words_are_gone_and_nobody_elses(forgotten: tuple[Path, bytes]) -> None:
    folder, _ = forgotten
    log = LmdbLog.open_reader(folder)
    owners: dict[str, set[bool]] = {}
    for record in log.read():
        if type(record.event).__name__ == "MessageSeen":
            sender: str = record.event.sender  # type: ignore[attr-defined]
            owners.setdefault(sender, set()).add(log.body(record.seq) is None)
    assert owners.pop(PERSON) == {True}
    assert set(map(tuple, owners.values())) == {(False,)}
    log.close()


def test_the_log_still_holds_and_says_how_much_was_erased(
    written: Path, forgotten: tuple[Path, bytes]
) -> None:
    before, after = prove(written), prove(forgotten[0])
    assert after.verified, after.findings
    assert after.erased > 0
    assert after.bodies + after.erased == before.bodies
    assert after.decisions + after.without_text == before.decisions
    assert after.without_text > 0


def test_a_body_whose_key_is_said_to_be_another_is_not_taken_for_erased(
    forgotten: tuple[Path, bytes],
) -> None:
    folder, _ = forgotten
    bodies = entries(folder, b"bodies")
    log = LmdbLog.open_reader(folder)
    key, sealed = next(body for body in bodies if log.body(unpack_slot(body[0])[0]) is not None)
    log.close()
    put(folder, b"bodies", key, flipped(sealed, 3))
    proof = prove(folder)
    assert [finding.seq for finding in proof.findings] == [unpack_slot(key)[0]]


def test_a_key_that_was_lost_without_an_erasure_is_found(folder: Path) -> None:
    log = LmdbLog.open(folder)
    log.destroy(f"main/{PERSON}")
    log.close()
    proof = prove(folder)
    assert not proof.verified
    assert "no erasure destroyed it" in proof.findings[0].what


def test_what_they_write_later_lies_under_another_key(forgotten: tuple[Path, bytes]) -> None:
    folder, key = forgotten
    log = LmdbLog.open(folder)
    words = Body(f"main/{PERSON}", "hello again", b"salt" * 4)
    event = seen("again", sender=PERSON)
    (record,) = add_all(log, Draft(ALICE, event, bodies=(words,)))
    assert log.body(record.seq) == "hello again"
    assert log.key(f"main/{PERSON}").secret != key
    log.close()


def test_a_crash_before_the_key_was_lost_is_made_good(folder: Path) -> None:
    log = LmdbLog.open(folder)
    name = f"main/{PERSON}"
    key_id = log.key_id(name)
    assert key_id is not None
    erased = PersonErased(PERSON, key_id, NOW_MS, "operator")
    add_all(log, Draft("account/main", erased))
    finish_erasures(log, "main")
    assert log.key_id(name) is None
    fresh = log.key(name)
    finish_erasures(log, "main")
    assert log.key(name) == fresh
    log.close()


def test_a_conversation_that_is_damaged_does_not_keep_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Damaged(MemoryLog):
        def read_stream(self, stream: str, after: int = 0) -> Iterator[Recorded]:
            if stream == ALICE:
                raise LogDamaged("an event can't be read", where=stream)
            return super().read_stream(stream, after)

    log = Damaged()
    log.key("main/alice")
    assert erase(log, "main", "alice", now_ms=NOW_MS, by="operator")
    assert log.key_id("main/alice") is None
    assert "does not know how far account/main/peer/alice reaches" in caplog.text


def test_the_erasure_is_on_record_with_its_cutoff(forgotten: tuple[Path, bytes]) -> None:
    log = LmdbLog.open_reader(forgotten[0])
    events = [recorded.event for recorded in log.read_stream("account/main")]
    (erased,) = [event for event in events if isinstance(event, PersonErased)]
    assert (erased.person, erased.until_ms, erased.by) == (PERSON, NOW_MS, "operator")
    log.close()


def test_the_newest_message_is_looked_for_in_all_their_conversations(written: Path) -> None:
    log = LmdbLog.open_reader(written)
    times = [
        record.event.sent_ms
        for record in log.read()
        if getattr(record.event, "sender", "") == PERSON and hasattr(record.event, "sent_ms")
    ]
    assert newest_ms(log, "main", PERSON) == max(times)
    assert newest_ms(log, "main", "nobody") == 0
    log.close()


def test_who_is_not_known_cannot_be_forgotten(folder: Path) -> None:
    log = LmdbLog.open(folder)
    before = log.head()
    assert accounts_with(log, ["main", "other"], PERSON) == ["main"]
    assert accounts_with(log, ["main"], "usr0") == []
    assert "user0" in nearest(log, "usr0")
    assert not erase(log, "main", "usr0", now_ms=NOW_MS, by="operator")
    assert log.head() == before
    log.close()


def test_a_key_has_a_name_as_long_as_it_is_there(tmp_path: Path) -> None:
    on_disk, in_memory = LmdbLog.open(tmp_path), MemoryLog()
    for log in (on_disk, in_memory):
        assert log.key_id("alice") is None
        key = log.key("alice")
        name = log.key_id("alice")
        assert name is not None
        assert (key.id, name in key.secret) == (name, False)
        log.destroy("alice")
        assert log.key_id("alice") is None
        log.key("alice")
        assert log.key_id("alice") not in (None, name)
    on_disk.close()
