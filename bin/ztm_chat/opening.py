"""Opening the log to read it, without disturbing a daemon that writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ztm_chat.failure import UNUSABLE, Failure

if TYPE_CHECKING:
    from store.log.lmdb_reader import LmdbReader
    from store.maintenance.raw_log import RawLog


@contextmanager
def log_opened(folder: Path) -> Iterator["LmdbReader"]:
    """The log in `folder`, its end checked. Raises `Failure`."""
    from store.log.lmdb_log import LmdbLog

    with log_failures():
        log = LmdbLog.open_reader(folder)
        try:
            yield log
        finally:
            log.close()


@contextmanager
def source_opened(folder: Path) -> Iterator["RawLog"]:
    """The log's tables as they lie in `folder`, nothing checked. Raises `Failure`."""
    from store.maintenance.raw_log import opened

    with log_failures(), opened(folder) as source:
        yield source


@contextmanager
def log_failures() -> Iterator[None]:
    """Turns errors of the log into `Failure`."""
    from store.errors import LogError

    try:
        yield
    except LogError as error:
        raise Failure(str(error), UNUSABLE) from error
