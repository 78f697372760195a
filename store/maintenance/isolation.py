"""Work that a damaged file may kill is done in a process apart.

LMDB reads pages as what it takes them for: of a file whose pages are wrong it may die, and with it
the process that it is in.
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


def run_isolated(folder: Path, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What `work` returns in a process of its own; `folder` is the log that it reads.

    Raises the `LogError` that `work` raises, and `ReaderDied`.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            done: _T | _Refusal = pool.submit(_told, work, args, kwargs).result()
        except BrokenProcessPool as error:
            raise ReaderDied(
                "reading the log ended the process that read it",
                where=str(folder),
                found="its pages are damaged",
                cure="restore it from a backup, or save what can be proved: ztm-chat store salvage",
            ) from error
    if isinstance(done, _Refusal):
        raise done.kind(done.what, where=done.where, found=done.found, cure=done.cure)
    return done


class _Refusal(NamedTuple):
    """An error on its way from one process to another."""

    kind: type[LogError]
    what: str
    where: str
    found: str
    cure: str


def _told(work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return work(*args, **kwargs)
    except LogError as error:
        return _Refusal(type(error), error.what, error.where, error.found, error.cure)
