"""Whatever is done to a log behind its back, the audit finds it and says where."""

import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.conversation.events import MessageSeen, PolicyDecided
from events.event import Event
from store.disk import batch
from store.disk.batch import chain_hash
from store.disk.layout import encode, pack_u64, unpack_slot, unpack_u64
from store.disk.position import Position
from store.log.lmdb_log import LmdbLog
from store.maintenance.raw_log import opened
from store.verify.heads import KeptHead, MalformedHead, head_of, parse_head
from store.verify.proof import Proof, prove
from tests.store.verify.tampering import entries, flipped, put, restoring


@pytest.fixture(scope="module")
def spoilt(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that each example spoils and mends again."""
    copy = tmp_path_factory.mktemp("spoilt") / "log"
    shutil.copytree(written, copy)
    return copy


def first_found(proof: Proof) -> int:
    assert not proof.verified
    return proof.findings[0].seq


# A sound log


def test_a_sound_log_holds(written: Path) -> None:
    proof = prove(written)
    assert proof.verified, proof.findings
    assert proof.events >= 3_000
    assert proof.decisions > 300
    assert proof.without_text == 0
    assert proof.bodies > 600
    log = LmdbLog.open_reader(written)
    assert proof.head == head_of(log)
    assert proof.decisions == sum(isinstance(record.event, PolicyDecided) for record in log.read())
    assert proof.streams == sum(1 for _ in log.streams())
    log.close()


def test_without_bodies_every_decision_is_still_made_again(written: Path) -> None:
    whole, proof = prove(written), prove(written, bodies=False)
    assert proof.verified
    assert proof.without_text == whole.decisions
    assert proof.bodies == 0


def test_a_log_that_is_empty_holds(tmp_path: Path) -> None:
    LmdbLog.open(tmp_path).close()
    proof = prove(tmp_path)
    assert proof.verified
    assert proof.events == 0


def test_in_sections_it_is_the_same_proof(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.verify.proof.MIN_EVENTS", 100)
    assert prove(written, parts=7) == prove(written)


def test_it_is_proved_up_to_where_it_ended_when_asked(folder: Path) -> None:
    """A daemon that writes on meanwhile is no damage."""
    with opened(folder) as source:
        end = source.position().seq
    assert prove(folder).events == end


# Altered, removed, moved


@given(data=st.data())
@settings(max_examples=60)
def test_any_altered_byte_of_a_batch_is_found(spoilt: Path, data: st.DataObject) -> None:
    key, value = data.draw(st.sampled_from(entries(spoilt, b"log")))
    at = data.draw(st.integers(0, len(value) - 1))
    restore = restoring(spoilt, b"log", [key])
    put(spoilt, b"log", key, flipped(value, at, data.draw(st.integers(1, 255))))
    try:
        assert first_found(prove(spoilt, bodies=False)) == unpack_u64(key)
    finally:
        restore()


@given(data=st.data())
@settings(max_examples=60)
def test_any_altered_byte_of_a_body_is_found_at_its_event(
    spoilt: Path, data: st.DataObject
) -> None:
    key, value = data.draw(st.sampled_from(entries(spoilt, b"bodies")))
    at = data.draw(st.integers(0, len(value) - 1))
    restore = restoring(spoilt, b"bodies", [key])
    put(spoilt, b"bodies", key, flipped(value, at, data.draw(st.integers(1, 255))))
    try:
        assert first_found(prove(spoilt)) == unpack_slot(key)[0]
    finally:
        restore()


@given(data=st.data())
@settings(max_examples=20)
def test_a_body_of_another_length_is_found(spoilt: Path, data: st.DataObject) -> None:
    key, value = data.draw(st.sampled_from(entries(spoilt, b"bodies")))
    cut = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.sampled_from([value[:cut], value + b"\0"]))
    restore = restoring(spoilt, b"bodies", [key])
    put(spoilt, b"bodies", key, other)
    try:
        assert first_found(prove(spoilt)) == unpack_slot(key)[0]
    finally:
        restore()


@given(data=st.data())
@settings(max_examples=20)
def test_two_batches_in_each_others_place_are_found(spoilt: Path, data: st.DataObject) -> None:
    pack_u64_pair = st.lists(st.sampled_from(entries(spoilt, b"log")), min_size=2, max_size=2)
    one, other = data.draw(pack_u64_pair.filter(lambda both: both[0] != both[1]))
    restore = restoring(spoilt, b"log", [one[0], other[0]])
    put(spoilt, b"log", one[0], other[1])
    put(spoilt, b"log", other[0], one[1])
    try:
        assert first_found(prove(spoilt, bodies=False)) == min(
            unpack_u64(one[0]), unpack_u64(other[0])
        )
    finally:
        restore()


@pytest.mark.parametrize("which", [0, 1, 10, -1])
def test_a_batch_that_was_taken_out_is_missed(folder: Path, which: int) -> None:
    key, _ = entries(folder, b"log")[which]
    put(folder, b"log", key, None)
    assert first_found(prove(folder, bodies=False)) == unpack_u64(key)


@pytest.mark.parametrize("which", [0, 5, -1])
def test_a_body_that_was_taken_out_is_missed(folder: Path, which: int) -> None:
    key, _ = entries(folder, b"bodies")[which]
    put(folder, b"bodies", key, None)
    proof = prove(folder)
    assert first_found(proof) == unpack_slot(key)[0]
    assert "missing" in proof.findings[0].what


def test_a_body_that_belongs_to_nothing_is_found(folder: Path) -> None:
    _, value = entries(folder, b"bodies")[0]
    put(folder, b"bodies", pack_u64(1) + b"\0", value)
    proof = prove(folder)
    assert first_found(proof) == 1
    assert "not its own" in proof.findings[0].what


def test_a_stream_that_was_renamed_is_found(folder: Path) -> None:
    key, name = next(entry for entry in entries(folder, b"streams") if b"peer" in entry[1])
    put(folder, b"streams", key, name[:-1] + b"x")
    assert not prove(folder).verified


# Rewritten with all hashes made good: what a kept head, or the rules, still show


def rewrite(folder: Path, change: type[MessageSeen] | type[PolicyDecided]) -> int:
    """Alter one event and make the whole chain good again; the sequence of that event."""
    previous, altered = b"", 0
    for key, value in entries(folder, b"log"):
        found = batch.decode(value)
        for run in found.runs:
            for place, (cause, event) in enumerate(run.entries):
                if altered or type(event) is not change:
                    continue
                altered = found.first + run.offset + place
                run.entries[place] = cause, _altered(event)
        data = encode(msgspec.structs.replace(found, previous=previous or found.previous))
        previous = chain_hash(data)
        put(folder, b"log", key, data)
    position = msgspec.msgpack.decode(dict(entries(folder, b"meta"))[b"position"], type=Position)
    put(folder, b"meta", b"position", encode(msgspec.structs.replace(position, hash=previous)))
    return altered


def _altered(event: Event) -> Event:
    if isinstance(event, PolicyDecided):
        action = "ignore" if event.action == "process" else "process"
        return msgspec.structs.replace(event, action=action)
    assert isinstance(event, MessageSeen)
    return msgspec.structs.replace(event, sender=event.sender + "x")


def test_a_decision_that_does_not_follow_is_found_though_every_hash_is_right(
    folder: Path,
) -> None:
    altered = rewrite(folder, PolicyDecided)
    proof = prove(folder)
    assert first_found(proof) == altered
    assert "decided again it is" in proof.findings[0].what


def test_a_rewritten_history_does_not_extend_a_head_that_was_kept(folder: Path) -> None:
    log = LmdbLog.open_reader(folder)
    kept = head_of(log)
    log.close()
    assert prove(folder, heads=(kept,)).verified
    rewrite(folder, MessageSeen)
    assert prove(folder, bodies=False).findings[-1:] == ()
    proof = prove(folder, bodies=False, heads=(kept,))
    assert first_found(proof) == kept.seq


def test_a_tail_that_was_cut_off_is_found_by_a_head_that_was_kept(folder: Path) -> None:
    with opened(folder) as source:
        kept = KeptHead(source.log_id, source.position().seq, source.position().hash)
        position = source.position()
    (key, _), (last, _) = entries(folder, b"log")[-2:]
    cut = msgspec.structs.replace(
        position, seq=unpack_u64(last) - 1, hash=chain_hash(dict(entries(folder, b"log"))[key])
    )
    put(folder, b"log", last, None)
    put(folder, b"meta", b"position", encode(cut))
    assert prove(folder).verified
    proof = prove(folder, heads=(kept,))
    assert first_found(proof) == kept.seq
    assert "cut off" in proof.findings[0].what


def test_an_older_head_is_extended_and_one_inside_a_commit_is_not(folder: Path) -> None:
    values = entries(folder, b"log")
    with opened(folder) as source:
        log_id = source.log_id
    head = KeptHead(log_id, unpack_u64(values[5][0]) - 1, chain_hash(values[4][1]))
    assert prove(folder, heads=(head,)).verified
    inside = KeptHead(log_id, head.seq + 1, head.hash)
    assert first_found(prove(folder, heads=(inside,))) == inside.seq


def test_a_head_of_another_log_is_said_to_be_that(written: Path) -> None:
    proof = prove(written, heads=(KeptHead("0badcafe", 1, b"\0" * 32),))
    assert "of the log 0badcafe" in proof.findings[0].what


@pytest.mark.parametrize("text", ["", "x", "a:b:c", "a:1:00", "a:-1:" + "0" * 64, "a:1:2:3"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(MalformedHead):
        parse_head(text)


def test_a_head_reads_back_as_it_was_written() -> None:
    head = KeptHead("0badcafe", 12, bytes(range(32)))
    assert parse_head(f" {head}\n") == head
