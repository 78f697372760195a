"""One run of the demo, from the first line printed to the exit code."""

import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from signal import SIGHUP, SIGINT, SIGTERM
from types import FrameType
from typing import Any

from events.account.events import AccountOnline
from ztm_chat.demo.interactive import InteractiveSession
from ztm_chat.demo.sandbox.sandbox import (
    ALICE,
    BOB,
    ECHO,
    TEAM,
    ExpectationFailed,
    Sandbox,
    open_sandbox,
)
from ztm_chat.demo.scenario import Scenario, SceneFailed
from ztm_chat.demo.screen import Screen

PASSED, FAILED, INTERRUPTED = 0, 1, 130

INTRODUCTION = """\
A simulated ZTM mesh whose agents serve the real HTTP API on loopback, with two people, {alice} \
and {bob}, and a group, {team}. The daemon is a real process. Its AI agent is the built-in echo \
with a delay of 0.4 s. All waiting times are divided by {speed:g}.
Configuration and logs: {folder}"""

NEXT = """
Next:  ztm-chat demo --interactive      type as alice yourself
       ztm-chat run --help              the daemon, for a real ZTM Agent
       README.md, docs/                 configuration, policies, commands, design"""


def run_demo(
    *,
    speed: float,
    interactive: bool = False,
    keep: bool = False,
    agent: Mapping[str, Any] = ECHO,
    patience_s: float = 30.0,
) -> int:
    """Run the demo; return its exit code: 0 if all went as expected, 1 if not, 130 if interrupted.

    `speed`: how many times faster than on a real mesh. `patience_s`: how long any step may take.
    """
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # an odd terminal is no reason to fail
    screen = Screen()
    with _interruptible():
        try:
            with open_sandbox(
                scale=1 / speed, keep=keep, agent=agent, patience_s=patience_s
            ) as sandbox:
                _introduce(sandbox, screen, speed)
                (_run_interactive if interactive else _run_scenario)(sandbox, screen)
                if keep:
                    screen.text(f"\nKept: {sandbox.folder}")
        except SceneFailed as failure:
            screen.failed(f"Failed: scene {failure.scene}")
            return _failed(screen, failure.expected, failure.found, sandbox)
        except ExpectationFailed as failure:
            screen.failed("Failed")
            return _failed(screen, failure.expected, failure.found, sandbox)
        except KeyboardInterrupt:
            folder = "its folder is kept" if keep else "its folder is removed"
            screen.text(f"\nInterrupted. The daemon is stopped, {folder}.")
            return INTERRUPTED
    return PASSED


def _introduce(sandbox: Sandbox, screen: Screen, speed: float) -> None:
    screen.text(
        INTRODUCTION.format(alice=ALICE, bob=BOB, team=TEAM, speed=speed, folder=sandbox.folder)
    )


def _run_scenario(sandbox: Sandbox, screen: Screen) -> None:
    started = time.monotonic()
    scenario = Scenario(sandbox, screen)
    scenario.run()
    sandbox.stop_daemon()
    answers = sum(map(sandbox.times_answered, scenario.accepted))
    screen.heading(
        f"All scenes passed in {time.monotonic() - started:.0f} s. {len(scenario.accepted)}"
        f" messages accepted, {answers} answered, {len(scenario.ignored)} ignored."
    )
    screen.text("1 stranger paired, 1 deaf Chat app restarted, 1 kill -9 survived.")
    screen.text("Nothing lost, nothing duplicated.")
    screen.text(NEXT)


def _run_interactive(sandbox: Sandbox, screen: Screen) -> None:
    sandbox.start_daemon(until=AccountOnline)
    InteractiveSession(sandbox, screen).run()
    sandbox.stop_daemon()


def _failed(screen: Screen, expected: str, found: str, sandbox: Sandbox) -> int:
    screen.text(
        f"  expected: {expected}\n  found: {found}\n  the daemon's log: {sandbox.daemon.output}"
    )
    return FAILED


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does: with a clean-up that further signals do
    not disturb. Signals that were ignored stay ignored, as under nohup."""
    numbers = [n for n in (SIGINT, SIGTERM, SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        for handled in numbers:
            signal.signal(handled, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [(number, signal.signal(number, interrupt)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
