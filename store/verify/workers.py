"""Sections proved at the same time, each in a process of its own.

A damaged page may make LMDB kill the process that reads it, so the caller's own process never
reads. A worker that died is a finding, and a check of the file's pages then says where.
"""

from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait
from pathlib import Path

from store.disk.data_file import check_data_file, structure
from store.disk.layout import DATA_FILE
from store.errors import LogError
from store.maintenance.isolation import Refusal, start_isolated
from store.maintenance.raw_log import opened
from store.verify.heads import KeptHead
from store.verify.proof import Proof, conclude, heads_within, plan
from store.verify.section import Finding, Proved, Section, Stretch

REPORT_EVERY = 20_000
"""How many events a worker proves between two reports of its progress."""


def prove_in_workers(
    folder: Path,
    *,
    bodies: bool,
    heads: tuple[KeptHead, ...] = (),
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Proof:
    """Prove the log in `folder` with so many processes. `progress` is given how many events are
    done, and of how many.

    Raises `LogError` for a log that can't be opened at all.
    """
    with opened(folder) as source:
        planned = plan(source, workers)
        crew = [
            _Worker(folder, stretch, bodies=bodies, heads=heads_within(planned, stretch, heads))
            for stretch in planned.stretches
        ]
        try:
            _collect(crew, lambda done: progress(done, planned.end.seq))
        finally:
            for worker in crew:
                worker.end()
        sections = [worker.result(folder) for worker in crew]
        return conclude(source, planned, sections, heads)


class _Worker:
    """One process and what it has reported so far."""

    def __init__(
        self, folder: Path, stretch: Stretch, *, bodies: bool, heads: tuple[KeptHead, ...]
    ) -> None:
        self.stretch = stretch
        self.done = 0
        self._proved: Proved | None = None
        self._process, self.reports = start_isolated(_work, folder, stretch, bodies, heads)

    def receive(self) -> bool:
        """Take one message; False when there will be no more."""
        try:
            message = self.reports.recv()
        except EOFError:
            return False
        if isinstance(message, int):
            self.done = message
            return True
        if isinstance(message, Refusal):
            raise message.error()
        self._proved, self.done = message, message.events
        return False

    def end(self) -> None:
        """End the process, finished or not."""
        self.reports.close()
        if self._proved is None:
            self._process.terminate()
        self._process.join()

    def result(self, folder: Path) -> Proved:
        """What it proved; if it died of the file, that is what was found."""
        if self._proved is not None:
            return self._proved
        code = self._process.exitcode or 0
        seq = self.stretch.first + self.done
        what = f"reading on from here ended the process that read ({code}): {_pages(folder)}"
        return Proved(events=self.done, findings=[Finding(seq, what)])


def _collect(crew: Iterable[_Worker], progress: Callable[[int], None]) -> None:
    working = {worker.reports: worker for worker in crew}
    all_workers = list(working.values())
    while working:
        for reports in wait(list(working)):
            assert isinstance(reports, Connection)  # noqa: S101 - what was put in
            if not working[reports].receive():
                del working[reports]
        progress(sum(worker.done for worker in all_workers))


def _work(
    sender: Connection, folder: Path, stretch: Stretch, bodies: bool, heads: tuple[KeptHead, ...]
) -> None:
    try:
        with opened(folder) as source:
            section = Section(source, stretch, bodies=bodies, heads=heads)
            reported = 0
            for done in section.prove():
                if done - reported >= REPORT_EVERY:
                    reported = done
                    sender.send(done)
            sender.send(section.proved)
    except LogError as error:
        sender.send(Refusal.of(error))


def _pages(folder: Path) -> str:
    """What is wrong with the file's pages, in one sentence."""
    try:
        check_data_file(folder / DATA_FILE)
        problems = structure(folder / DATA_FILE)
    except LogError as error:
        return str(error)
    return problems[0] if problems else "yet its pages look sound; try again"
