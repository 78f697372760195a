"""The launchers, run for real in a small checkout of their own: no network, one tiny wheel."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60  # for one set-up; a few seconds, unless the machine is busy
pytestmark = pytest.mark.timeout(3 * PATIENCE_S)

PYPROJECT = '[project]\nname = "ztm-chat"\nversion = "1.2.3"\n'
MAIN = """
import importlib.metadata, json, os, sys, tiny
print(json.dumps({
    "arguments": sys.argv[1:],
    "cwd": os.getcwd(),
    "code": __file__,
    "tiny": tiny.VERSION,
    "version": importlib.metadata.version("ztm-chat"),
}))
"""


def make_wheel(folder: Path, version: str) -> Path:
    """Write a wheel with one module, `tiny`, by hand: what pip needs, and no build."""
    wheel = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", f"VERSION = {version!r}\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/RECORD,,\n")
    return wheel


def make_checkout(root: Path) -> Path:
    """Lay out what the launchers need: themselves, a program, and a lock file."""
    program = root / "bin" / "ztm_chat"
    program.mkdir(parents=True)
    for name in ("ztm-chat", "setup", "environment.py"):
        shutil.copy(PROJECT / "bin" / name, root / "bin" / name)
    (program / "__init__.py").touch()
    (program / "__main__.py").write_text(MAIN)
    (root / "pyproject.toml").write_text(PYPROJECT)
    lock(root, make_wheel(root, "1.0"))
    return root


def lock(root: Path, wheel: Path) -> None:
    """Make `wheel` the only pinned package."""
    (root / "bin" / "requirements.lock").write_text(f"./{wheel.name}\n")


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the launchers a PATH with one Python and no uv, and forbid them the package index."""
    tools = tmp_path_factory.mktemp("tools")
    (tools / "python3").symlink_to(os.path.realpath(sys.executable))
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return environ | {"PATH": f"{tools}:/usr/bin:/bin", "PIP_NO_INDEX": "1"}


@pytest.fixture(scope="module")
def first_starts(
    tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]
) -> tuple[Path, list[subprocess.CompletedProcess[str]]]:
    """Start a new checkout twice at the same time; the checkout, and how both starts went."""
    root = make_checkout(tmp_path_factory.mktemp("ready") / "check out")
    starts = [start(root, environ) for _ in range(2)]
    return root, [finish(process) for process in starts]


@pytest.fixture
def ready(first_starts: tuple[Path, list[subprocess.CompletedProcess[str]]]) -> Path:
    """Give a checkout that has been set up."""
    return first_starts[0]


def start(
    root: Path, environ: dict[str, str], *, program: str = "ztm-chat"
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(root / "bin" / program)],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(
    command: str | Path, *arguments: str, environ: dict[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(command), *arguments],
        env=environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def said(result: subprocess.CompletedProcess[str]) -> Any:
    """Read what the program printed; what the launcher printed instead, when it failed."""
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@contextlib.contextmanager
def halfway(root: Path, environ: dict[str, str], program: str) -> Iterator[subprocess.Popen[str]]:
    """Start a set-up and hand it over once the environment is half there."""
    process = start(root, environ, program=program)
    with process:
        deadline = time.monotonic() + PATIENCE_S
        while not (root / ".venv" / "pyvenv.cfg").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process
    assert not (root / ".venv" / "ready").exists()


def test_two_first_starts_at_the_same_time_both_run_and_one_of_them_sets_up(
    first_starts: tuple[Path, list[subprocess.CompletedProcess[str]]],
) -> None:
    root, starts = first_starts
    assert [said(result)["tiny"] for result in starts] == ["1.0", "1.0"]
    builder, waiter = sorted((result.stderr for result in starts), key=lambda text: text[0])
    assert builder == f"Setting up ztm-chat in {root}/.venv (once) …\n"
    assert waiter == "Waiting for another start that is setting up ztm-chat …\n"


def test_a_later_start_leaves_the_environment_alone_and_runs_no_other_command(
    ready: Path, environ: dict[str, str]
) -> None:
    stamp = ready / ".venv" / "ready"
    before = stamp.stat().st_mtime_ns
    # Without a PATH, whatever the shell has not built in would be "not found".
    result = run(ready / "bin" / "ztm-chat", environ=environ | {"PATH": "/nonexistent"})
    assert said(result)["version"] == "1.2.3"
    assert result.stderr == ""
    assert stamp.stat().st_mtime_ns == before


def test_arguments_arrive_as_they_were_typed(ready: Path, environ: dict[str, str]) -> None:
    arguments = ["send", "two words", "", "*", "$HOME", 'a"b', "-P", "line\nbreak"]
    answer = said(run(ready / "bin" / "ztm-chat", *arguments, environ=environ))
    assert answer["arguments"] == arguments


def test_links_to_the_launcher_work_from_anywhere(
    ready: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    absolute, relative = tmp_path / "ztm-chat", tmp_path / "deeper" / "chat"
    absolute.symlink_to(ready / "bin" / "ztm-chat")
    relative.parent.mkdir()
    relative.symlink_to(Path("..", "ztm-chat"))
    answer = said(run("deeper/chat", environ=environ, cwd=tmp_path))
    assert Path(answer["code"]).is_relative_to(ready)
    assert answer["cwd"] == str(tmp_path)
    by_name = environ | {"PATH": f"{tmp_path}:{environ['PATH']}"}
    assert said(run("sh", "-c", "ztm-chat", environ=by_name))["tiny"] == "1.0"


def test_what_lies_in_the_current_folder_is_never_imported(
    ready: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "tiny.py").write_text("VERSION = 'not ours'\n")
    assert said(run(ready / "bin" / "ztm-chat", environ=environ, cwd=tmp_path))["tiny"] == "1.0"


def test_a_copied_checkout_runs_its_own_code(
    ready: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ready, copy, symlinks=True)
    result = run(copy / "bin" / "ztm-chat", environ=environ)
    assert Path(said(result)["code"]).is_relative_to(copy)
    assert result.stderr == ""


def test_an_edit_that_changes_no_requirement_does_not_set_up_again(
    ready: Path, environ: dict[str, str]
) -> None:
    pyproject = ready / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + "\n[tool.ruff]\nline-length = 100\n")
    result = run(ready / "bin" / "ztm-chat", environ=environ)
    assert said(result)["tiny"] == "1.0"
    assert result.stderr == ""
    # The next start is a fast one again.
    assert (ready / ".venv" / "ready").stat().st_mtime_ns > pyproject.stat().st_mtime_ns


def test_a_changed_lock_is_set_up_anew_and_a_failure_shows_why(
    ready: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(ready, tmp_path / "checkout", symlinks=True))
    lock(root, Path("absent-1.0-py3-none-any.whl"))
    failed = run(root / "bin" / "ztm-chat", environ=environ)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "absent-1.0-py3-none-any.whl" in failed.stderr
    assert "then start again." in failed.stderr
    assert "Traceback" not in failed.stderr

    lock(root, make_wheel(root, "2.0"))
    assert said(run(root / "bin" / "ztm-chat", environ=environ))["tiny"] == "2.0"


def test_a_set_up_killed_with_all_it_started_is_made_anew(
    environ: dict[str, str], tmp_path: Path
) -> None:
    root = make_checkout(tmp_path / "checkout")
    with halfway(root, environ, "ztm-chat") as process:
        os.killpg(process.pid, signal.SIGKILL)
    result = run(root / "bin" / "ztm-chat", environ=environ)
    assert said(result)["tiny"] == "1.0"
    assert re.fullmatch(r"Setting up ztm-chat in .+ \(once\) …\n", result.stderr)


def test_what_a_killed_set_up_left_running_keeps_the_next_one_out(
    environ: dict[str, str], tmp_path: Path
) -> None:
    root = make_checkout(tmp_path / "checkout")
    with halfway(root, environ, "setup") as process:
        process.kill()  # bin/setup became environment.py, whose step lives on
        process.wait()
        with (root / ".venv.lock").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.killpg(process.pid, signal.SIGKILL)
    with (root / ".venv.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # free again, now that nothing of it lives


def test_a_place_that_cannot_be_written_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    root = make_checkout(tmp_path / "checkout")
    (root / ".venv.lock").mkdir()  # permissions would not stop root, who may run the tests
    result = run(root / "bin" / "ztm-chat", environ=environ)
    assert result.returncode == 1
    assert f"could not be set up in {root}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_python_is_said_with_its_cure(environ: dict[str, str], tmp_path: Path) -> None:
    root = make_checkout(tmp_path / "checkout")
    result = run(root / "bin" / "ztm-chat", environ=environ | {"PATH": str(tmp_path)})
    assert result.returncode == 1
    assert result.stderr.startswith("ztm-chat needs Python 3.11 or newer")
    assert "apt install python3" in result.stderr


def test_a_python_that_cannot_make_environments_is_passed_over(
    environ: dict[str, str], tmp_path: Path
) -> None:
    root = make_checkout(tmp_path / "checkout")
    lacking = tmp_path / "python3.12"  # as Debian ships it, without python3-venv
    lacking.write_text(
        '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\n'
        f'exec "{os.path.realpath(sys.executable)}" "$@"\n'
    )
    lacking.chmod(0o755)
    result = run(root / "bin" / "ztm-chat", environ=environ | {"PATH": str(tmp_path)})
    assert result.returncode == 1
    assert "python3.12 has no venv module" in result.stderr
    assert "apt install python3-venv" in result.stderr


def test_both_lock_files_pin_the_same_versions_of_what_the_daemon_needs() -> None:
    runtime, dev = (
        set(re.findall(r"^[\w.-]+==[\w.]+", (PROJECT / "bin" / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runtime
    assert runtime < dev
