"""Sections proved by processes of their own, at the same time.

LMDB kills a process that reads a page which is not what it takes it for; so it is never the audit's
own process that reads. A worker that died is a finding, and the file's pages then tell where.
"""

import multiprocessing
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from store.disk.data_file import check_data_file, structure
from store.disk.layout import DATA_FILE
from store.errors import LogError
from store.maintenance.isolation import Refusal
from store.maintenance.raw_log import opened
from store.verify.heads import KeptHead
from store.verify.proof import Proof, conclude, heads_within, plan
from store.verify.section import Finding, Proved, Section, Stretch

TELL_EVERY = 20_000
"""How many events a worker proves between two words about its progress."""

_spawn = multiprocessing.get_context("spawn")


def prove_in_workers(
    folder: Path,
    *,
    words: bool,
    heads: tuple[KeptHead, ...] = (),
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Proof:
    """Prove the log in `folder` by so many processes. `progress` hears events done, and of how
    many.

    Raises `LogError` for a log that can't be opened at all.
    """
    with opened(folder) as source:
        planned = plan(source, workers)
        crew = [
            _Worker(folder, stretch, words=words, heads=heads_within(planned, stretch, heads))
            for stretch in planned.stretches
        ]
        try:
            _listen(crew, lambda done: progress(done, planned.end.seq))
        finally:
            for worker in crew:
                worker.end()
        sections = [worker.result(folder) for worker in crew]
        return conclude(source, planned, sections, heads)


class _Worker:
    """One process and what it has told so far."""

    def __init__(
        self, folder: Path, stretch: Stretch, *, words: bool, heads: tuple[KeptHead, ...]
    ) -> None:
        self.stretch = stretch
        self.done = 0
        self.ears, mouth = _spawn.Pipe(duplex=False)
        self._proved: Proved | None = None
        self._process: SpawnProcess = _spawn.Process(
            target=_work, args=(mouth, folder, stretch, words, heads), daemon=True
        )
        self._process.start()
        mouth.close()

    def hear(self) -> bool:
        """Take in one message; False when there will be none any more."""
        try:
            message = self.ears.recv()
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
        """Let the process go, finished or not."""
        self.ears.close()
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


def _listen(crew: Iterable[_Worker], progress: Callable[[int], None]) -> None:
    talking = {worker.ears: worker for worker in crew}
    everybody = list(talking.values())
    while talking:
        for ears in wait(list(talking)):
            assert isinstance(ears, Connection)  # noqa: S101 - what was put in
            if not talking[ears].hear():
                del talking[ears]
        progress(sum(worker.done for worker in everybody))


def _work(
    mouth: Connection, folder: Path, stretch: Stretch, words: bool, heads: tuple[KeptHead, ...]
) -> None:
    try:
        with opened(folder) as source:
            section = Section(source, stretch, words=words, heads=heads)
            told = 0
            for done in section.prove():
                if done - told >= TELL_EVERY:
                    told = done
                    mouth.send(done)
            mouth.send(section.proved)
    except LogError as error:
        mouth.send(Refusal.of(error))
    except BrokenPipeError:
        pass  # the audit was ended: nobody waits for this any more


def _pages(folder: Path) -> str:
    """What is wrong with the file's pages, in a few words."""
    try:
        check_data_file(folder / DATA_FILE)
        problems = structure(folder / DATA_FILE)
    except LogError as error:
        return str(error)
    return problems[0] if problems else "yet its pages look sound; try again"
