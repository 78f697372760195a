"""The daemon dies at work, by SIGKILL, and goes on: nothing is lost, nothing is said twice."""

import time
from collections import Counter

from ztm_chat.demo.record import Message
from ztm_chat.demo.screen import Screen
from ztm_chat.demo.stage import ALICE, BOB, BOT, TEAM, NotSeen, Stage

TICKS_TO_SHOW = 2
"""Publications of the mesh after which a second answer, had there been one, would be seen."""


class Crash:
    """The scene of the kill. `cut_off` is the message that was with the agent at that moment."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self.cut_off: Message

    def perform(self) -> list[Message]:
        """Everything that was written. Raises NotSeen."""
        before = [self._to_bot("Question 1: two plus two?"), self._to_team("Question 2: tea?")]
        before += [self._to_bot("Question 3: and three plus three?")]
        self.cut_off = self._wait_for_a_turn(before)
        self._kill()
        meanwhile = [self._to_bot("Question 4: are you there?"), self._to_team("Question 5: or cake?")]
        self._stage.start_daemon()
        self._screen.happened(f"The daemon is started again (process {self._stage.daemon.pid}).")
        self._see_all_answered(messages := before + meanwhile)
        return messages

    def _to_bot(self, text: str) -> Message:
        self._screen.said(ALICE, BOT, text)
        return self._stage.write(ALICE, text)

    def _to_team(self, text: str) -> Message:
        text = f"@{BOT} {text}"
        self._screen.said(BOB, TEAM, text)
        return self._stage.write_to_team(BOB, text)

    def _wait_for_a_turn(self, messages: list[Message]) -> Message:
        record = self._stage.record
        return self._stage.wait(
            lambda: next(filter(record.dispatched, messages), None),
            expected="the agent to be asked",
        )

    def _kill(self) -> None:
        self._stage.daemon.kill()
        work = self._stage.record.open_work()
        if not work:
            raise NotSeen("the daemon to die at work", "that it had nothing left to do")
        self._screen.failed(
            "The daemon is killed with SIGKILL while the agent thinks:"
            f" {_count(sum(map(len, work.values())), 'thing')} left undone."
        )

    def _see_all_answered(self, messages: list[Message]) -> None:
        """Each exactly once: nothing is left to do, and what was said twice has had its time."""
        self._stage.wait(
            lambda: all(map(self._stage.answers, messages)), expected="every question answered"
        )
        self._stage.wait(
            lambda: not self._stage.record.open_work(), expected="the daemon to have nothing to do"
        )
        time.sleep(TICKS_TO_SHOW * self._stage.mesh.timing.publish_tick_s)
        counted = Counter({message.text: self._said(message) for message in messages})
        for message in messages:
            self._show(message)
        if set(counted.values()) != {1}:
            raise NotSeen("every question answered once", f"answers: {dict(counted)}")
        self._screen.proved(
            f"{len(messages)} questions, {counted.total()} answers: each exactly once, by the mesh's"
            " own record"
        )

    def _said(self, message: Message) -> int:
        return sum(entry.text.count(message.text) for entry in self._stage.answers(message))

    def _show(self, message: Message) -> None: ...


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
