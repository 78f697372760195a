"""The walk over batches, in their order: each one is sound, or its damage is named.

A batch is sound when its SHA-256 is the one that the batch after it carries; of the last one the
log's recorded end has it. Nothing is made of bytes that this doesn't confirm. Everybody who reads
batches goes through `walk` (one look-up is a walk of one step): reading and opening a log, the
scrub, backup, check, verify, replay and salvage. `walk_decoded` adds what only the contents tell:
that no sequence is left out.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import chain
from typing import NamedTuple

from events.codec import UNREADABLE
from store.disk import batch
from store.disk.batch import Batch, Entry, chain_hash, previous_hash
from store.disk.position import Head
from store.errors import LogDamaged

_NO_END = 1 << 64


class Flaw(Enum):
    """What can be wrong with a batch, as a sentence about the events that it concerns."""

    ALTERED = "the batch is not what was written"
    UNCONFIRMED = "the batch can't be confirmed, since the one after it is not what was written"
    DETACHED = "the batch does not continue the one before it"
    UNREADABLE = "the batch can't be read"
    MISPLACED = "the batch is not stored under its own number"
    MISSING = "missing"
    WRONG_END = "the log's recorded end is not the end of its last batch"


class SoundBatch(NamedTuple):
    """A batch as it was written: the sequence of its first event, its bytes and their SHA-256."""

    first: int
    data: bytes
    hash: bytes


class Damage(NamedTuple):
    """Where the log is not what was written: the events from `first` to `last`.

    `batch`: the first event from which on nothing is proved; often `first`. `data`: the bytes of
    the batch, as far as there are any.
    """

    batch: int
    first: int
    last: int
    flaw: Flaw
    data: bytes = b""

    @property
    def culprit(self) -> int:
        """The first event of what is wrong: where somebody should look."""
        return self.last + 1 if self.flaw is Flaw.UNCONFIRMED else self.first

    @property
    def reason(self) -> str:
        """What is wrong at the `culprit`."""
        flaw = Flaw.ALTERED if self.flaw is Flaw.UNCONFIRMED else self.flaw
        return str(flaw.value)

    def error(self) -> LogDamaged:
        """The damage as an error, for whoever can't go on."""
        return LogDamaged(
            "the log is not what was written",
            where=f"the batch of event {self.batch}",
            found=f"event {self.culprit}: {self.reason}",
            cure="restore the log from a backup",
        )


class DecodedBatch(NamedTuple):
    """A sound batch with its events. `last`: the sequence of the last one."""

    first: int
    last: int
    hash: bytes
    content: Batch[list[Entry]]


def walk(
    entries: Iterable[tuple[int, bytes]],
    *,
    end: Head | None,
    first: int = 0,
    before: bytes = b"",
    until: int = _NO_END,
) -> Iterator[SoundBatch | Damage]:
    """Go through `entries`, the batches by key, up to the log's recorded `end`.

    What lies behind the `end` was written since, and is left alone; `None`: no end can be read, and
    so nothing confirms the last batch. `first`: the event that the first entry must begin with (0:
    any). `before`: the hash of the batch before it (empty: any). The walk is over with the last
    batch that begins at the event `until` or before it.
    """
    entries = iter(entries)
    limit = end.seq if end else _NO_END
    current = _next(entries, limit)
    if current is None:
        yield from _nothing(end, first, before)
        return
    if first and current[0] != first:
        yield Damage(first, first, current[0] - 1, Flaw.MISSING)
        before = b""
    while current is not None and current[0] <= until:
        key, data = current
        following = _next(entries, limit)
        if following is not None:
            last, recorded = following[0] - 1, previous_hash(following[1])
        else:
            last, recorded = limit, end.hash if end else b""
        digest = chain_hash(data)
        if before and previous_hash(data) != before:
            yield Damage(key, key, last, Flaw.DETACHED, data)
        elif digest == recorded:
            yield SoundBatch(key, data, digest)
        else:
            third = _next(entries, limit) if following else None
            entries = chain([third] if third else [], entries)
            confirming = previous_hash(third[1]) if third else end.hash if end else b""
            intact = following is None or chain_hash(following[1]) == confirming
            yield _blame(key, data, last, successor_intact=intact)
        before, current = b"", following


def walk_decoded(
    steps: Iterable[SoundBatch | Damage], *, first: int, last: int
) -> Iterator[DecodedBatch | Damage]:
    """The batches of a `walk` with their events, which must follow each other without a gap from
    the event `first` to the event `last`.
    """
    expected: int | None = first
    for step in steps:
        if isinstance(step, Damage):
            yield step
            expected = step.last + 1
            continue
        key = step.first
        try:
            content = batch.decode(step.data)
        except UNREADABLE:
            yield Damage(key, key, key, Flaw.UNREADABLE, step.data)
            expected = None
            continue
        wanted = content.first if expected is None else expected
        expected = content.first + sum(len(run.entries) for run in content.runs)
        if content.first != key or key < wanted:
            yield Damage(key, key, expected - 1, Flaw.MISPLACED, step.data)
            continue
        if key > wanted:
            yield Damage(wanted, wanted, key - 1, Flaw.MISSING)
        yield DecodedBatch(key, expected - 1, step.hash, content)
    if expected is not None and expected <= last:
        yield Damage(expected, expected, last, Flaw.MISSING)
    elif expected is not None and expected > last + 1:
        yield Damage(last, last, last, Flaw.WRONG_END)


def require_sound(step: SoundBatch | Damage) -> SoundBatch:
    """The batch. Raises `LogDamaged` for damage."""
    if isinstance(step, Damage):
        raise step.error()
    return step


def _next(entries: Iterator[tuple[int, bytes]], limit: int) -> tuple[int, bytes] | None:
    entry = next(entries, None)
    return None if entry is None or entry[0] > limit else entry


def _nothing(end: Head | None, first: int, before: bytes) -> Iterator[Damage]:
    """There are no batches: that is right only of a log whose recorded end is its beginning."""
    if end is None:
        return
    if end.seq >= max(first, 1):
        yield Damage(first, first, end.seq, Flaw.MISSING)
    elif before and end.hash != before:
        yield Damage(end.seq, end.seq, end.seq, Flaw.WRONG_END)


def _blame(key: int, data: bytes, last: int, *, successor_intact: bool) -> Damage:
    """Which is wrong: a batch, the one after it, or is there one missing between them?"""
    if not successor_intact:
        return Damage(key, key, last, Flaw.UNCONFIRMED, data)
    missing = key + _events_in(data)
    if key < missing <= last < _NO_END:
        return Damage(key, missing, last, Flaw.MISSING, data)
    return Damage(key, key, last, Flaw.ALTERED, data)


def _events_in(data: bytes) -> int:
    """How many events a batch holds; 0 if it can't be read."""
    try:
        return sum(len(run.entries) for run in batch.decode(data).runs)
    except UNREADABLE:
        return 0
