"""The daemon dies at work, by SIGKILL, and goes on: nothing is lost, nothing is said twice."""

import time
from collections import Counter

from events.gateway.events import GatewayStarted
from ztm_chat.demo.record import Message
from ztm_chat.demo.screen import Screen
from ztm_chat.demo.stage import ALICE, BOB, BOT, TEAM, NotSeen, Stage
from ztm_chat.mesh import Entry

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
        messages = [self._to_bot("Question 1: tea?"), self._to_team("Question 2: coffee?")]
        self.cut_off = self._wait_for_a_turn(messages)
        self._kill()
        messages += [self._to_bot("Question 3: still there?"), self._to_team("Question 4: cake?")]
        self._stage.start_daemon(until=GatewayStarted)
        self._screen.happened(f"The daemon is started again (process {self._stage.daemon.pid}).")
        self._await_answers(messages)
        self.count_answers(messages)
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
        process = self._stage.daemon.pid
        self._stage.daemon.kill()
        if not self._stage.record.open_work():
            raise NotSeen("the daemon to die at work", "that it had nothing left to do")
        self._screen.struck(
            f"Process {process} dies while the agent thinks about “{self.cut_off.text}”."
        )

    def _await_answers(self, messages: list[Message]) -> None:
        """Show answers as they come, until every message has one and nothing is left to do."""
        shown: list[Entry] = []

        def all_answered() -> bool:
            for person, to in ((ALICE, ALICE), (BOB, TEAM)):
                mine = [message for message in messages if message.sender == person]
                for answer in self._answers(mine):
                    if answer not in shown:
                        shown.append(answer)
                        self._screen.said(BOT, to, answer.text)
            return all(map(self._stage.answers, messages))

        self._stage.wait(all_answered, expected="every question to be answered")
        self._stage.wait(
            lambda: not self._stage.record.open_work(), expected="the daemon to have nothing to do"
        )

    def _answers(self, messages: list[Message]) -> list[Entry]:
        found = [entry for message in messages for entry in self._stage.answers(message)]
        return sorted(found, key=lambda entry: entry.time)

    def count_answers(self, messages: list[Message]) -> None:
        """Once what was said twice has had its time to be seen."""
        time.sleep(TICKS_TO_SHOW * self._stage.mesh.timing.publish_tick_s)
        answered = Counter(
            {message.text: self._stage.times_answered(message) for message in messages}
        )
        if set(answered.values()) != {1}:
            raise NotSeen("every question to be answered once", f"these answers: {dict(answered)}")
        self._screen.proved(
            f"{len(messages)} questions, {answered.total()} answers: each exactly once, by the"
            " mesh's own record."
        )
