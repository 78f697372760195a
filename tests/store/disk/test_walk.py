"""One walk: every damage of a chain is named with the events that it concerns."""

from collections.abc import Callable

import msgspec
import pytest

from store.disk import batch
from store.disk.batch import Batch, Run, chain_hash, genesis
from store.disk.position import Head
from store.disk.walk import Damage, DecodedBatch, Flaw, SoundBatch, walk, walk_decoded
from store.errors import LogDamaged
from tests.store.builders import tick

START = genesis("0badcafe")
Entries = list[tuple[int, bytes]]


def chained(first: int, count: int, previous: bytes) -> bytes:
    """A batch of `count` events."""
    entries = batch.encode_entries([(0, tick(number)) for number in range(count)])
    run = Run(1, first, 0, "account/main" if first == 1 else None, msgspec.Raw(entries), [])
    return batch.encode(Batch(previous, first, 1_000, [run], []))


def made(*counts: int) -> tuple[Entries, Head]:
    """A log whose batches have so many events each, and its end."""
    entries: Entries = []
    first, previous = 1, START
    for count in counts:
        data = chained(first, count, previous)
        entries.append((first, data))
        first, previous = first + count, chain_hash(data)
    return entries, Head(first - 1, previous)


def altered(data: bytes, at: int = -1) -> bytes:
    """Another byte at the place `at`."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def walked(entries: Entries, end: Head) -> list[DecodedBatch | Damage]:
    steps = walk(entries, end=end, first=1, before=START)
    return list(walk_decoded(steps, first=1, last=end.seq))


def damage(entries: Entries, end: Head) -> list[tuple[int, int, Flaw]]:
    steps = walked(entries, end)
    return [(step.first, step.last, step.flaw) for step in steps if isinstance(step, Damage)]


def test_a_sound_log_is_walked_from_end_to_end() -> None:
    entries, end = made(2, 1, 3)
    found = [(step.first, step.last) for step in walked(entries, end)]
    assert found == [(1, 2), (3, 3), (4, 6)]
    assert damage(entries, end) == []
    assert damage([], Head(0, START)) == []


def test_what_was_written_since_is_left_alone() -> None:
    entries, end = made(2, 1)
    longer, _ = made(2, 1, 4, 4)
    assert walked(longer, end) == walked(entries, end)


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_an_altered_batch_is_named_and_the_walk_goes_on(which: int) -> None:
    entries, end = made(2, 1, 3, 2)
    key, data = entries[which]
    entries[which] = key, altered(data)
    last = (2, 3, 6, 8)[which]
    assert damage(entries, end) == [(key, last, Flaw.ALTERED)]
    assert sum(isinstance(step, DecodedBatch) for step in walked(entries, end)) == 3


def test_a_batch_whose_successor_no_longer_confirms_it_does_not_get_the_blame() -> None:
    entries, end = made(2, 1, 3)
    key, data = entries[1]
    entries[1] = key, altered(data, 10)  # within the hash that it carries of the first batch
    steps = [step for step in walked(entries, end) if isinstance(step, Damage)]
    assert [(step.batch, step.culprit) for step in steps] == [(1, 3), (3, 3)]
    assert steps[0].flaw is Flaw.UNCONFIRMED


@pytest.mark.parametrize(("which", "events"), [(0, (1, 2)), (1, (3, 3)), (2, (4, 6)), (3, (7, 8))])
def test_a_missing_batch_is_named_by_its_events(which: int, events: tuple[int, int]) -> None:
    entries, end = made(2, 1, 3, 2)
    del entries[which]
    assert damage(entries, end)[0] == (*events, Flaw.MISSING)


def test_a_log_without_any_batch_misses_them_all() -> None:
    _, end = made(2, 1)
    assert damage([], end) == [(1, 3, Flaw.MISSING)]
    assert damage([], Head(0, b"x" * 32)) == [(0, 0, Flaw.WRONG_END)]


def test_a_log_that_begins_with_another_history_is_detached() -> None:
    entries, end = made(2, 1)
    steps = walk(entries, end=end, first=1, before=genesis("another"))
    first = next(steps)
    assert isinstance(first, Damage)
    assert first.flaw is Flaw.DETACHED
    assert isinstance(next(steps), SoundBatch)


def rechained(change: Callable[[Entries], None]) -> tuple[Entries, Head]:
    """A log of three batches, changed by somebody who makes every hash good again."""
    entries, _ = made(2, 1, 3)
    change(entries)
    previous = START
    for place, (key, data) in enumerate(entries):
        content = msgspec.structs.replace(batch.decode_lazily(data), previous=previous)
        entries[place] = key, batch.encode(content)
        previous = chain_hash(entries[place][1])
    return entries, Head(6, previous)


def test_events_that_are_left_out_are_missed_though_every_hash_is_right() -> None:
    def leave_out(entries: Entries) -> None:
        del entries[1]

    entries, end = rechained(leave_out)
    assert damage(entries, end) == [(3, 3, Flaw.MISSING)]


def test_a_batch_under_another_number_is_misplaced_though_every_hash_is_right() -> None:
    def move(entries: Entries) -> None:
        entries[2] = (5, entries[2][1])

    entries, end = rechained(move)
    assert damage(entries, end)[0] == (5, 6, Flaw.MISPLACED)


def test_a_batch_that_can_not_be_read_is_said_to_be_that() -> None:
    entries, _ = made(2)
    data = entries[0][1][:-1]
    steps = walk([(1, data)], end=Head(2, chain_hash(data)), first=1)
    (found,) = walk_decoded(steps, first=1, last=2)
    assert isinstance(found, Damage)
    assert found.flaw is Flaw.UNREADABLE


@pytest.mark.parametrize(("seq", "flaw"), [(4, Flaw.MISSING), (2, Flaw.WRONG_END)])
def test_an_end_that_is_not_the_last_batchs_is_noticed(seq: int, flaw: Flaw) -> None:
    entries, end = made(3)
    assert damage(entries, Head(seq, end.hash))[0][2] is flaw


def test_without_an_end_nothing_confirms_the_last_batch() -> None:
    entries, _ = made(2, 1)
    steps = list(walk(entries, end=None, first=1, before=START))
    assert isinstance(steps[0], SoundBatch)
    assert isinstance(steps[1], Damage)


def test_a_part_of_the_log_is_walked_up_to_the_batch_that_begins_before_its_end() -> None:
    entries, end = made(2, 1, 3, 2)
    middle = list(walk(entries[1:], end=end, first=3, before=chain_hash(entries[0][1]), until=5))
    assert [step.first for step in middle] == [3, 4]
    assert all(isinstance(step, SoundBatch) for step in middle)


def test_damage_as_an_error_says_where_and_what() -> None:
    error = Damage(4, 6, 8, Flaw.MISSING).error()
    assert isinstance(error, LogDamaged)
    assert "the batch of event 4" in str(error)
    assert "event 6: missing" in str(error)
