"""What `bin/test` runs, side by side, and how its output stays in order.

    bin/test                       the checks and all tests, on every core
    bin/test tests/events -k fold  pytest alone, in the foreground, with these arguments
    bin/test --coverage …          the same, under coverage, with a report at the end
    bin/test --watch …             the same, again whenever a file changes

The first stage that fails ends the run. The longer kill test runs only where it is asked for:
`bin/test -m kill`.
"""

import argparse
import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WATCHED = {".py", ".toml", ".yaml", ".yml", ".json", ".lock"}
WATCH_INTERVAL_S = 0.5
HELD_BYTES = 64 * 1024 * 1024  # of the output of a stage whose turn to be shown has not come
STOP_S = 15  # what an interrupted stage gets to clean up before it is killed
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as main; main()"  # no `-m` to run
# One more pytest than cores, for many tests wait; one that runs out of tests takes another's.
WORKERS = min((os.cpu_count() or 1) + 1, 8)
PARALLEL = ("-n", str(WORKERS), "--dist", "worksteal")


@dataclass(frozen=True, slots=True)
class Stage:
    """One tool's run: its name, and the arguments that Python gets."""

    name: str
    arguments: tuple[str, ...]

    def announce(self) -> None:
        print(f"\n── {self.name}: python {shlex.join(self.arguments)}", flush=True)

    def run(self) -> int:
        """Run it in the foreground; the tool's exit status."""
        self.announce()
        return subprocess.run([sys.executable, *self.arguments], cwd=ROOT, check=False).returncode

    async def start(self) -> Process:
        """Start it beside others, in a process group of its own, with its output held."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *self.arguments,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            limit=HELD_BYTES,
            process_group=0,
        )

    async def show(self, process: Process) -> int:
        """Print what a started one has said, and what it says until it ends; its exit status."""
        self.announce()
        try:
            await copy_output(process)
        except asyncio.CancelledError:
            await stop([process])
            await copy_output(process)
            raise
        return await process.wait()


CHECKS = (
    Stage("format", ("-m", "ruff", "format", "--check", ".")),
    Stage("lint", ("-m", "ruff", "check", ".")),
    Stage("types", ("-m", "mypy")),
    Stage("walls", ("-c", LINT_IMPORTS, "--no-logo")),
)


def plan(pytest_arguments: list[str], *, coverage: bool) -> list[tuple[Stage, ...]]:
    """The steps of a run, each of stages that run side by side: all, or pytest alone."""
    runner = ("-m", "coverage", "run", "-m", "pytest") if coverage else ("-m", "pytest")
    colour = ("--color=yes",) if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ()
    steps: list[tuple[Stage, ...]] = []
    if pytest_arguments:
        steps.append((Stage("tests", (*runner, *pytest_arguments)),))
    else:
        tests = Stage("tests", (*runner, *colour, *PARALLEL, "-m", "not kill"))
        steps.append((*CHECKS, tests))
    if coverage:
        steps.insert(0, (Stage("coverage", ("-m", "coverage", "erase")),))
        steps.append((Stage("coverage", ("-m", "coverage", "combine", "--quiet")),))
        steps.append((Stage("coverage", ("-m", "coverage", "report")),))
    return steps


def run(steps: list[tuple[Stage, ...]]) -> int:
    """Run the steps up to the first stage that fails; its exit status, or 0."""
    for stages in steps:
        if len(stages) == 1:
            failed = (stages[0], status) if (status := stages[0].run()) else None
        else:
            failed = asyncio.run(side_by_side(stages))
        if failed is not None:
            stage, status = failed
            print(f"\nbin/test: failed in {stage.name} (exit status {status})", flush=True)
            return status
    return 0


async def side_by_side(stages: Sequence[Stage]) -> tuple[Stage, int] | None:
    """Run stages at once and show them in order; the first that failed, with its exit status.

    The others are stopped when one has failed, and all when the run is interrupted.
    """
    if this := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    running: dict[Stage, Process] = {}
    try:
        for stage in stages:
            running |= {stage: await stage.start()}
        for stage, process in running.items():
            if status := await stage.show(process):
                return stage, status
        return None
    finally:
        await stop([process for process in running.values() if process.returncode is None])


async def copy_output(process: Process) -> None:
    """Print a process's output as it comes, to its end."""
    while process.stdout and (output := await process.stdout.read(HELD_BYTES)):
        sys.stdout.buffer.write(output)
        sys.stdout.flush()


async def stop(processes: list[Process]) -> None:
    """End what still runs as Ctrl-C would, so that tests take down what they started."""
    send(processes, signal.SIGINT)
    try:
        async with asyncio.timeout(STOP_S):
            for process in processes:
                await process.wait()
    except TimeoutError:
        send(processes, signal.SIGKILL)


def send(processes: list[Process], number: signal.Signals) -> None:
    """Send a signal to processes and to what they have started."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def watch(steps: list[tuple[Stage, ...]]) -> None:
    """Run the steps, then again after every change, until interrupted."""
    while True:
        before = modified()
        run(steps)
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
    # The tests start hundreds of Pythons. Without stored bytecode, each compiles the project anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job
        signal.signal(signal.SIGINT, lambda *_: None)  # still without effect here, but on a stage
    steps = plan(pytest_arguments, coverage=ours.coverage)
    try:
        if ours.watch:
            watch(steps)
        return run(steps)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
