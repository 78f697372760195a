"""How fast the audit is, and how much memory it takes, on a log of many events.

    python tests/bench/audit_speed.py [events] [folder]

The log is written by `audit_log` if `folder` holds none. Each figure is of a process of its own.
Memory is what the process allocated at most (`RssAnon`): the pages of the log's file, which LMDB
maps, are the kernel's to give back. `verify` counts without starting the process, and so does the
making of the index; a trail that asks it counts with the process apart that opens it.
"""

import multiprocessing
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from store.audit.decisions import Decision, Decisions
from store.audit.index import FOLDER, TrailIndex, search
from store.audit.past_state import past_state_of
from store.audit.places import keys_of
from store.audit.selection import Selection
from store.audit.what_if import what_if
from store.log.lmdb_log import LmdbLog
from store.maintenance.index_check import IndexCheck
from store.maintenance.raw_log import opened
from store.read_models.trail import last_message, trail_of_seq
from store.verify.proof import prove
from store.verify.workers import prove_in_workers
from tests.bench.audit_log import POLICIES, write_log

SAMPLE_S = 0.01
RARE = Selection(sender="user1999")


def verify_without_bodies(folder: Path) -> None:
    """The chain, versions and decisions."""
    assert prove(folder, bodies=False).verified


def verify(folder: Path) -> None:
    """All of it."""
    assert prove(folder).verified


def verify_by_two(folder: Path) -> None:
    """All of it, by two processes. Their memory is not counted."""
    assert prove_in_workers(folder, bodies=True, workers=2).verified


def replay(folder: Path) -> None:
    """Derived tables built again and compared."""
    with opened(folder) as source:
        assert not list(IndexCheck(source).compare())


def state_at_the_end(folder: Path) -> None:
    """The state after the last event."""
    log = LmdbLog.open_reader(folder)
    past_state_of(log)


def trail_newest(folder: Path) -> None:
    """The last page of all decisions."""
    Decisions(LmdbLog.open_reader(folder)).newest(50)


def trail_of_a_peer(folder: Path) -> None:
    """The last page of one conversation."""
    Decisions(LmdbLog.open_reader(folder), Selection(peer="user3")).newest(50)


def trail_by_text(folder: Path) -> None:
    """All that was ever said of something."""
    log = LmdbLog.open_reader(folder)
    for _ in Decisions(log, Selection(text="nowhere to be found")).all():
        pass


def index_made(folder: Path) -> None:
    """The index of decisions, made anew."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    log = LmdbLog.open_reader(folder)
    end = log.head().seq
    log.close()
    search(folder, keys_of(RARE), 1, end, 1)


def trail_of_a_sender(folder: Path) -> None:
    """The last page of somebody who wrote little."""
    assert by_index(folder, RARE)


def sender_scanned(folder: Path) -> None:
    """The same without an index."""
    Decisions(LmdbLog.open_reader(folder), RARE).newest(50)


def trail_by_reason(folder: Path) -> None:
    """The last page of a reason that is rare."""
    assert by_index(folder, Selection(reasons=frozenset({"creator"})))


def trail_of_an_account_and_time(folder: Path) -> None:
    """The last page of an account before some time, half the log ago."""
    log = LmdbLog.open_reader(folder)
    middle = log.event(log.head().seq // 2)
    assert middle is not None
    wanted = Selection(account="main", until_ms=middle.time // 1_000_000)
    assert len(Decisions(log, wanted, TrailIndex(folder, print)).newest(50)) == 50


def by_index(folder: Path, wanted: Selection) -> list[Decision]:
    """The last page as `audit trail` finds it."""
    return Decisions(LmdbLog.open_reader(folder), wanted, TrailIndex(folder, print)).newest(50)


def why(folder: Path) -> None:
    """One message's story."""
    log = LmdbLog.open_reader(folder)
    message = last_message(log, "account/main/peer/user3")
    assert message is not None
    assert trail_of_seq(log, message.seq)


def what_if_all(folder: Path) -> None:
    """All history under another policy."""
    log = LmdbLog.open_reader(folder)
    what_if(log, {"main": POLICIES[1]})


WORK: tuple[Callable[[Path], None], ...] = (
    verify_without_bodies,
    verify,
    verify_by_two,
    replay,
    state_at_the_end,
    trail_newest,
    trail_of_a_peer,
    trail_by_text,
    index_made,
    trail_of_a_sender,
    sender_scanned,
    trail_by_reason,
    trail_of_an_account_and_time,
    why,
    what_if_all,
)


def anonymous_kib() -> int:
    """What this process has allocated and uses, KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def measured(mouth: Connection, work: Callable[[Path], None], folder: Path) -> None:
    """Seconds, and KiB at most, told to whoever started this process."""
    peak, done = [anonymous_kib()], threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_S):
            peak[0] = max(peak[0], anonymous_kib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    work(folder)
    elapsed = time.perf_counter() - start
    done.set()
    watcher.join()
    mouth.send((elapsed, peak[0]))


def main(events: int, folder: Path) -> None:
    """Write the log if there is none, and print the table."""
    if not (folder / "data.mdb").exists():
        start = time.perf_counter()
        write_log(folder, events, people=2_000)
        print(f"written in {time.perf_counter() - start:.0f} s")
    log = LmdbLog.open_reader(folder)
    stats = log.stats()
    log.close()
    print(f"{stats.events:,} events, {stats.streams:,} streams, {stats.used / 2**20:.0f} MiB")
    spawn = multiprocessing.get_context("spawn")
    for work in WORK:
        ears, mouth = spawn.Pipe(duplex=False)
        process = spawn.Process(target=measured, args=(mouth, work, folder))
        process.start()
        elapsed, kib = ears.recv()
        process.join()
        speed = f"{stats.events / elapsed:>12,.0f} events/s"
        print(f"  {work.__name__:<30}{elapsed:>9.3f} s{speed}{kib / 1024:>8.0f} MiB", flush=True)
    index = folder / FOLDER / "data.mdb"
    print(f"  the index takes {index.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    if len(sys.argv) > 2:
        main(count, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as place:
            main(count, Path(place, "log"))
