"""The daemon is killed in the middle of a turn, and restarted: nothing is lost or duplicated."""

import time
from collections import Counter

from events.gateway.events import GatewayStarted
from ztm_chat.demo.sandbox.log_view import Message
from ztm_chat.demo.sandbox.sandbox import ALICE, BOB, BOT, TEAM, ExpectationFailed, Sandbox
from ztm_chat.demo.screen import Screen
from ztm_chat.mesh import Entry

TICKS_TO_WAIT = 2
"""A second answer, if there is one, is published within so many of the mesh's ticks."""


class CrashScene:
    """The scene with the kill. `interrupted` is the message that the agent was working on."""

    def __init__(self, sandbox: Sandbox, screen: Screen) -> None:
        self._sandbox = sandbox
        self._screen = screen
        self.interrupted: Message

    def run(self) -> list[Message]:
        """Return all messages that were written. Raises ExpectationFailed."""
        messages = [self._to_bot("Question 1: tea?"), self._to_team("Question 2: coffee?")]
        self.interrupted = self._wait_for_a_turn(messages)
        self._kill()
        messages += [self._to_bot("Question 3: still there?"), self._to_team("Question 4: cake?")]
        self._sandbox.start_daemon(until=GatewayStarted)
        self._screen.note(f"The daemon is restarted (process {self._sandbox.daemon.pid}).")
        self._await_answers(messages)
        self.count_answers(messages)
        return messages

    def _to_bot(self, text: str) -> Message:
        self._screen.message(ALICE, BOT, text)
        return self._sandbox.write(ALICE, text)

    def _to_team(self, text: str) -> Message:
        text = f"@{BOT} {text}"
        self._screen.message(BOB, TEAM, text)
        return self._sandbox.write_to_team(BOB, text)

    def _wait_for_a_turn(self, messages: list[Message]) -> Message:
        log = self._sandbox.log
        return self._sandbox.wait(
            lambda: next(filter(log.dispatched, messages), None),
            expected="a question to reach the agent",
        )

    def _kill(self) -> None:
        pid = self._sandbox.daemon.pid
        self._sandbox.daemon.kill()
        if not self._sandbox.log.open_work():
            raise ExpectationFailed("the kill to interrupt a turn", "no unfinished work in the log")
        self._screen.killed(
            f"Process {pid} is killed while the agent works on “{self.interrupted.text}”."
        )

    def _await_answers(self, messages: list[Message]) -> None:
        """Show answers as they come, until every message has one and no work is left."""
        shown: list[Entry] = []

        def all_answered() -> bool:
            for person, to in ((ALICE, ALICE), (BOB, TEAM)):
                from_person = [message for message in messages if message.sender == person]
                for answer in self._answers(from_person):
                    if answer not in shown:
                        shown.append(answer)
                        self._screen.message(BOT, to, answer.text)
            return all(map(self._sandbox.answers, messages))

        self._sandbox.wait(all_answered, expected="every question to be answered")
        self._sandbox.await_no_open_work()

    def _answers(self, messages: list[Message]) -> list[Entry]:
        found = [entry for message in messages for entry in self._sandbox.answers(message)]
        return sorted(found, key=lambda entry: entry.time)

    def count_answers(self, messages: list[Message]) -> None:
        """Check that each message has exactly one answer, once a second one had time to show."""
        time.sleep(TICKS_TO_WAIT * self._sandbox.mesh.timing.publish_tick_s)
        counts = Counter(
            {message.text: self._sandbox.times_answered(message) for message in messages}
        )
        if set(counts.values()) != {1}:
            raise ExpectationFailed("exactly one answer to every question", f"{dict(counts)}")
        self._screen.checked(
            f"{len(messages)} questions, {counts.total()} answers,"
            " each exactly once in the mesh's record."
        )
