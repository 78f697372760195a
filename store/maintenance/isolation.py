"""Work that a damaged file may kill is done in a process of its own.

LMDB reads pages without checking them: a file whose pages are wrong may kill it, and with it the
process that it is in. Such a process ends with the one that started it, however that one ends.
"""

import _thread
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from store.errors import LogDamaged, LogError

GRACE_S = 5.0
"""How long a process whose work nobody wants any more may take to put away what it has begun."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_spawn = multiprocessing.get_context("spawn")


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


class _Crash(NamedTuple):
    """Any other error, with its traceback as a note."""

    error: Exception


def run_isolated(folder: Path, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What `work` returns in a process of its own; `folder` is the log that it reads.

    Raises the error that `work` raises, and `ReaderDied`.
    """
    process, reports = start_isolated(_attempt, work, args, kwargs)
    try:
        done: _T | Refusal | _Crash = reports.recv()
    except EOFError:
        process.join()
        raise ReaderDied(
            "reading the log ended the process that read it",
            where=str(folder),
            found=_how_it_ended(process.exitcode or 0),
            cure="restore it from a backup, or save what can be proved: ztm-chat store salvage",
        ) from None
    except BaseException:
        process.join(GRACE_S)  # a Ctrl-C reaches both
        process.kill()
        raise
    finally:
        reports.close()
    process.join()
    if isinstance(done, Refusal):
        raise done.error()
    if isinstance(done, _Crash):
        raise done.error
    return done


def start_isolated(work: Callable[..., None], *args: Any) -> tuple[SpawnProcess, Connection]:
    """Start `work(sender, *args)` in a process of its own; gives it, and what `work` sends.

    The process ends when this one does, also when this one is killed.
    """
    reports, sender = _spawn.Pipe(duplex=False)
    process = _spawn.Process(target=_bound_to_parent, args=(work, sender, *args), daemon=True)
    process.start()
    sender.close()
    return process, reports


# In the process apart


def _bound_to_parent(work: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(KeyboardInterrupt, BrokenPipeError):  # nobody waits for it any more
        work(*args)


def _end_with_parent() -> None:
    """Wait for the end of the parent; then let the work put away what it has begun, and end."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this process was started by one
    wait([parent.sentinel])
    _thread.interrupt_main()
    time.sleep(GRACE_S)
    os._exit(1)


def _attempt(
    sender: Connection, work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    try:
        sender.send(work(*args, **kwargs))
    except LogError as error:
        sender.send(Refusal.of(error))
    except Exception as error:  # noqa: BLE001 - raised again by `run_isolated`
        error.add_note(f"In the process apart: {traceback.format_exc()}")
        sender.send(_Crash(error))


def _how_it_ended(code: int) -> str:
    if code == -signal.SIGKILL:
        return "it was killed, perhaps for want of memory"
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"its pages are damaged ({name})"
