"""Every decision on record can be found by what it was about, and by when."""

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.conversation.events import MessageIgnored, PolicyDecided
from events.streams import GroupId, PeerId
from store.audit import decisions as room
from store.audit.decisions import INTAKE, Decision, Decisions
from store.audit.selection import Selection
from store.log.lmdb_log import LmdbLog
from store.log.lmdb_reader import LmdbReader
from tests.store.builders import add


@pytest.fixture(scope="module")
def everything(log: LmdbReader) -> list[Decision]:
    return list(Decisions(log).all())


def test_every_decision_is_listed_once_in_order(
    log: LmdbReader, everything: list[Decision]
) -> None:
    events = [
        record.seq
        for record in log.read()
        if isinstance(record.event, PolicyDecided | MessageIgnored)
    ]
    assert [decision.seq for decision in everything] == events
    assert {decision.action for decision in everything} == {"process", "ignore", "pairing"}


def test_a_decision_says_what_it_is_about(log: LmdbReader, everything: list[Decision]) -> None:
    for decision in everything[:50]:
        decided = log.event(decision.seq)
        message = log.event(decision.message)
        assert decided is not None
        assert message is not None
        assert decision.identity == message.event.identity  # type: ignore[attr-defined]
        assert decision.sender == message.event.sender  # type: ignore[attr-defined]
        text = Decisions(log).text(decision)
        assert (text is None) == (decision.rule == INTAKE)


SELECTIONS = st.builds(
    Selection,
    account=st.sampled_from(["", "main", "other"]),
    peer=st.sampled_from(["", "", "user0", "user1", "nobody"]),
    group=st.sampled_from(["", "", "team", "user1/team", "user2/team"]),
    sender=st.sampled_from(["", "", "user0", "user2"]),
    actions=st.frozensets(st.sampled_from(["process", "ignore", "pairing"]), max_size=2),
    reasons=st.frozensets(st.sampled_from(["denied", "pending", "oversize"]), max_size=1),
    text=st.sampled_from(["", "", "TRAIN", "привет"]),
)


@given(wanted=SELECTIONS, window=st.sampled_from([7, 300, 100_000]), data=st.data())
@settings(max_examples=60)
def test_a_selection_holds_what_fits_and_nothing_else(
    log: LmdbReader,
    everything: list[Decision],
    wanted: Selection,
    window: int,
    data: st.DataObject,
) -> None:
    times = sorted({decision.time_ms for decision in everything})
    wanted = Selection(
        account=wanted.account,
        peer=wanted.peer,
        group=wanted.group,
        sender=wanted.sender,
        actions=wanted.actions,
        reasons=wanted.reasons,
        text=wanted.text,
        since_ms=data.draw(st.sampled_from([0, *times])),
        until_ms=data.draw(st.sampled_from([0, *times])),
    )
    expected = [decision for decision in everything if is_wanted(decision, wanted, log)]
    found = Decisions(log, wanted)
    assert list(found.all()) == expected
    before = data.draw(st.integers(0, log.head().seq))
    count = data.draw(st.integers(1, 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "WINDOW", window)
        newest = Decisions(log, wanted).newest(count, before)
    assert (
        newest
        == [decision for decision in expected if not before or decision.seq < before][-count:]
    )


def is_wanted(decision: Decision, wanted: Selection, log: LmdbReader) -> bool:
    """The same in other words."""
    where = decision.address
    text = None if decision.rule == INTAKE else log.body(decision.message)
    group = f"{where.creator}/{where.group}" if isinstance(where, GroupId) else ""
    return all(
        (
            not wanted.account or where.account == wanted.account,
            not wanted.peer or (isinstance(where, PeerId) and where.name == wanted.peer),
            not wanted.group or (group and wanted.group in (group, group.split("/")[1])),
            not wanted.sender or decision.sender == wanted.sender,
            not wanted.actions or decision.action in wanted.actions,
            not wanted.reasons or decision.reason in wanted.reasons,
            not wanted.since_ms or decision.time_ms >= wanted.since_ms,
            not wanted.until_ms or decision.time_ms <= wanted.until_ms,
            not wanted.text or (text and wanted.text.casefold() in text.casefold()),
        )
    )


def test_pages_going_back_hold_everything_once(log: LmdbReader, everything: list[Decision]) -> None:
    found: list[Decision] = []
    before = 0
    while page := Decisions(log).newest(70, before):
        found = [*page, *found]
        before = page[0].seq
    assert found == everything


def test_what_is_decided_later_follows(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path)
    stop = threading.Event()
    followed = Decisions(log).follow(log.head().seq, stop)
    ignored = MessageIgnored(b"i" * 16, "alice", 1, "blank", "feed")
    add(log, "account/main/peer/alice", ignored)
    assert next(followed).identity == ignored.identity
    stop.set()
    log.close()
