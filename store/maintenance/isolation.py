"""Work that a damaged file may kill is done in a process of its own.

LMDB reads pages without checking them: a file whose pages are wrong may kill it, and with it the
process that it is in.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from store.errors import LogDamaged, LogError

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ReaderDied(LogDamaged):
    """The process that read the log was ended by it."""


class Refusal(NamedTuple):
    """A `LogError` on its way from one process to another."""

    kind: type[LogError]
    what: str
    where: str
    found: str
    cure: str

    @classmethod
    def of(cls, error: LogError) -> "Refusal":
        """What can be sent of `error`."""
        return cls(type(error), error.what, error.where, error.found, error.cure)

    def error(self) -> LogError:
        """The error again."""
        return self.kind(self.what, where=self.where, found=self.found, cure=self.cure)


def run_isolated(folder: Path, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What `work` returns in a process of its own; `folder` is the log that it reads.

    Raises the `LogError` that `work` raises, and `ReaderDied`.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            done: _T | Refusal = pool.submit(_attempt, work, args, kwargs).result()
        except BrokenProcessPool as error:
            raise ReaderDied(
                "reading the log ended the process that read it",
                where=str(folder),
                found="its pages are damaged",
                cure="restore it from a backup, or save what can be proved: ztm-chat store salvage",
            ) from error
    if isinstance(done, Refusal):
        raise done.error()
    return done


def _attempt(work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return work(*args, **kwargs)
    except LogError as error:
        return Refusal.of(error)
