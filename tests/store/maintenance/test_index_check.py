"""Whatever derived table was changed, replay says which; and it shows any earlier state."""

from pathlib import Path
from typing import Any

import pytest

from events.account import state as account
from events.conversation import state as conversation
from events.event import Recorded
from events.policy.account_policy import AccountPolicy
from events.streams import PeerId, account_stream, parse_stream
from store.audit.past_state import past_state_of
from store.disk.layout import pack_u64_pair
from store.errors import LogDamaged
from store.log.lmdb_log import LmdbLog
from store.log.snapshots import Snapshots
from store.maintenance.index_check import Difference, IndexCheck
from store.maintenance.raw_log import opened
from store.maintenance.snapshot_check import compare_snapshots
from tests.bench.audit_log import POLICIES
from tests.store.builders import ALICE, add, dispatched, seen
from tests.store.verify.tampering import entries, put

CODE = b"this code"


def differences(folder: Path) -> list[Difference]:
    with opened(folder) as source:
        return list(IndexCheck(source).compare())


def test_what_is_derived_is_what_the_events_say(written: Path) -> None:
    with opened(written) as source:
        indexes = IndexCheck(source)
        assert list(indexes.compare()) == []
        assert indexes.events == source.position().seq
        assert all(indexes.entries.values())


@pytest.mark.parametrize("table", ["names", "index", "seen", "streams"])
def test_an_entry_that_is_gone_is_told(folder: Path, table: str) -> None:
    key, _ = entries(folder, table.encode())[3]
    put(folder, table.encode(), key, None)
    found = differences(folder)
    assert {difference.table for difference in found} == {table}
    assert any(key.hex() in difference.what for difference in found)


@pytest.mark.parametrize("table", ["names", "index", "seen"])
def test_an_entry_that_was_altered_is_told(folder: Path, table: str) -> None:
    key, value = entries(folder, table.encode())[3]
    put(folder, table.encode(), key, value[:-1] + bytes([value[-1] ^ 1]))
    assert {difference.table for difference in differences(folder)} == {table}


@pytest.mark.parametrize("table", ["names", "index", "seen"])
def test_an_entry_too_many_is_told(folder: Path, table: str) -> None:
    key, value = entries(folder, table.encode())[3]
    put(folder, table.encode(), b"\xff" * len(key), value)
    assert {difference.table for difference in differences(folder)} == {table}


def test_work_that_is_not_open_and_work_that_is_missed(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path)
    add(log, ALICE, seen("one"), seen("two"))
    log.close()
    assert differences(tmp_path) == []
    put(tmp_path, b"open", pack_u64_pair(1, 2), None)
    put(tmp_path, b"open", pack_u64_pair(1, 9), b"")
    assert [difference.what.split(" ")[1] for difference in differences(tmp_path)] == ["2", "9"]


def test_events_that_cannot_be_read_are_no_ground_to_compare_with(folder: Path) -> None:
    put(folder, b"log", entries(folder, b"log")[4][0], b"\x00")
    with pytest.raises(LogDamaged, match="audit verify"):
        differences(folder)


# Snapshots


def test_a_snapshot_that_is_not_what_its_events_fold_to_is_told(folder: Path) -> None:
    log = LmdbLog.open_reader(folder)
    snapshots = Snapshots(folder, log, CODE)
    streams = [
        stream for stream in log.streams("account/") if isinstance(parse_stream(stream), PeerId)
    ]
    good, bad = streams[:2]
    for stream, state in ((good, last_state(log, good)), (bad, conversation.ConversationState())):
        last = list(log.read_stream(stream))[-1]
        snapshots.take(last, encoded(state))
    found = {kept.stream: kept.agrees for kept in compare_snapshots(folder, log, CODE)}
    assert found == {good: True, bad: False}
    log.close()


def last_state(log: Any, stream: str) -> conversation.ConversationState:
    return conversation.fold(log.read_stream(stream))


def encoded(state: Any) -> bytes:
    import msgspec

    return msgspec.msgpack.encode(state)


# The state at a time


def test_the_state_at_the_end_is_what_the_folds_say(written: Path) -> None:
    log = LmdbLog.open_reader(written)
    moment = past_state_of(log)
    assert moment.seq == log.head().seq
    stream = account_stream("main")
    assert moment.accounts == {"main": account.fold(log.read_stream(stream))}
    for address, talk in moment.conversations.items():
        if isinstance(address, PeerId):
            state = last_state(log, f"{stream}/peer/{address.name}")
            assert talk.watermark == state.watermark
            assert bool(talk.unfinished) != state.at_rest
    log.close()


def test_at_an_earlier_time_it_is_what_was_then(written: Path) -> None:
    log = LmdbLog.open_reader(written)
    everything: list[Recorded] = list(log.read())
    middle = everything[len(everything) // 2].time // 1_000_000
    then = [record for record in everything if record.time // 1_000_000 <= middle]
    moment = past_state_of(log, middle)
    assert moment.seq == then[-1].seq
    own = [record for record in then if record.stream == account_stream("main")]
    assert moment.accounts["main"] == account.fold(own)
    policy: AccountPolicy | None = moment.accounts["main"].policy
    assert policy in POLICIES[1:4]
    assert past_state_of(log, 1).seq == 0
    log.close()


def test_an_event_that_closes_itself_leaves_nothing_open(tmp_path: Path) -> None:
    """No daemon records such a one; the writer and the check must agree all the same."""
    log = LmdbLog.open(tmp_path)
    add(log, ALICE, dispatched(1))
    assert dict(log.open_work()) == {}
    log.close()
    assert differences(tmp_path) == []
