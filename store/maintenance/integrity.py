"""The whole log examined: its pages, its chain, its bodies, and every index against the events.

The pages come first, for LMDB itself may be killed by a file whose pages are wrong.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from events.event import Recorded
from events.projections import closes, identities, opens
from store.disk.data_file import check_data_file, structure
from store.disk.layout import DATA_FILE
from store.errors import LogError
from store.log.event_log import EventLog, Place
from store.log.lmdb_log import LmdbLog


def examine(folder: Path) -> list[str]:
    """What is wrong with the log in `folder`, in sentences; nothing when it is sound.

    It reads everything, and may take minutes. Not while a daemon writes the log.
    """
    try:
        check_data_file(folder / DATA_FILE)
        if problems := structure(folder / DATA_FILE):
            return problems
        log = LmdbLog.open_reader(folder)
        try:
            return list(compare(log))
        finally:
            log.close()
    except LogError as error:
        return [str(error)]


def compare(log: EventLog) -> Iterator[str]:
    """Where the indexes of `log` differ from what its events say. Raises `LogDamaged`."""
    versions: dict[str, int] = {}
    work: dict[str, set[int]] = {}
    known = 0
    for recorded in log.read():
        versions[recorded.stream] = recorded.version
        _follow_work(work.setdefault(recorded.stream, set()), recorded)
        for identity in identities(recorded.event):
            known += 1
            if log.seen(identity) != Place(recorded.stream, recorded.version):
                yield f"the message of event {recorded.seq} isn't among the known ones"
        _read_bodies(log, recorded.seq)
    if known != sum(1 for _ in log.identities(b"")):
        yield "messages are known that no event speaks of"
    if set(log.streams()) != set(versions):
        yield "the table of streams and the events name different ones"
    for stream, version in versions.items():
        found = log.version(stream), sum(1 for _ in log.read_stream(stream))
        if found != (version, version):
            yield f"stream {stream!r} has {version} events, and the index says otherwise"
    if dict(log.open_work()) != {name: tuple(sorted(left)) for name, left in work.items() if left}:
        yield "the index of open work differs from what the events leave open"


def _follow_work(work: set[int], recorded: Recorded) -> None:
    if opens(recorded.event):
        work.add(recorded.version)
    work.difference_update(closes(recorded.event))


def _read_bodies(log: EventLog, seq: int) -> None:
    """To read is to check: each body is authenticated."""
    for slot in count():
        if log.body(seq, slot) is None:
            return
