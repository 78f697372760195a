"""Files that a command writes for its user alone: there whole, 0600, or not at all."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ztm_chat.failure import Failure


@contextmanager
def private_output(path: Path) -> Iterator[TextIO]:
    """A text file that takes the place of `path` at the end of the block, if nothing fails.

    What was there before is not written into: its readers keep what they have open. Raises
    `Failure` when it can't be written, and when `path` is there and no regular file: a link would
    lead the text somewhere else.
    """
    try:
        with _fresh_file(path) as (fd, fresh):
            with os.fdopen(fd, "w", encoding="utf-8", errors="surrogatepass") as file:
                yield file
                file.flush()
                os.fsync(fd)
            fresh.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}"
        raise Failure(msg) from error


@contextmanager
def _fresh_file(path: Path) -> Iterator[tuple[int, Path]]:
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            msg = f"cannot write {path}: it is there and no regular file; name another one"
            raise Failure(msg)
    fd, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        yield fd, Path(name)
    finally:
        with suppress(OSError):
            Path(name).unlink()
