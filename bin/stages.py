"""What `bin/test` runs, and in what order.

    bin/test                       every stage; the first that fails ends the run
    bin/test tests/events -k fold  pytest alone, with these arguments
    bin/test --coverage …          the same, under coverage, with a report at the end
    bin/test --watch …             the same, again whenever a file changes

The longer kill test runs only where it is asked for: `bin/test -m kill`.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WATCHED = {".py", ".toml", ".yaml", ".yml", ".json", ".lock"}
WATCH_INTERVAL_S = 0.5
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as main; main()"  # no `-m` to run


@dataclass(frozen=True, slots=True)
class Stage:
    """One tool's run: its name, and the arguments that Python gets."""

    name: str
    arguments: tuple[str, ...]

    def run(self) -> int:
        """Run it in the foreground; the tool's exit status."""
        print(f"\n── {self.name}: python {shlex.join(self.arguments)}", flush=True)
        return subprocess.run([sys.executable, *self.arguments], cwd=ROOT, check=False).returncode


CHECKS = (
    Stage("format", ("-m", "ruff", "format", "--check", ".")),
    Stage("lint", ("-m", "ruff", "check", ".")),
    Stage("types", ("-m", "mypy")),
    Stage("walls", ("-c", LINT_IMPORTS, "--no-logo")),
)


def plan(pytest_arguments: list[str], *, coverage: bool) -> list[Stage]:
    """The stages of a run: all of them, or pytest alone when it is given arguments."""
    runner = ("-m", "coverage", "run", "-m", "pytest") if coverage else ("-m", "pytest")
    tests = Stage("tests", (*runner, *(pytest_arguments or ["-m", "not kill"])))
    stages = [tests] if pytest_arguments else [*CHECKS, tests]
    if coverage:
        stages.insert(0, Stage("coverage", ("-m", "coverage", "erase")))
        stages.append(Stage("coverage", ("-m", "coverage", "combine", "--quiet")))
        stages.append(Stage("coverage", ("-m", "coverage", "report")))
    return stages


def run(stages: list[Stage]) -> int:
    """Run the stages up to the first that fails; its exit status, or 0."""
    for stage in stages:
        status = stage.run()
        if status != 0:
            print(f"\nbin/test: failed in {stage.name} (exit status {status})", flush=True)
            return status
    return 0


def watch(stages: list[Stage]) -> None:
    """Run the stages, then again after every change, until interrupted."""
    while True:
        before = modified()
        run(stages)
        print("\nbin/test: waiting for a change (Ctrl-C ends)", flush=True)
        while modified() == before:
            time.sleep(WATCH_INTERVAL_S)


def modified() -> dict[str, int]:
    """The time of last change (ns) of every file that a run may depend on."""
    found = {}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        for name in files:
            path = Path(folder, name)
            if path.suffix in WATCHED and path.exists():
                found[str(path)] = path.stat().st_mtime_ns
    return found


def main() -> int:
    """Run from `bin/test`."""
    parser = argparse.ArgumentParser(
        prog="bin/test",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # or pytest's --co would be taken for --coverage
    )
    parser.add_argument("--coverage", action="store_true", help="measure what the tests reach")
    parser.add_argument("--watch", action="store_true", help="run again on every change")
    ours, pytest_arguments = parser.parse_known_args()
    if os.environ.get("CI"):
        os.environ["NO_COLOR"] = "1"
    stages = plan(pytest_arguments, coverage=ours.coverage)
    try:
        if ours.watch:
            watch(stages)
        return run(stages)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
