"""Which layout the log should have: a value for every event, or one for every commit.

    python tests/bench/store_layout.py [events to fold] [rounds]

Variants run interleaved, on the same events, in one process; the best of the rounds counts, and
only ratios within one run mean anything. Printed: durable appends (LMDB, both flushes) at 1, 10,
100 and 1,000 events a commit, and decoding with a small fold (events a stream, its last version) of
a log that was written 100 at a time.

- `event`: `log` seq -> event, `index` (stream, seq) -> version, an entry each for every event
- `pairs`: `log` first seq -> batch of runs `[stream, version, [[cause, event], …]]`,
  `index` (stream, first seq) -> version, an entry for every stream in the batch
- `columns`: the same with runs `[stream, version, [cause, …], [event, …]]`
"""

import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from events.codec import AnyEvent
from events.conversation.events import DecisionInputs, Dispatched, MessageSeen, PolicyDecided
from events.event import Event, Recorded
from events.policy.account_policy import ToolGrant
from events.watermark import WatermarkAdvanced

STREAMS = 2_000
FLUSHES = {1: 1_000, 10: 500, 100: 200, 1_000: 40}
PAIR = struct.Struct(">QQ").pack
WORD = struct.Struct(">Q").pack
Fact = tuple[int, int, int, Event]  # stream, version, cause, event


def facts(count: int) -> Iterator[Fact]:
    """Four events a message, its stream drawn at random: `count` of them."""
    chance = random.Random(1)
    versions = [0] * STREAMS
    for seen in range(1, count + 1, 4):
        stream = chance.randrange(STREAMS)
        version = versions[stream]
        for place, event in enumerate(message(chance, version, seen)):
            yield stream, version + place + 1, -1 if place else 0, event
        versions[stream] = version + 4


def message(chance: random.Random, version: int, now: int) -> tuple[Event, ...]:
    """What the log holds of one message that is answered, without the answer."""
    inputs = DecisionInputs(now, chance.randbytes(16), 1, "my-bot", 12)
    seen = MessageSeen(chance.randbytes(16), "alice", now, chance.randbytes(32), 120, "feed")
    decided = PolicyDecided(
        version + 1, "process", "whitelisted", "allow-from", False, ToolGrant(), inputs
    )
    dispatched = Dispatched((version + 1,), "alice", "echo", ToolGrant())
    return seen, decided, dispatched, WatermarkAdvanced(now)


class PerEvent:
    """A value and an index entry for every event."""

    def __init__(self, path: Path, *, sync: bool) -> None:
        self.env = lmdb.open(str(path), map_size=1 << 34, max_dbs=2, sync=sync, mode=0o700)
        self.log = self.env.open_db(b"log")
        self.index = self.env.open_db(b"index")
        self.encode = msgspec.msgpack.Encoder().encode
        self.seq = 0

    def append(self, batch: list[Fact]) -> None:
        now, first = time.time_ns(), self.seq + 1
        log = [
            (WORD(seq), self.encode((stream, version, now, cause, event)))
            for seq, (stream, version, cause, event) in enumerate(batch, first)
        ]
        index = sorted((PAIR(fact[0], seq), WORD(fact[1])) for seq, fact in enumerate(batch, first))
        self.write(log, index)
        self.seq += len(batch)

    def write(self, log: list[tuple[bytes, bytes]], index: list[tuple[bytes, bytes]]) -> None:
        with self.env.begin(write=True) as txn:
            assert txn.cursor(self.log).putmulti(log, append=True) == (len(log), len(log))
            assert txn.cursor(self.index).putmulti(index) == (len(index), len(index))

    def read(self) -> Iterator[Recorded]:
        row = tuple[int, int, int, int, AnyEvent]  # type: ignore[valid-type]
        decode = msgspec.msgpack.Decoder(row).decode
        names = [f"account/a/peer/{stream}" for stream in range(STREAMS)]
        with self.env.begin() as txn:
            for seq, value in enumerate(txn.cursor(self.log).iternext(keys=False), 1):
                stream, version, now, cause, event = decode(value)
                yield Recorded(seq, names[stream], version, now, cause, event)


class Pairs(PerEvent):
    """A value for every commit, an index entry for each stream in it; events beside causes."""

    run: Any = tuple[int, int, list[tuple[int, AnyEvent]]]  # type: ignore[valid-type]

    def append(self, batch: list[Fact]) -> None:
        first = self.seq + 1
        runs = [self.encode_run(list(run)) for _, run in groupby(batch, itemgetter(0))]
        starts: dict[int, int] = {}
        for run in runs:
            starts.setdefault(run[0], run[1])
        value = self.encode((bytes(32), first, time.time_ns(), runs))
        index = sorted((PAIR(stream, first), WORD(version)) for stream, version in starts.items())
        self.write([(WORD(first), value)], index)
        self.seq += len(batch)

    def encode_run(self, run: list[Fact]) -> tuple[Any, ...]:
        stream, version, _, _ = run[0]
        return stream, version, [fact[2:] for fact in run]

    def read(self) -> Iterator[Recorded]:
        decode = msgspec.msgpack.Decoder(tuple[bytes, int, int, list[self.run]]).decode  # type: ignore[name-defined]
        names = [f"account/a/peer/{stream}" for stream in range(STREAMS)]
        with self.env.begin() as txn:
            for value in txn.cursor(self.log).iternext(keys=False):
                _, seq, now, runs = decode(value)
                for run in runs:
                    yield from self.recorded(seq, now, names[run[0]], run)
                    seq += len(run[-1])

    def recorded(self, seq: int, now: int, name: str, run: Any) -> list[Recorded]:
        return [
            Recorded(seq + i, name, run[1] + i, now, cause, event)
            for i, (cause, event) in enumerate(run[2])
        ]


class Columns(Pairs):
    """The same with causes and events in two arrays."""

    run: Any = tuple[int, int, list[int], list[AnyEvent]]  # type: ignore[valid-type]

    def encode_run(self, run: list[Fact]) -> tuple[Any, ...]:
        stream, version, _, _ = run[0]
        return stream, version, [fact[2] for fact in run], [fact[3] for fact in run]

    def recorded(self, seq: int, now: int, name: str, run: Any) -> list[Recorded]:
        return [
            Recorded(seq + i, name, run[1] + i, now, cause, event)
            for i, (cause, event) in enumerate(zip(run[2], run[3], strict=True))
        ]


VARIANTS: dict[str, type[PerEvent]] = {"event": PerEvent, "pairs": Pairs, "columns": Columns}


def timed(work: Callable[[], None]) -> float:
    """Seconds that `work` took."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def append_all(log: PerEvent, batches: list[list[Fact]]) -> None:
    """Each durable before the next."""
    for batch in batches:
        log.append(batch)


def appends(kind: type[PerEvent], size: int) -> float:
    """Durable appends of `size` events, events/s."""
    count = size * FLUSHES[size]
    supply = list(facts(count))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        log = kind(Path(folder), sync=True)
        batches = [supply[start : start + size] for start in range(0, count, size)]
        seconds = timed(partial(append_all, log, batches))
        log.env.close()
    return count / seconds


def fold(log: PerEvent) -> None:
    """Events a stream and its last version."""
    counts: dict[str, int] = {}
    last: dict[str, int] = {}
    for recorded in log.read():
        stream = recorded.stream
        counts[stream] = counts.get(stream, 0) + 1
        last[stream] = recorded.version


def show(title: str, figures: dict[str, list[float]]) -> None:
    """One line of the table: the best of each variant, and its ratio to the first."""
    best = {name: max(rounds) for name, rounds in figures.items()}
    base = best["event"]
    line = "  ".join(f"{name} {v:>11,.0f} ({v / base:.2f})" for name, v in best.items())
    print(f"{title:<16}{line}", flush=True)


def main(events: int = 1_000_000, rounds: int = 3) -> None:
    """Print the tables."""
    print("events/s (ratio to one value per event)")
    for size in FLUSHES:
        figures: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for _ in range(rounds):
            for name, kind in VARIANTS.items():
                figures[name].append(appends(kind, size))
        show(f"append {size}", figures)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        logs = {name: kind(Path(folder, name), sync=False) for name, kind in VARIANTS.items()}
        batch: list[Fact] = []
        for fact in facts(events):
            batch.append(fact)
            if len(batch) == 100:
                for log in logs.values():
                    log.append(batch)
                batch = []
        figures = {name: [] for name in VARIANTS}
        for _ in range(rounds):
            for name, log in logs.items():
                figures[name].append(events / timed(partial(fold, log)))
        show(f"fold {events:,}", figures)
        sizes = {
            name: log.env.info()["last_pgno"] * log.env.stat()["psize"] / events
            for name, log in logs.items()
        }
        print("bytes an event  " + "  ".join(f"{name} {size:.0f}" for name, size in sizes.items()))
        for log in logs.values():
            log.env.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
