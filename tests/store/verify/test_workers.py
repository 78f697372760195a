"""The proof by processes of their own: the same outcome, and no file that can kill the audit."""

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from store.errors import LogDamaged, LogError, LogUnusable
from store.maintenance.index_check import IndexCheck
from store.maintenance.raw_log import RawLog, opened
from store.verify.proof import Proof, conclude, plan, prove
from store.verify.section import Section
from store.verify.workers import prove_in_workers
from tests.store.verify.tampering import entries, flipped

ROOT = Path(__file__).resolve().parents[3]


def test_workers_prove_the_same(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.verify.proof.MIN_EVENTS", 100)
    heard: list[tuple[int, int]] = []
    proof = prove_in_workers(
        written, bodies=True, workers=3, progress=lambda *pack_u64: heard.append(pack_u64)
    )
    assert proof == prove(written)
    assert heard[-1] == (proof.events, proof.events)


def test_what_one_worker_finds_is_in_the_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, value = entries(folder, b"log")[20]
    data = (folder / "data.mdb").read_bytes()
    at = data.index(value) + 40
    (folder / "data.mdb").write_bytes(flipped(data, at))
    monkeypatch.setattr("store.verify.proof.MIN_EVENTS", 100)
    proof = prove_in_workers(folder, bodies=False, workers=3)
    assert [finding.seq for finding in proof.findings] == [int.from_bytes(key, "big")]


def test_any_flipped_byte_of_the_file_is_found_or_changes_nothing(
    written: Path, tmp_path: Path
) -> None:
    """Pages of the file hold more than batches and bodies; LMDB reads some of it unchecked."""
    original = [entries(written, table) for table in (b"log", b"bodies")]
    data = (written / "data.mdb").read_bytes()
    chance = Random(11)
    outcomes = []
    for number in range(10):
        copy = tmp_path / str(number)
        shutil.copytree(written, copy)
        page = chance.randrange(len(data) // 4_096) * 4_096
        at = page + chance.choice([chance.randrange(24), chance.randrange(4_096)])
        (copy / "data.mdb").write_bytes(flipped(data, at, chance.randrange(1, 256)))
        outcome = outcome_of(copy)
        if isinstance(outcome, Proof) and outcome.verified:
            assert [entries(copy, table) for table in (b"log", b"bodies")] == original
        outcomes.append(outcome)
    assert not all(isinstance(outcome, Proof) and outcome.verified for outcome in outcomes)


def outcome_of(folder: Path) -> Proof | LogError:
    try:
        return prove_in_workers(folder, bodies=True)
    except LogError as error:
        return error


def test_a_log_that_grows_meanwhile_is_proved_and_replayed(tmp_path: Path) -> None:
    """Readers and the writer are different processes, as they are with a daemon."""
    folder = tmp_path / "log"
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.audit_log", str(folder), "12000"], cwd=ROOT
    )
    lengths = set()
    while writer.poll() is None:
        with suppress(LogUnusable), opened(folder) as source:
            assert list(IndexCheck(source).compare()) == []
            proof = prove_sections(source)
            assert proof.verified, proof.findings
            lengths.add(proof.events)
    assert writer.returncode == 0
    assert len(lengths) > 2


def prove_sections(source: RawLog) -> Proof:
    planned = plan(source)
    (stretch,) = planned.stretches
    section = Section(source, stretch, bodies=True)
    for _ in section.prove():
        pass
    return conclude(source, planned, [section.proved])


def test_a_worker_that_is_killed_by_the_file_is_a_finding(folder: Path) -> None:
    """The pages of a long value end behind the end of the file: reading them is a SIGBUS."""
    data = (folder / "data.mdb").read_bytes()
    _, value = entries(folder, b"log")[-1]
    page = data.index(value) // 4_096
    (folder / "data.mdb").write_bytes(data[: (page + 1) * 4_096])
    outcome = outcome_of(folder)
    if isinstance(outcome, Proof):
        assert not outcome.verified
    else:
        assert isinstance(outcome, LogDamaged)
