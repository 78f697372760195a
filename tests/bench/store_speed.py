"""How fast the log is: durable appends, and reading it back into folds.

    python tests/bench/store_speed.py [events] [rounds] [folder]

The best of the rounds counts. `append N` waits for each commit of N events: the seven of
a message and its answer, over and over, three of them with a body of 60 characters. `flood` never
waits, so commits are as large as the writer makes them; `64 actors` have one append of seven events
in flight each. The rest reads a log that was written 100
events at a time: `decode` throws away what it reads, `fold` counts events and keeps the last
version of each stream by a table of handlers, `evolve` is the real fold of conversations, and
`streams` reads each conversation by itself.
"""

import gc
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

from events.conversation.events import (
    AgentReplied,
    DecisionInputs,
    Dispatched,
    MessageQueued,
    MessageSeen,
    PolicyDecided,
    ReplySent,
)
from events.event import Body, Draft, Event, Recorded
from events.policy.account_policy import ToolGrant
from events.watermark import WatermarkAdvanced
from store.log.event_log import Outcome
from store.log.lmdb_log import LmdbLog

LIFE = 7
STREAMS = 2_000
PERSONS = 50
HANDLED = (
    MessageSeen,
    PolicyDecided,
    Dispatched,
    AgentReplied,
    MessageQueued,
    ReplySent,
    WatermarkAdvanced,
)
TEXT = "What a person may write in a chat, some sixty characters long."


def messages(seed: int = 1) -> Iterator[tuple[int, list[Draft]]]:
    """For ever: the version a conversation is at, and what one more answered message adds to it."""
    chance = Random(seed)
    versions = [0] * STREAMS
    while True:
        number = chance.randrange(STREAMS)
        version, versions[number] = versions[number], versions[number] + LIFE
        yield version, message(chance, f"account/main/peer/user{number}", version)


def message(chance: Random, stream: str, version: int) -> list[Draft]:
    """The events of a message from its arrival to the answer's."""
    now = 1_790_000_000_000 + version
    person = f"person{chance.randrange(PERSONS)}"
    words, answer, wire = (Body(person, TEXT, chance.randbytes(16)) for _ in range(3))
    inputs = DecisionInputs(now, chance.randbytes(16), 1, "my-bot", 12)
    decided = PolicyDecided(
        version + 1, "process", "whitelisted", "allow-from", False, ToolGrant(), inputs
    )
    size = len(TEXT)
    seen = MessageSeen(chance.randbytes(16), person, now, words.digest, size, "feed")
    return [
        Draft(stream, seen, bodies=(words,)),
        Draft(stream, decided, cause=-1),
        Draft(stream, Dispatched((version + 1,), person, "echo", ToolGrant()), cause=-1),
        Draft(
            stream,
            AgentReplied(version + 3, 1, answer.digest, size, silent=False, elapsed_ms=900),
            cause=-1,
            bodies=(answer,),
        ),
        Draft(
            stream,
            MessageQueued("reply", wire.digest, size, version + 3),
            cause=-1,
            bodies=(wire,),
        ),
        Draft(stream, ReplySent(version + 5, now, reconciled=False, posts=1), cause=-1),
        Draft(stream, WatermarkAdvanced(now), cause=-1),
    ]


Work = tuple[list[Draft], dict[str, int]]


def commits(size: int, count: int) -> list[Work]:
    """About `count` events in appends of about `size`, with the versions that they expect."""
    supply = messages()
    work = []
    for _ in range(0, count, size):
        drafts: list[Draft] = []
        expected: dict[str, int] = {}
        for version, events in islice(supply, max(1, size // LIFE)):
            drafts += events
            expected.setdefault(events[0].stream, version)
        work.append((drafts, expected))
    return work


def appended(log: LmdbLog, work: list[Work]) -> None:
    """One after the other, each durable before the next."""
    for drafts, expected in work:
        log.commit(drafts, expected=expected)


def flooded(log: LmdbLog, work: list[Work]) -> None:
    """All at once; done when the last is durable."""
    done = threading.Event()
    for drafts, expected in work[:-1]:
        log.append(drafts, expected=expected, then=lambda outcome: None)
    log.append(work[-1][0], expected=work[-1][1], then=lambda outcome: done.set())
    done.wait()


def by_actors(log: LmdbLog, work: list[Work], actors: int = 64) -> None:
    """Each actor appends when its last append is durable; what they share is the log."""
    supply = iter(work)
    done = threading.Semaphore(0)

    def go_on(_: Outcome | None = None) -> None:
        if (item := next(supply, None)) is None:
            done.release()
        else:
            log.append(item[0], expected=item[1], then=go_on)

    for _ in range(actors):
        go_on()
    for _ in range(actors):
        done.acquire()


def decoded(log: LmdbLog) -> None:
    """Read everything."""
    for _ in log.read():
        pass


def folded(log: LmdbLog) -> None:
    """Count events and keep the last version of each stream, by a handler a type."""
    states: dict[str, list[int]] = {}

    def count(state: list[int], recorded: Recorded) -> None:
        state[0] += 1
        state[1] = recorded.version

    handlers: dict[type[Event], Callable[[list[int], Recorded], None]] = dict.fromkeys(
        HANDLED, count
    )
    for recorded in log.read():
        state = states.get(recorded.stream)
        if state is None:
            state = states[recorded.stream] = [0, 0]
        handlers[type(recorded.event)](state, recorded)


def evolved(log: LmdbLog) -> None:
    """Fold every conversation with the function that the actors use."""
    from events.conversation.state import ConversationState, evolve

    states: dict[str, ConversationState] = {}
    for recorded in log.read():
        state = states.get(recorded.stream) or ConversationState()
        states[recorded.stream] = evolve(state, recorded)


def stream_by_stream(log: LmdbLog) -> None:
    """Read each conversation by itself, as its actor does."""
    for stream in list(log.streams()):
        for _ in log.read_stream(stream):
            pass


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def write_speed(
    write: Callable[[LmdbLog, list[Work]], None], work: list[Work], folder: Path, rounds: int
) -> float:
    """Events/s of the best round, each on a new log."""
    events = sum(len(drafts) for drafts, _ in work)
    best = float("inf")
    gc.collect()
    gc.freeze()  # the work waits in memory, which no daemon's would: it isn't to be looked through
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            log = LmdbLog.open(Path(place, "log"))
            best = min(best, seconds(partial(write, log, work)))
            log.close()
    return events / best


def main(events: int = 1_000_000, rounds: int = 3, folder: str = ".") -> None:
    """Print the tables."""
    place = Path(folder)
    print("durable appends, events/s")
    for size, count in {7: 7_000, 21: 14_000, 100: 40_000, 1_000: 80_000}.items():
        speed = write_speed(appended, commits(size, count), place, rounds)
        print(f"  append {size:<9}{speed:>12,.0f}", flush=True)
    many = commits(7, 70_000)
    print(f"  64 actors       {write_speed(by_actors, many, place, rounds):>12,.0f}", flush=True)
    print(f"  flood           {write_speed(flooded, many, place, rounds):>12,.0f}", flush=True)
    with tempfile.TemporaryDirectory(dir=folder) as room:
        log = LmdbLog.open(Path(room, "log"))
        appended(log, commits(100, events))
        stats = log.stats()
        print(f"reading {stats.events:,} events of {stats.used / stats.events:.0f} bytes, events/s")
        for read in (decoded, folded, evolved, stream_by_stream):
            best = min(seconds(partial(read, log)) for _ in range(rounds))
            print(f"  {read.__name__:<16}{stats.events / best:>12,.0f}", flush=True)
        log.close()


if __name__ == "__main__":
    count, again, where = [*sys.argv[1:], *("1000000", "3", ".")[len(sys.argv) - 1 :]]
    main(int(count), int(again), where)
