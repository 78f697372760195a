"""One showing of the demo, from the first line to the last, and how it ended."""

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ztm_chat.demo.dialogue import Dialogue
from ztm_chat.demo.play import Play, SceneFailed
from ztm_chat.demo.screen import Screen
from ztm_chat.demo.stage import ALICE, BOB, ECHO, TEAM, NotSeen, Stage, open_stage

WELL, FAILED, INTERRUPTED = 0, 1, 130

INTRODUCTION = """\
A simulated ZTM mesh in this process, its agents serving their real HTTP API on loopback.
Two people, {alice} and {bob}, and a group, {team}. The daemon is a process of its own, its
AI agent the built-in echo. Waiting times of mesh and daemon are {speed:g} times as short as real
ones; the echo's 0.4 s of thinking are real."""

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
    screen = Screen()
    with _interruptible():
        try:
            with open_stage(
                scale=1 / speed, keep=keep, agent=agent, patience_s=patience_s
            ) as stage:
                _introduce(stage, screen, speed)
                _talk(stage, screen) if interactive else _play(stage, screen)
                if keep:
                    screen.text(f"\nKept: {stage.folder}")
        except SceneFailed as failure:
            screen.failed(f"Failed: scene {failure.scene}")
            return _failed(screen, failure.expected, failure.found, stage)
        except NotSeen as failure:
            screen.failed("Failed")
            return _failed(screen, failure.expected, failure.found, stage)
        except KeyboardInterrupt:
            screen.text("\nInterrupted; the daemon is stopped, and nothing of the demo is left.")
            return INTERRUPTED
    return WELL


def _introduce(stage: Stage, screen: Screen, speed: float) -> None:
    screen.text(INTRODUCTION.format(alice=ALICE, bob=BOB, team=TEAM, speed=speed))
    screen.text(f"Its configuration, log and messages: {stage.folder}")


def _play(stage: Stage, screen: Screen) -> None:
    begun = time.monotonic()
    play = Play(stage, screen)
    play.perform()
    answers = sum(map(stage.times_answered, play.answered))
    screen.text(
        f"\nAll of it happened: {len(play.answered)} messages let in and {answers} answered,"
        f" {len(play.ignored)} ignored,\n1 stranger paired, 1 Chat app healed, 1 kill -9 survived;"
        f" nothing lost, nothing said twice. {time.monotonic() - begun:.0f} s."
    )
    screen.text(NEXT)


def _talk(stage: Stage, screen: Screen) -> None:
    stage.start_daemon()
    Dialogue(stage, screen).run()


def _failed(screen: Screen, expected: str, found: str, stage: Stage) -> int:
    screen.text(f"  expected: {expected}\n  found: {found}\n  the daemon's log: {stage.daemon.log}")
    return FAILED


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: with everything put away."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
