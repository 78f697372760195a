"""The log's folder: made private, and held by one writer at a time.

The lock is the kernel's (`flock`), so it falls with the process that holds it, however that ends.
What stands in the file is only for the person who finds it taken.
"""

import fcntl
import json
import logging
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from store.errors import LogDamaged, LogLocked, LogUnusable

LOCK_FILE = "lock"

DAMAGED_FILE = "damaged"
"""Is there once damage was found in the log; says which."""

_FILES = ("data.mdb", "lock.mdb", "keys", "keys.new", LOCK_FILE, DAMAGED_FILE)

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}

_log = logging.getLogger(__name__)


def prepare_folder(folder: Path) -> None:
    """Make `folder`, 0700, if it isn't there. It and its files are made private, with a warning
    that says what they were.

    Raises `LogUnusable` when that can't be done.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(folder, 0o700)
        check_regular_files(folder)
        for name in _FILES:
            if (folder / name).exists():
                _make_private(folder / name, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from error


def check_regular_files(folder: Path) -> None:
    """Raise `LogUnusable` when one of the log's names leads to something else than a file: to open
    a pipe would wait for ever, and a link leads out of the folder."""
    for name in _FILES:
        path = folder / name
        try:
            mode = path.lstat().st_mode
        except OSError:  # it isn't there, or whoever opens it says why it can't
            continue
        if not stat.S_ISREG(mode):
            raise LogUnusable(
                f"the log's {name!r} is no regular file",
                where=str(path),
                found=_KINDS.get(stat.S_IFMT(mode), "a special file"),
                cure="move it away; restore the file from a backup if it was there before",
            )


def _make_private(path: Path, allowed: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~allowed & 0o077:
        path.chmod(mode & allowed)
        _log.warning(
            "others could open %s (mode %04o): its mode is now %04o", path, mode, mode & allowed
        )


def mark_damaged(folder: Path, error: LogDamaged) -> None:
    """Leave word of the damage for whoever opens the log to write to it next."""
    path = folder / DAMAGED_FILE
    try:
        path.touch(mode=0o600)
        path.write_text(f"{error}\n")
    except OSError as trouble:
        _log.error("%s could not be written, so a restart will write to the log: %s", path, trouble)


def refuse_if_marked(folder: Path) -> None:
    """Raises `LogDamaged` when damage was found in the log before."""
    path = folder / DAMAGED_FILE
    if path.exists():
        raise LogDamaged(
            "the log was found damaged, and nothing is written to it any more",
            where=str(folder),
            found=path.read_text(errors="replace")[:500].strip(),
            cure="`ztm-chat store check` says what is intact; salvage it, or restore a backup, into"
            f" a new folder; if it is whole after all, remove the file {path}",
        )


class FolderLock:
    """The exclusive right to write the log in `folder`, from creation to `release`.

    Raises `LogLocked`, which says who has it, and `LogUnusable`. `now`: ns since 1970.
    """

    def __init__(self, folder: Path, *, now: int) -> None:
        path = folder / LOCK_FILE
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _unusable(folder, error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _holder(os.pread(self._fd, 200, 0))
            os.close(self._fd)
            raise LogLocked(
                "another process has the log open",
                where=str(folder),
                found=holder,
                cure="stop it first, or give this one a folder of its own",
            ) from error
        note = json.dumps({"pid": os.getpid(), "since": _moment(now)}).encode()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, note + b"\n", 0)

    def release(self) -> None:
        """Let others write."""
        os.close(self._fd)


def is_held(folder: Path) -> bool:
    """Whether a process has the log in `folder` open for writing."""
    try:
        fd = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _holder(note: bytes) -> str:
    try:
        fields = json.loads(note)
        return f"process {fields['pid']}, since {fields['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has not said its name yet"


def _moment(now: int) -> str:
    return datetime.fromtimestamp(now // 10**9, UTC).isoformat(sep=" ")


def _unusable(folder: Path, error: OSError) -> LogUnusable:
    return LogUnusable(
        "the log's folder can't be used",
        where=str(folder),
        found=error.strerror or str(error),
        cure="give it to this user, or configure another one",
    )
