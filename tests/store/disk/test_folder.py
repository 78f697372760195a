"""The log's folder: private, and holding nothing that would make its opening wait for ever."""

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from store.errors import LogUnusable
from store.log.lmdb_log import LmdbLog
from store.maintenance.check import check

FILES = ("data.mdb", "lock.mdb", "keys", "lock")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    LmdbLog.open(tmp_path / "log").close()
    return tmp_path / "log"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o750])
def test_a_folder_open_to_others_is_made_private(
    folder: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder.chmod(mode)
    with caplog.at_level(logging.WARNING):
        LmdbLog.open(folder).close()
    assert mode_of(folder) == 0o700
    assert f"others could open {folder} (mode {mode:04o}): its mode is now 0700" in caplog.text


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("mode", [0o666, 0o644, 0o640])
def test_a_file_open_to_others_is_made_private(
    folder: Path, name: str, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / name).chmod(mode)
    with caplog.at_level(logging.WARNING):
        LmdbLog.open(folder).close()
    assert mode_of(folder / name) == 0o600
    assert f"others could open {folder / name} (mode {mode:04o})" in caplog.text


def test_a_private_log_is_opened_without_a_word(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        LmdbLog.open(folder).close()
    assert caplog.text == ""


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("name", [*FILES, "keys.new", "damaged"])
@pytest.mark.parametrize(
    ("make", "kind"), [(pipe, "a named pipe"), (link, "a symbolic link"), (Path.mkdir, "a folder")]
)
@pytest.mark.parametrize("opened", [LmdbLog.open, LmdbLog.open_reader])
@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_named_and_not_waited_for(
    folder: Path,
    name: str,
    make: Callable[[Path], None],
    kind: str,
    opened: Callable[[Path], object],
) -> None:
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    with pytest.raises(LogUnusable, match=f"'{name}' is no regular file") as refused:
        opened(folder)
    assert str(folder / name) in str(refused.value)
    assert kind in str(refused.value)


@pytest.mark.timeout(10)
def test_the_check_of_a_log_does_not_wait_for_a_pipe(folder: Path) -> None:
    (folder / "data.mdb").unlink()
    os.mkfifo(folder / "data.mdb")
    with pytest.raises(LogUnusable, match="no regular file"):
        check(folder, quick=False, fingerprint=b"")
