"""One showing of the demo, from the first line to the last, and how it ended."""

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
from ztm_chat.demo.dialogue import Dialogue
from ztm_chat.demo.play import Play, SceneFailed
from ztm_chat.demo.screen import Screen
from ztm_chat.demo.stage import ALICE, BOB, ECHO, TEAM, NotSeen, Stage, open_stage

WELL, FAILED, INTERRUPTED = 0, 1, 130

INTRODUCTION = """\
A simulated ZTM mesh, its agents serving the real HTTP API on loopback. Two people, {alice} and \
{bob}, and a group, {team}. The daemon is a real process; its AI agent is the built-in echo, which \
thinks for 0.4 s. The waiting times of mesh and daemon are divided by {speed:g}.
Configuration and logs: {folder}"""

NEXT = """
Next:  ztm-chat demo --interactive      type as alice yourself
       ztm-chat run --help              the daemon, for a real ZTM Agent
       README.md, docs/                 configuration, policies, commands, design"""


def show(
    *,
    speed: float,
    interactive: bool = False,
    keep: bool = False,
    agent: Mapping[str, Any] = ECHO,
    patience_s: float = 30.0,
) -> int:
    """Show it, and return the exit code: 0 only if all of it happened, 130 when interrupted.

    `speed`: how many times as fast as on a real mesh things happen. `patience_s`: how long any of
    them may take.
    """
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # an odd terminal is no reason to end
    screen = Screen()
    with _interruptible():
        try:
            with open_stage(
                scale=1 / speed, keep=keep, agent=agent, patience_s=patience_s
            ) as stage:
                _introduce(stage, screen, speed)
                (_talk if interactive else _play)(stage, screen)
                if keep:
                    screen.text(f"\nKept: {stage.folder}")
        except SceneFailed as failure:
            screen.failed(f"Failed: scene {failure.scene}")
            return _failed(screen, failure.expected, failure.found, stage)
        except NotSeen as failure:
            screen.failed("Failed")
            return _failed(screen, failure.expected, failure.found, stage)
        except KeyboardInterrupt:
            left = "its folder is kept" if keep else "nothing of the demo is left"
            screen.text(f"\nInterrupted; the daemon is stopped, and {left}.")
            return INTERRUPTED
    return WELL


def _introduce(stage: Stage, screen: Screen, speed: float) -> None:
    screen.text(
        INTRODUCTION.format(alice=ALICE, bob=BOB, team=TEAM, speed=speed, folder=stage.folder)
    )


def _play(stage: Stage, screen: Screen) -> None:
    begun = time.monotonic()
    play = Play(stage, screen)
    play.perform()
    stage.stop_daemon()
    answers = sum(map(stage.times_answered, play.answered))
    screen.heading(
        f"All of it happened, in {time.monotonic() - begun:.0f} s: {len(play.answered)} messages"
        f" let in, {answers} answered; {len(play.ignored)} ignored;"
    )
    screen.text(
        "1 stranger paired, 1 Chat app healed, 1 kill -9 survived, nothing lost or repeated."
    )
    screen.text(NEXT)


def _talk(stage: Stage, screen: Screen) -> None:
    stage.start_daemon(until=AccountOnline)
    Dialogue(stage, screen).run()
    stage.stop_daemon()


def _failed(screen: Screen, expected: str, found: str, stage: Stage) -> int:
    screen.text(f"  expected: {expected}\n  found: {found}\n  the daemon's log: {stage.daemon.log}")
    return FAILED


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: with everything put away, undisturbed by
    further signals. What was ignored stays ignored, as under nohup."""
    numbers = [n for n in (SIGINT, SIGTERM, SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [(number, signal.signal(number, interrupt)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
