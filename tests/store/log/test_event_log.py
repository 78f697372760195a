"""What every log promises: one suite for the log on disk and the one in memory."""

import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from queue import SimpleQueue

import pytest

from events.conversation.events import BaselineTaken, MessageIgnored, MessageQueued
from events.event import Body, Draft, Event
from events.projections import identities
from store.log.event_log import (
    Committed,
    Conflict,
    Duplicate,
    DuplicateMessage,
    EventLog,
    InvalidAppend,
    LogUnusable,
    Outcome,
    Place,
    SecretKey,
    VersionConflict,
)
from store.log.lmdb_log import LmdbLog
from store.log.memory_log import MemoryLog
from tests.store.builders import (
    ALICE,
    BOB,
    add,
    add_all,
    body,
    dispatched,
    drafts,
    end_key,
    identity,
    seen,
    sent,
    tick,
    ticks,
)

Clock = Callable[[], int]


def on_disk(folder: Path, clock: Clock) -> EventLog:
    return LmdbLog.open(folder / "log", clock_ns=clock)


def in_memory(_: Path, clock: Clock) -> EventLog:
    return MemoryLog(clock_ns=clock)


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = 1_790_000_000_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(params=[on_disk, in_memory])
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> Iterator[EventLog]:
    made: EventLog = request.param(tmp_path, clock)
    yield made
    made.close()


def asked(log: EventLog, items: list[Draft], expected: dict[str, int]) -> Outcome:
    """The outcome of an append, as its author hears it."""
    heard: SimpleQueue[Outcome] = SimpleQueue()
    log.append(items, expected=expected, then=heard.put)
    return heard.get(timeout=10)


# Appending


def test_a_new_log_is_empty(log: EventLog) -> None:
    assert log.head().seq == 0
    assert len(log.head().hash) == 32
    assert len(log.log_id) == 8
    assert int(log.log_id, 16) >= 0
    assert list(log.read()) == []
    assert list(log.streams()) == []
    assert list(log.open_work()) == []
    assert log.version(ALICE) == 0
    assert log.event(0) is None
    assert log.event(1) is None


def test_sequences_count_the_log_and_versions_the_stream(log: EventLog) -> None:
    add(log, ALICE, tick(1), tick(2))
    add(log, BOB, tick(3))
    add(log, ALICE, tick(4))
    assert [(each.seq, each.stream, each.version) for each in log.read()] == [
        (1, ALICE, 1),
        (2, ALICE, 2),
        (3, BOB, 1),
        (4, ALICE, 3),
    ]
    assert (log.version(ALICE), log.version(BOB), log.head().seq) == (3, 1, 4)


def test_one_append_may_weave_streams_and_keeps_its_order(log: EventLog) -> None:
    woven = [Draft(ALICE, tick(1)), Draft(BOB, tick(2)), Draft(ALICE, tick(3)), Draft(BOB, tick(4))]
    recorded = add_all(log, *woven)
    assert [each.event for each in recorded] == [tick(1), tick(2), tick(3), tick(4)]
    assert list(log.read()) == list(recorded)
    assert [each.event for each in log.read_stream(BOB)] == [tick(2), tick(4)]
    assert [each.version for each in log.read_stream(ALICE)] == [1, 2]


def test_the_author_hears_what_was_recorded(log: EventLog) -> None:
    outcome = asked(log, drafts(ALICE, tick(1)), {ALICE: 0})
    assert outcome == Committed(tuple(log.read()))


def test_a_stream_that_has_moved_on_refuses(log: EventLog) -> None:
    add(log, ALICE, tick())
    assert asked(log, drafts(ALICE, tick()), {ALICE: 0}) == Conflict(ALICE, 0, 1)
    assert asked(log, drafts(BOB, tick()), {BOB: 2}) == Conflict(BOB, 2, 0)
    with pytest.raises(VersionConflict, match="version 1 instead of 0"):
        log.commit(drafts(ALICE, tick()), expected={ALICE: 0})
    assert log.head().seq == 1


def test_an_append_is_stored_whole_or_not_at_all(log: EventLog) -> None:
    add(log, BOB, tick())
    both = [Draft(ALICE, seen("m"), bodies=(body("lost"),)), Draft(BOB, tick())]
    assert asked(log, both, {ALICE: 0, BOB: 0}) == Conflict(BOB, 0, 1)
    assert log.version(ALICE) == 0
    assert log.seen(identity("m")) is None
    assert list(log.streams()) == [BOB]
    assert list(log.open_work()) == []
    assert log.body(2) is None


def test_a_stream_that_is_only_expected_counts_too(log: EventLog) -> None:
    add(log, BOB, tick())
    assert asked(log, drafts(ALICE, tick()), {ALICE: 0, BOB: 0}) == Conflict(BOB, 0, 1)
    assert isinstance(asked(log, drafts(ALICE, tick()), {ALICE: 0, BOB: 1}), Committed)


def test_an_append_of_nothing_only_checks(log: EventLog) -> None:
    before = log.head()
    assert asked(log, [], {ALICE: 0}) == Committed(())
    assert asked(log, [], {ALICE: 1}) == Conflict(ALICE, 1, 0)
    assert log.head() == before


def test_a_wide_append_stays_one(log: EventLog) -> None:
    recorded = log.commit(drafts(ALICE, *map(tick, range(5_000))), expected={ALICE: 0})
    assert [each.seq for each in recorded] == list(range(1, 5_001))
    assert list(log.read()) == list(recorded)
    assert list(log.read_stream(ALICE, after=4_990)) == list(recorded[4_990:])


def test_times_never_run_backwards(log: EventLog, clock: SetClock) -> None:
    first = clock.now
    add(log, ALICE, tick())
    clock.now -= 5_000
    add(log, ALICE, tick())
    clock.now += 6_000
    add(log, ALICE, tick())
    assert [each.time - first for each in log.read()] == [0, 0, 1_000]


def test_causes_are_absolute_when_they_are_read(log: EventLog) -> None:
    add(log, BOB, tick(), tick())
    add_all(
        log,
        Draft(ALICE, tick(), cause=2),
        Draft(ALICE, tick(), cause=-1),
        Draft(BOB, tick(), cause=-2),
    )
    assert [each.cause for each in log.read()] == [0, 0, 2, 3, 3]
    assert [each.cause for each in log.read_stream(ALICE)] == [2, 3]


def test_the_head_changes_with_every_commit(log: EventLog) -> None:
    heads = {log.head().hash}
    for number in range(5):
        add(log, ALICE, tick(number))
        heads.add(log.head().hash)
    assert len(heads) == 6


@pytest.mark.parametrize(
    "draft",
    [
        Draft("", tick()),
        Draft(ALICE + "\ud800", tick()),
        Draft(ALICE, tick(), cause=-1),
        Draft(ALICE, tick(1 << 70)),
        Draft(ALICE, tick("soon")),  # type: ignore[arg-type]
        Draft(ALICE, seen("m", sender="\udc00")),
        Draft(ALICE, Event()),
        Draft(ALICE, MessageIgnored(b"short", "alice", 1, "blank", "feed")),
        Draft(ALICE, MessageIgnored(identity("m"), "alice", 1, "bored", "feed")),  # type: ignore[arg-type]
        Draft(ALICE, seen("m"), bodies=(Body("alice", "hi", b"pinch"),)),
    ],
    ids=[
        "stream without a name",
        "name that is no text",
        "cause before its append",
        "number too large",
        "wrong type",
        "text that is none",
        "no event of ours",
        "short identity",
        "word that is not allowed",
        "short salt",
    ],
)
def test_what_could_not_be_read_again_is_refused_at_once(log: EventLog, draft: Draft) -> None:
    heard: list[Outcome] = []
    with pytest.raises(InvalidAppend):
        log.append([draft], expected={draft.stream: 0}, then=heard.append)
    add(log, BOB, tick())
    assert heard == []
    assert log.version(ALICE) == 0


def test_every_stream_of_an_append_is_expected_somewhere(log: EventLog) -> None:
    with pytest.raises(InvalidAppend, match="bob"):
        log.commit([Draft(ALICE, tick()), Draft(BOB, tick())], expected={ALICE: 0})


def test_streams_may_have_long_and_strange_names(log: EventLog) -> None:
    names = [
        "account/main/peer/" + "ä" * 2_000,
        "account/main/peer/\x00\n",
        "𝕏",
        "account/main/peer/ä",
    ]
    for name in names:
        add(log, name, tick())
    assert list(log.streams()) == names
    assert [each.stream for each in log.read()] == names
    assert list(log.streams("account/main/peer/ä")) == [names[0], names[3]]


def test_after_closing_nothing_is_taken(log: EventLog) -> None:
    log.close()
    with pytest.raises(LogUnusable, match="closed"):
        log.append(drafts(ALICE, tick()), expected={ALICE: 0}, then=lambda outcome: None)
    log.close()


# Messages that are known


def test_a_known_message_is_not_recorded_again(log: EventLog) -> None:
    add(log, ALICE, tick(), seen("m"))
    assert log.seen(identity("m")) == Place(ALICE, 2)
    assert log.seen(identity("other")) is None
    assert log.seen(b"") is None
    outcome = asked(log, [Draft(BOB, tick()), Draft(BOB, seen("m"))], {BOB: 0})
    assert outcome == Duplicate(identity("m"))
    with pytest.raises(DuplicateMessage):
        add(log, BOB, MessageIgnored(identity("m"), "alice", 1, "self", "chat"))
    assert log.version(BOB) == 0


def test_a_message_twice_in_one_append_is_a_duplicate(log: EventLog) -> None:
    assert asked(log, drafts(ALICE, seen("m"), seen("m")), {ALICE: 0}) == Duplicate(identity("m"))
    assert log.seen(identity("m")) is None


def test_a_baseline_makes_all_its_messages_known(log: EventLog) -> None:
    add(log, ALICE, BaselineTaken(tuple(map(identity, range(300)))))
    assert log.seen(identity(299)) == Place(ALICE, 1)
    assert asked(log, drafts(ALICE, seen(7)), {ALICE: 1}) == Duplicate(identity(7))


def test_identities_are_found_by_their_beginning(log: EventLog) -> None:
    add(log, ALICE, BaselineTaken(tuple(map(identity, range(600)))))
    add(log, BOB, seen(600))
    prefix = identity(600)[:1]
    expected = sorted(known for known in map(identity, range(601)) if known.startswith(prefix))
    found = list(log.identities(prefix))
    assert [known for known, _ in found] == expected
    assert dict(found)[identity(600)] == Place(BOB, 1)
    assert len(list(log.identities(b""))) == 601


# Open work


def test_work_is_open_until_an_event_ends_it(log: EventLog) -> None:
    add(log, ALICE, seen(1), seen(2))
    add(log, BOB, seen(3))
    assert list(log.open_work()) == [(ALICE, (1, 2)), (BOB, (1,))]
    add(log, ALICE, dispatched(1))
    assert list(log.open_work()) == [(ALICE, (2, 3)), (BOB, (1,))]
    add(log, BOB, dispatched(1), MessageQueued("reply", b"", 1, 2), sent(3), sent(2))
    assert list(log.open_work()) == [(ALICE, (2, 3))]


def test_work_may_begin_and_end_in_one_append(log: EventLog) -> None:
    add(log, ALICE, seen(1), dispatched(1), sent(2))
    assert list(log.open_work()) == []


def test_to_end_what_was_never_open_is_no_error(log: EventLog) -> None:
    add(log, ALICE, sent(77), sent(0), sent(-1), sent(1 << 63), dispatched(6))
    add(log, ALICE, seen(1))
    assert list(log.open_work()) == [(ALICE, (5, 6))]


# Bodies and keys


def test_bodies_come_back_as_they_were_written(log: EventLog) -> None:
    words = ["hello", "", "two\nlines\0", "\ud800 alone", "𝕏" * 50_000]
    first = Draft(ALICE, seen(1), bodies=tuple(map(body, words[:3])))
    second = Draft(ALICE, seen(2), bodies=tuple(map(body, words[3:])))
    add_all(log, Draft(BOB, tick()), first, second)
    assert [log.body(2, slot) for slot in range(4)] == [*words[:3], None]
    assert [log.body(3), log.body(3, 1)] == words[3:]
    assert [log.body(1), log.body(9), log.body(-1), log.body(2, 256)] == [None] * 4


def test_everybody_has_a_key_of_their_own(log: EventLog) -> None:
    assert log.key("alice") == log.key("alice")
    assert len(log.key("alice").secret) == 32
    assert len({log.key(name) for name in ("alice", "Alice", "bob", "\ud800")}) == 4


def test_a_destroyed_key_takes_the_persons_words_with_it(log: EventLog) -> None:
    add_all(log, Draft(ALICE, seen(1), bodies=(body("hers", "alice"), body("his", "bob"))))
    old = log.key("alice")
    assert end_key(log, "alice") is True
    assert (log.body(1), log.body(1, 1)) == (None, "his")
    assert log.destroy("alice") is False
    assert log.key("alice") != old
    add_all(log, Draft(ALICE, seen(2), bodies=(body("new", "alice"),)))
    assert (log.body(1), log.body(3)) == (None, "new")
    assert [each.version for each in log.read_stream(ALICE)] == [1, 2]


def test_a_key_is_drawn_once_however_many_ask(log: EventLog) -> None:
    keys: SimpleQueue[SecretKey] = SimpleQueue()
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait()
        keys.put(log.key("alice"))

    in_threads(8, ask)
    assert len({keys.get() for _ in range(8)}) == 1


# Reading


def test_reading_begins_anywhere(log: EventLog) -> None:
    for first in range(0, 30, 3):
        add(log, ALICE, *map(tick, range(first, first + 3)))
    everything = list(log.read())
    for after in range(32):
        assert list(log.read(after)) == everything[after:]
        assert list(log.read_stream(ALICE, after)) == everything[after:]
        assert log.event(after) == (everything[after - 1] if 0 < after <= 30 else None)
    assert list(log.read(-5)) == everything
    assert list(log.read_stream("account/none")) == []


def test_streams_are_listed_by_their_beginning(log: EventLog) -> None:
    for name in ("account/a", "account/b", "gateway", "account/a/peer/x"):
        add(log, name, tick())
    assert list(log.streams()) == ["account/a", "account/b", "gateway", "account/a/peer/x"]
    assert list(log.streams("account/a")) == ["account/a", "account/a/peer/x"]
    assert list(log.streams("x")) == []


def test_a_follower_hears_of_the_past_and_of_what_comes(log: EventLog) -> None:
    ticks(log, 3)
    heard: SimpleQueue[int] = SimpleQueue()
    stop = threading.Event()

    def follow() -> None:
        for each in log.follow(1, stop):
            heard.put(each.seq)

    follower = threading.Thread(target=follow)
    follower.start()
    assert [heard.get(timeout=5) for _ in range(2)] == [2, 3]
    ticks(log, 2)
    assert [heard.get(timeout=5) for _ in range(2)] == [4, 5]
    stop.set()
    follower.join(timeout=5)
    assert not follower.is_alive()


# Many at once


def in_threads(number: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_writers_in_many_threads_leave_no_gap(log: EventLog) -> None:
    """Each thread retries on a conflict; the streams overlap, so that there are some."""
    streams = [f"account/main/peer/{name}" for name in "abcd"]
    numbers = count()

    def write() -> None:
        for _ in range(25):
            number = next(numbers)
            both = streams[number % 4], streams[(number + 1) % 4]
            while True:
                items = [Draft(both[0], seen(f"{number}")), Draft(both[1], tick(number))]
                try:
                    add_all(log, *items)
                    break
                except VersionConflict:
                    continue

    in_threads(8, write)
    everything = list(log.read())
    assert [each.seq for each in everything] == list(range(1, 401))
    for stream in streams:
        assert [each.version for each in log.read_stream(stream)] == list(range(1, 101))
    for first, second in zip(everything[::2], everything[1::2], strict=True):
        assert first.time == second.time
    messages = everything[::2]
    assert dict(log.identities(b"")) == {
        known: Place(message.stream, message.version)
        for message in messages
        for known in identities(message.event)
    }
    assert dict(log.open_work()) == {
        stream: tuple(message.version for message in messages if message.stream == stream)
        for stream in streams
    }
    assert {stream: log.version(stream) for stream in log.streams()} == dict.fromkeys(streams, 100)


def test_of_many_who_expect_the_same_version_one_succeeds(log: EventLog) -> None:
    outcomes: SimpleQueue[Outcome] = SimpleQueue()
    together = threading.Barrier(8)

    def write() -> None:
        together.wait()
        log.append(drafts(ALICE, tick()), expected={ALICE: 0}, then=outcomes.put)

    in_threads(8, write)
    heard = [outcomes.get(timeout=5) for _ in range(8)]
    assert sum(isinstance(each, Committed) for each in heard) == 1
    assert heard.count(Conflict(ALICE, 0, 1)) == 7


def test_authors_hear_in_the_order_in_which_they_asked(log: EventLog) -> None:
    heard: list[tuple[int, int]] = []
    done = threading.Event()

    def then(number: int) -> Callable[[Outcome], None]:
        def hear(outcome: Outcome) -> None:
            assert isinstance(outcome, Committed)
            heard.append((number, outcome.events[0].seq))
            if number == 499:
                done.set()

        return hear

    for number in range(500):
        log.append(drafts(ALICE, tick(number)), expected={ALICE: number}, then=then(number))
    assert done.wait(timeout=10)
    assert heard == [(number, number + 1) for number in range(500)]
