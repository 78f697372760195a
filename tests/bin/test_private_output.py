"""What a command writes for its user alone is there whole and private, or not at all."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ztm_chat.audit_commands.private_output import private_output
from ztm_chat.failure import Failure


def test_a_file_that_others_could_read_is_replaced_by_a_private_one(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text("old")
    path.chmod(0o666)
    with path.open() as reader:
        with private_output(path) as file:
            file.write("new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_nothing_is_written_through_what_is_no_regular_file(tmp_path: Path, kind: str) -> None:
    path, elsewhere = tmp_path / "export.jsonl", tmp_path / "elsewhere"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(elsewhere)
    if kind == "link":
        elsewhere.write_text("mine")
    with pytest.raises(Failure, match="no regular file"), private_output(path) as file:
        file.write("new")
    assert not elsewhere.exists() or elsewhere.read_text() == "mine"


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text("old")
    with pytest.raises(ValueError, match="half way"), private_output(path) as file:
        file.writelines(half_written())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def half_written() -> Iterator[str]:
    yield "new"
    raise ValueError("half way")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "export.jsonl"
    with pytest.raises(Failure, match=f"cannot write {path}"), private_output(path):
        pass
