"""What `bin/test` runs, shown on a small project of its own."""

import os
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
"""

TESTS = """\
def test_yes() -> None:
    assert True


def test_no() -> None:
    assert True
"""


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    """Give the stages of a project whose two tests pass."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TESTS)
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
