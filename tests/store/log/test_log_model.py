"""Any history of appends, refusals, erasures and reopenings, against a model of a few lines."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from events.conversation.events import BaselineTaken
from events.event import Body, Draft, Event
from events.gateway.events import KeysLost
from events.projections import closes, identities, opens
from events.streams import GATEWAY
from store.log.event_log import (
    Committed,
    DuplicateMessage,
    EventLog,
    Place,
    VersionConflict,
)
from store.log.lmdb_log import LmdbLog
from store.log.memory_log import MemoryLog
from store.maintenance.check import examine
from tests.store.builders import dispatched, identity, seen, sent, tick

STREAMS = ("gateway", "account/a", "account/a/peer/x", "account/a/peer/x/y")
PERSONS = ("alice", "bob")

events = st.one_of(
    st.integers(0, 40).map(seen),
    st.integers(1, 12).map(dispatched),
    st.integers(1, 12).map(sent),
    st.integers(-(1 << 63), (1 << 63) - 1).map(tick),
    st.lists(st.integers(20, 40), max_size=3).map(
        lambda names: BaselineTaken(tuple(map(identity, names)))
    ),
)
bodies = st.builds(
    Body, st.sampled_from(PERSONS), st.text(max_size=20), st.binary(min_size=16, max_size=16)
)
appends = st.lists(
    st.builds(
        Draft,
        st.sampled_from(STREAMS),
        events,
        st.just(0),
        st.lists(bodies, max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=6,
)


class Model:
    """A log as the promises put it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, Event]] = []
        self.versions: dict[str, int] = {}
        self.seen: dict[bytes, Place] = {}
        self.work: dict[str, list[int]] = {}
        self.bodies: dict[tuple[int, int], Body] = {}

    def duplicate(self, drafts: list[Draft]) -> bool:
        named = [known for draft in drafts for known in identities(draft.event)]
        return len(set(named)) < len(named) or any(known in self.seen for known in named)

    def add(self, drafts: list[Draft]) -> None:
        for draft in drafts:
            version = self.versions.get(draft.stream, 0) + 1
            self.versions[draft.stream] = version
            self.events.append((draft.stream, version, draft.event))
            self.seen |= {known: Place(draft.stream, version) for known in identities(draft.event)}
            work = self.work.setdefault(draft.stream, [])
            work += [version] if opens(draft.event) else []
            self.work[draft.stream] = [
                version for version in work if version not in closes(draft.event)
            ]
            for slot, body in enumerate(draft.bodies):
                self.bodies[len(self.events), slot] = body


class Histories(RuleBasedStateMachine):
    """The same for each kind of log."""

    log: EventLog

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @rule(drafts=appends, wrong=st.sampled_from([0, 0, 0, 0, 1, -1]))
    def append(self, drafts: list[Draft], wrong: int) -> None:
        expected = {each.stream: self.model.versions.get(each.stream, 0) for each in drafts}
        expected[drafts[-1].stream] += wrong
        before = self.log.head()
        try:
            recorded = self.log.commit(drafts, expected=expected)
        except VersionConflict:
            assert wrong
        except DuplicateMessage:
            assert not wrong
            assert self.model.duplicate(drafts)
        else:
            assert not wrong
            assert not self.model.duplicate(drafts)
            self.model.add(drafts)
            assert recorded == tuple(self.log.read(before.seq))
            return
        assert self.log.head() == before

    @rule(histories=st.lists(appends, min_size=2, max_size=5))
    def append_together(self, histories: list[list[Draft]]) -> None:
        """Several wait at once; the model takes those that were committed, in their order."""
        outcomes: list[object] = []
        versions = dict(self.model.versions)
        for drafts in histories:
            expected = {each.stream: versions.get(each.stream, 0) for each in drafts}
            self.log.append(drafts, expected=expected, then=outcomes.append)
            for each in drafts:
                versions[each.stream] = versions.get(each.stream, 0) + 1
        self.log.commit([], expected={})
        assert len(outcomes) == len(histories)
        for drafts, outcome in zip(histories, outcomes, strict=True):
            if isinstance(outcome, Committed):
                assert not self.model.duplicate(drafts)
                self.model.add(drafts)

    @rule(person=st.sampled_from(PERSONS))
    def forget(self, person: str) -> None:
        lost = KeysLost((person,), ())
        self.log.commit([Draft(GATEWAY, lost)], expected={GATEWAY: self.log.version(GATEWAY)})
        self.model.add([Draft(GATEWAY, lost)])
        self.log.destroy(person)
        kept = {at: body for at, body in self.model.bodies.items() if body.person != person}
        self.model.bodies = kept

    @invariant()
    def what_is_read_is_what_the_model_says(self) -> None:
        log, model = self.log, self.model
        everything = list(log.read())
        assert [(each.stream, each.version, each.event) for each in everything] == model.events
        assert [each.seq for each in everything] == list(range(1, len(model.events) + 1))
        assert log.head().seq == len(everything)
        for stream in STREAMS:
            assert log.version(stream) == model.versions.get(stream, 0)
            assert list(log.read_stream(stream)) == [e for e in everything if e.stream == stream]
        assert list(log.streams()) == list(model.versions)
        assert dict(log.identities(b"")) == model.seen
        assert dict(log.open_work()) == {s: tuple(left) for s, left in model.work.items() if left}
        for seq in range(1, len(everything) + 1):
            for slot in range(2):
                body = model.bodies.get((seq, slot))
                assert log.body(seq, slot) == (body.text if body else None)


class MemoryHistories(Histories):
    def __init__(self) -> None:
        super().__init__()
        self.log = MemoryLog()


class LmdbHistories(Histories):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.log = LmdbLog.open(self.folder / "log")

    @precondition(lambda self: self.model.events)
    @rule()
    def reopen(self) -> None:
        before = self.log.log_id, self.log.head()
        self.log.close()
        self.log = LmdbLog.open(self.folder / "log")
        assert (self.log.log_id, self.log.head()) == before

    def teardown(self) -> None:
        self.log.close()
        assert examine(self.folder / "log") == []
        shutil.rmtree(self.folder)


TestMemoryHistories = MemoryHistories.TestCase
TestMemoryHistories.settings = settings(max_examples=30, stateful_step_count=20)
TestLmdbHistories = LmdbHistories.TestCase
TestLmdbHistories.settings = settings(max_examples=30, stateful_step_count=20)
