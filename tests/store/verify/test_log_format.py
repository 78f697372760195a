"""docs/log-format.md is enough to read a log: a reader that shares no code with the project."""

import ast
from pathlib import Path

import msgspec
import pytest

from events.codec import encode
from store.log.lmdb_log import LmdbLog
from store.read_models.erasure import erase
from store.verify.proof import prove
from tests.store.verify import foreign_reader
from tests.store.verify.foreign_reader import read_log
from tests.store.verify.tampering import entries, flipped, put

OURS = {"events", "store", "actors", "ztm_chat", "tests"}


def test_the_reader_shares_no_code_with_the_project_and_is_short() -> None:
    source = Path(foreign_reader.__file__).read_text()
    imported = {
        name
        for node in ast.walk(ast.parse(source))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert not {name.split(".")[0] for name in imported} & OURS
    code = [line for line in source.splitlines() if line.strip()]
    assert len(code) <= 87  # eighty, and the imports


def test_it_reads_what_our_own_code_reads(folder: Path) -> None:
    log = LmdbLog.open(folder)
    erase(log, "main", "user0", now_ms=1_800_000_000_000, by="operator")
    expected = [
        {
            "seq": record.seq,
            "stream": record.stream,
            "version": record.version,
            "time": record.time,
            "cause": record.cause,
            "event": msgspec.msgpack.decode(encode(record.event)),
            "text": log.body(record.seq),
        }
        for record in log.read()
    ]
    log.close()
    assert list(read_log(folder)) == expected
    assert prove(folder).verified


def test_it_notices_an_altered_batch(folder: Path) -> None:
    key, value = entries(folder, b"log")[3]
    at = value.index(b"user")
    put(folder, b"log", key, flipped(value, at, 1))
    with pytest.raises(ValueError, match=r"\d+"):
        list(read_log(folder))
