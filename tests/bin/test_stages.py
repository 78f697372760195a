"""What `bin/test` runs, shown on a small project of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

STAGES = Path(__file__).resolve().parents[2] / "bin" / "stages.py"

PYPROJECT = """\
[tool.pytest]
testpaths = ["tests"]
[tool.ruff]
line-length = 100
[tool.coverage.run]
parallel = true
[tool.mypy]
files = ["tests"]
[tool.importlinter]
root_package = "rooms"
[[tool.importlinter.contracts]]
name = "no circle"
type = "acyclic_siblings"
ancestors = ["rooms"]
"""

TESTS = """\
def test_yes() -> None:
    assert True


def test_no() -> None:
    assert True
"""

ENDLESS = """\
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def server() -> Iterator[None]:
    yield
    Path("down").touch()


@pytest.mark.usefixtures("server")
def test_endless() -> None:
    Path("up").write_text("up")
    time.sleep(600)
"""


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    """Give the stages of a project whose two tests pass."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TESTS)
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return Path(shutil.copy(STAGES, tmp_path / "bin"))


def run(stages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(stages), *arguments],
        env=os.environ | {"CI": "true"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_stages_run_side_by_side_and_are_shown_one_after_the_other(stages: Path) -> None:
    result = run(stages)
    assert result.returncode == 0, result.stdout
    shown = re.findall("^── ([a-z]+): ", result.stdout, re.MULTILINE)
    assert shown == ["format", "lint", "types", "walls", "tests"]
    checks, _, tests = result.stdout.partition("── tests: ")
    assert "Success: no issues found" in checks
    assert "workers [2 items]" in tests
    assert "2 passed" in tests.splitlines()[-1]


def test_a_failing_test_is_shown_and_fails_the_run(stages: Path) -> None:
    (stages.parents[1] / "tests" / "test_it.py").write_text(TESTS.replace("True", "bool(0)"))
    result = run(stages)
    assert result.returncode == 1
    assert "assert bool(0)" in result.stdout
    assert result.stdout.endswith("bin/test: failed in tests (exit status 1)\n")


def test_a_failed_check_stops_the_tests_beside_it(stages: Path) -> None:
    (stages.parents[1] / "tests" / "test_it.py").write_text(ENDLESS + "\n\n\nx   =   1\n")
    result = run(stages)
    assert result.returncode == 1
    assert "── tests" not in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_takes_down_what_the_tests_have_started(
    stages: Path, number: signal.Signals
) -> None:
    root = stages.parents[1]
    (root / "tests" / "test_it.py").write_text(ENDLESS)
    os.mkfifo(root / "up")
    command = [sys.executable, str(stages)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("── tests" in line for line in process.stdout)
        assert (root / "up").read_text() == "up"  # when the test has begun
        process.send_signal(number)
        output, _ = process.communicate(timeout=50)
    assert process.returncode == 130
    assert (root / "down").exists()
    assert "KeyboardInterrupt" in output


def test_the_first_failing_stage_is_named_and_ends_the_run(stages: Path) -> None:
    (stages.parents[1] / "tests" / "test_it.py").write_text("x   =   1\n")
    result = run(stages)
    assert result.returncode == 1
    assert result.stdout.endswith("bin/test: failed in format (exit status 1)\n")
    assert "1 file would be reformatted" in result.stdout
    assert "── lint" not in result.stdout


def test_arguments_go_to_pytest_alone(stages: Path) -> None:
    result = run(stages, "tests", "-k", "yes")
    assert result.returncode == 0
    assert "1 passed, 1 deselected" in result.stdout
    assert "ruff" not in result.stdout


def test_pytests_own_exit_status_is_passed_on(stages: Path) -> None:
    assert run(stages, "-k", "neither").returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_coverage_reports_what_the_tests_reached(stages: Path) -> None:
    result = run(stages, "--coverage", "tests")
    assert result.returncode == 0
    assert "2 passed" in result.stdout
    assert "TOTAL" in result.stdout


def test_watching_runs_again_after_a_change(stages: Path) -> None:
    command = [sys.executable, str(stages), "--watch", "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        output = watcher.stdout
        assert output is not None

        def until(text: str) -> None:
            assert any(text in line for line in output)

        until("2 passed")
        until("waiting for a change")
        with (stages.parents[1] / "tests" / "test_it.py").open("a") as file:
            file.write("\n\ndef test_more() -> None:\n    assert True\n")
        until("3 passed")
        watcher.send_signal(signal.SIGINT)
    assert watcher.returncode == 130
