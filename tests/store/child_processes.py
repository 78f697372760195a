"""What the store's tests do in a process of its own: to be killed, or to be hit by a signal.

    python -m tests.store.child_processes NAME FOLDER

Each prints lines of JSON.
"""

import json
import os
import resource
import shutil
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from random import Random

from events.event import Draft
from store.disk.layout import DATA_FILE
from store.errors import LogError
from store.log.event_log import Committed, LogFailed, Outcome
from store.log.lmdb_log import LmdbLog
from store.maintenance.backup import back_up, fresh_folder
from store.maintenance.check import examine
from store.maintenance.isolation import run_isolated
from tests.store.builders import ALICE, BOB, add, add_all, body, seen, tick

FLIPS = 150
CUTS = 40


def say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def append_for_ever(folder: Path) -> None:
    """Append to two streams and say what is durable, until killed."""
    log = LmdbLog.open(folder)
    start = log.head().seq
    say(head=start)
    room = threading.Semaphore(64)
    versions = {ALICE: log.version(ALICE), BOB: log.version(BOB)}

    def then(outcome: Outcome) -> None:
        assert isinstance(outcome, Committed), outcome
        say(durable=outcome.events[-1].seq)
        room.release()

    number = start
    while True:
        room.acquire()
        number += 1
        text = body(f"words {number}", person=f"person {number % 500}")
        drafts = [Draft(ALICE, seen(number), bodies=(text,)), Draft(BOB, tick(number))]
        log.append(drafts, expected=dict(versions), then=then)
        versions = {stream: version + 1 for stream, version in versions.items()}


def hold(folder: Path) -> None:
    """Have the log open until standard input ends."""
    log = LmdbLog.open(folder)
    say(pid=os.getpid())
    for line in sys.stdin:
        add(log, ALICE, tick(int(line)))
        say(head=log.head().seq)
    log.close()


def fork(folder: Path) -> None:
    """Use the log in a forked child, and say what came of it."""
    log = LmdbLog.open(folder)
    add(log, ALICE, tick())
    child = os.fork()
    if child == 0:
        for use in (
            log.head,
            lambda: next(log.read(), None),
            lambda: log.key("alice"),
            lambda: log.append([Draft(ALICE, tick())], expected={ALICE: 1}, then=lambda _: None),
        ):
            try:
                use()
                say(error=None)
            except LogError as error:
                say(error=str(error))
        os._exit(0)
    os.waitpid(child, 0)
    add(log, ALICE, tick())
    say(head=log.head().seq)
    log.close()


def fill_the_disk(folder: Path) -> None:
    """Let the system refuse to let the file grow, in the middle of commits; then reopen."""
    failures: list[str] = []
    log = LmdbLog.open(folder, on_failure=failures.append)
    add(log, ALICE, tick())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, hard))
    heard: SimpleQueue[Outcome] = SimpleQueue()
    wide = [Draft(ALICE, tick(number)) for number in range(30_000)]
    log.append(wide, expected={ALICE: 1}, then=heard.put)
    log.append([Draft(BOB, tick())], expected={BOB: 0}, then=heard.put)
    outcomes = [type(heard.get()).__name__ for _ in range(2)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    try:
        add(log, BOB, tick())
        later = "committed"
    except LogFailed:
        later = "failed"
    stats = log.stats()
    log.close()
    reopened = LmdbLog.open(folder)
    add(reopened, BOB, tick())
    say(
        outcomes=outcomes,
        later=later,
        failures=failures,
        failed=stats.failed,
        versions=[reopened.version(ALICE), reopened.version(BOB)],
    )
    reopened.close()


def grow(folder: Path) -> None:
    """Write more than a map of a mebibyte holds."""
    log = LmdbLog.open(folder)
    for _ in range(150):
        add_all(log, Draft(ALICE, tick(), bodies=(body("x" * 20_000),)))
    say(head=log.head().seq)
    log.close()


def content(folder: Path) -> list[tuple[object, ...]]:
    """Everything that can be read: events, and each one's words."""
    log = LmdbLog.open_reader(folder)
    try:
        return [(each, log.body(each.seq)) for each in log.read()]
    finally:
        log.close()


def verdict(folder: Path, original: list[tuple[object, ...]]) -> str:
    """`reported`, `harmless` (nothing but, at most, the end is missing), or what is wrong."""
    if problems := examine(folder):
        return "reported" if all(problems) else "reported without words"
    found = content(folder)
    return "harmless" if found == original[: len(found)] else "NOTICED BY NOBODY"


def flip_bytes(folder: Path) -> None:
    """Flip one byte after the other, all over the file."""
    original = content(folder)
    size = (folder / DATA_FILE).stat().st_size
    chance = Random(7)
    for place in [*range(0, 160, 8), *(chance.randrange(size) for _ in range(FLIPS))]:
        broken = folder.with_name("flipped")
        shutil.copytree(folder, broken)
        with (broken / DATA_FILE).open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << chance.randrange(8)]))
        say(place=place, verdict=verdict(broken, original))
        shutil.rmtree(broken)


def cut(folder: Path) -> None:
    """Cut the file off at many lengths, and open it as the daemon does."""
    original = content(folder)
    size = (folder / DATA_FILE).stat().st_size
    chance = Random(7)
    for length in [
        0,
        1,
        4_095,
        4_096,
        8_192,
        size - 1,
        *(chance.randrange(size) for _ in range(CUTS)),
    ]:
        broken = folder.with_name("cut")
        shutil.copytree(folder, broken)
        os.truncate(broken / DATA_FILE, length)
        try:
            LmdbLog.open(broken).close()
            found = "complete" if content(broken) == original else "NOTICED BY NOBODY"
        except LogError as error:
            found = type(error).__name__
        say(length=length, verdict=found)
        shutil.rmtree(broken)


def work_apart_for_ever(folder: Path) -> None:
    """Begin a new folder in a process apart, and never finish it."""
    run_isolated(folder, begin_folder, folder)


def stay_in_a_read(folder: Path) -> None:
    """Open the log, and hold a read transaction until killed."""

    def wait(txn: object, tables: object) -> None:
        say(reading=True)
        sys.stdin.read()

    LmdbLog.open_reader(folder)._database.query(wait)


def read_all(folder: Path) -> None:
    """Read the log, or say why not."""
    try:
        say(events=len(content(folder)))
    except LogError as error:
        say(error=str(error))


def copy_it(folder: Path) -> None:
    """Back the log up, or say why not."""
    try:
        say(events=back_up(folder, folder.with_name("copy")).head.seq)
    except LogError as error:
        say(error=str(error))


def begin_folder(folder: Path) -> None:
    with fresh_folder(folder / "new") as aside:
        say(aside=str(aside))
        while True:
            time.sleep(0.05)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
