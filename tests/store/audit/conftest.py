"""A log like a busy bot's, written once, and copies of it to be spoilt."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.lmdb_log import LmdbLog
from store.lmdb_reader import LmdbReader
from tests.bench.audit_log import write_log


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The original: nobody writes to it."""
    folder = tmp_path_factory.mktemp("audit") / "log"
    write_log(folder, 3_000, seed=7, people=40)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    copy = tmp_path / "log"
    shutil.copytree(written, copy)
    return copy


@pytest.fixture(scope="module")
def log(written: Path) -> Iterator[LmdbReader]:
    """The original, open for reading."""
    log = LmdbLog.open_reader(written)
    yield log
    log.close()
