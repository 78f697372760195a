"""A log like a busy bot's, written once, and copies of it to be spoilt."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.audit import decisions as room
from store.log.lmdb_log import LmdbLog
from store.log.lmdb_reader import LmdbReader
from tests.bench.audit_log import write_log
from tests.store.audit.trail_queries import RecordingIndex, rows, scanned


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


@pytest.fixture
def asked_at_once() -> Iterator[None]:
    """Tests' logs are small: here the index is asked after the first few events."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "WINDOW", 50)
        patch.setattr(room, "NEAR", 50)
        patch.setattr(room, "PLACE_COST", 0)
        yield


@pytest.fixture
def index(folder: Path, asked_at_once: None) -> RecordingIndex:
    """An index that was made before."""
    made = RecordingIndex(folder)
    assert rows(folder, made) == scanned(folder)
    assert made.said == ["making an index of all decisions, once; later it is only added to"]
    assert made.answers
    made.said.clear()
    made.answers = 0
    return made
