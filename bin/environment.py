"""Makes the environment that the launchers run in: `.venv`, from the lock file of tested versions.

Standard library only, for nothing is installed yet. `bin/setup` runs it.

An environment counts once `.venv/ready` stands, which is written last and holds a digest of what
went in; one that was cut off halfway, at any instruction, is made anew from nothing. One process
at a time makes it, under an flock on `.venv.lock`, which the kernel frees when its holder dies.
"""

import argparse
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCARCE_BYTES = 16 * 1024 * 1024


class SetupFailed(Exception):
    """The environment could not be made. The text says what failed, and what to do."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """One checkout of the project, and where its environment lies."""

    root: Path

    @property
    def venv(self) -> Path:
        """The environment's folder."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin" / "python"

    def lock_file(self, *, dev: bool) -> Path:
        """The pinned versions: the daemon's, or the daemon's and the tools' of `bin/test`."""
        return self.root / "bin" / ("requirements-dev.lock" if dev else "requirements.lock")

    def stamp(self, *, dev: bool) -> Path:
        """What says that the environment is complete."""
        return self.venv / ("ready-dev" if dev else "ready")

    def project(self) -> dict[str, object]:
        """The `[project]` table of pyproject.toml."""
        with (self.root / "pyproject.toml").open("rb") as file:
            table: dict[str, object] = tomllib.load(file)["project"]
        return table

    def digest(self, *, dev: bool) -> str:
        """SHA-256 (hex) of what goes in; other edits of pyproject.toml do not count."""
        project = json.dumps(self.project(), sort_keys=True).encode()
        return hashlib.sha256(self.lock_file(dev=dev).read_bytes() + project).hexdigest()

    def is_ready(self, *, dev: bool) -> bool:
        """Whether a complete environment stands, made from what the checkout now asks for."""
        for kind in {False, dev}:
            stamp = self.stamp(dev=kind)
            if not stamp.exists() or stamp.read_text() != self.digest(dev=kind):
                return False
        # The interpreter is a link into the system's Python, which may have been upgraded away.
        return self.python.exists()


def ensure(checkout: Checkout, *, dev: bool) -> None:
    """Leave a ready environment behind, making it if there is none.

    Raises SetupFailed when the installer fails, OSError when the folder cannot be written.
    """
    with exclusively(checkout.root / ".venv.lock") as lock:
        began = time.time_ns()
        if not checkout.is_ready(dev=dev):
            build(checkout, dev=dev, lock=lock)
        # The launcher compares times. Not now, but when the files were read: one that was edited
        # meanwhile must look newer.
        os.utime(checkout.stamp(dev=False), ns=(began, began))


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[int]:
    """Hold the lock on `path`, waiting for whoever has it; yields its descriptor."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another start that is setting up ztm-chat …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def build(checkout: Checkout, *, dev: bool, lock: int) -> None:
    """Make the environment from nothing; the stamps come last."""
    say(f"Setting up ztm-chat in {checkout.venv} (once) …")
    # First of all: a removal that is cut off must not leave a stamp on half an environment.
    for stamp in (checkout.stamp(dev=False), checkout.stamp(dev=True)):
        stamp.unlink(missing_ok=True)
    if checkout.venv.exists():
        shutil.rmtree(checkout.venv)
    for command in commands(checkout, dev=dev):
        run(command, cwd=checkout.root, lock=lock)
    link_project(checkout)
    for kind in {False, dev}:
        checkout.stamp(dev=kind).write_text(checkout.digest(dev=kind))


def commands(checkout: Checkout, *, dev: bool) -> list[list[str]]:
    """What to run: uv where it is installed, else Python's venv and pip."""
    # The resolved name, for `python3` may become another version on the next system upgrade.
    base = os.path.realpath(sys.executable)
    venv, python = str(checkout.venv), str(checkout.python)
    locked = ["--no-deps", "--requirement", str(checkout.lock_file(dev=dev))]
    if uv := shutil.which("uv"):
        return [
            [uv, "venv", "--python", base, venv],
            [uv, "pip", "install", "--python", python, "--compile-bytecode", *locked],
        ]
    # Python's -I, or pip would count what lies on PYTHONPATH as installed. (pip's own --isolated
    # is not wanted: the user's index and proxy settings hold.)
    return [
        [base, "-I", "-m", "venv", venv],
        [python, "-I", "-m", "pip", "install", "--quiet", "--no-input", *locked],
    ]


def run(command: list[str], *, cwd: Path, lock: int) -> None:
    """Run one step quietly; its output shows when it fails.

    The step inherits the lock: killed alone, we leave it running, and the next start must wait for
    its end before it begins anew.
    """
    result = subprocess.run(  # noqa: PLW1510  the output belongs into the error
        command,
        cwd=cwd,
        pass_fds=[lock],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if result.returncode != 0:
        raise SetupFailed(
            f"this command failed with status {result.returncode}:\n"
            f"    {' '.join(command)}\n{result.stdout.rstrip()}\n{cure(result.stdout, cwd)}"
        )


def cure(output: str, folder: Path) -> str:
    """What to do about a failure, by what was printed and how full the disk is."""
    # Asked as well as read, because venv keeps the reason of a failed step to itself.
    if os.strerror(errno.ENOSPC) in output or shutil.disk_usage(folder).free < SCARCE_BYTES:
        return f"Free some space on the disk that holds {folder}, then start again."
    if os.strerror(errno.EROFS) in output or os.strerror(errno.EACCES) in output:
        return "Make this folder writable, or move the checkout to one that is, then start again."
    return (
        "If a download failed, check that the package index can be reached (the installer's own "
        "settings and the proxy variables count); then start again."
    )


def link_project(checkout: Checkout) -> None:
    """Make the checkout importable, as an editable install would, without building anything.

    The paths are relative, so that a checkout that was moved or copied still runs its own code.
    The metadata lets `importlib.metadata.version("ztm-chat")` answer.
    """
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(checkout.venv)}))
    up = os.path.relpath(checkout.root, site)
    (site / "ztm_chat.pth").write_text(f"{up}\n{up}/bin\n")
    project = checkout.project()
    info = site / f"ztm_chat-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )


def say(line: str) -> None:
    """Tell the person who waits."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Run from `bin/setup`; the exit status is 0 when the environment is ready."""
    parser = argparse.ArgumentParser(prog="bin/setup", description="Make or refresh .venv.")
    parser.add_argument("--dev", action="store_true", help="with the tools that bin/test runs")
    dev: bool = parser.parse_args().dev
    checkout = Checkout(Path(__file__).resolve().parent.parent)
    try:
        ensure(checkout, dev=dev)
    except SetupFailed as failure:
        say(f"ztm-chat could not be set up: {failure}")
    except OSError as error:
        say(f"ztm-chat could not be set up in {checkout.root}: {error}.")
        say(cure(str(error), checkout.root))
    except KeyboardInterrupt:
        return 130
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
