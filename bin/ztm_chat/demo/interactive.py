"""The reader types as alice, to the bot or in the group. Replies are shown as they come."""

import sys
import threading
from collections import Counter

from events.account.events import PairingApproved
from events.conversation.events import PolicyDecided
from ztm_chat.demo.reasons import explain
from ztm_chat.demo.sandbox.log_view import Message
from ztm_chat.demo.sandbox.sandbox import ALICE, BOT, TEAM, ExpectationFailed, Sandbox
from ztm_chat.demo.screen import Screen
from ztm_chat.mesh import MessageLost, MessageRefused

HELP = f"""
You are {ALICE}, and {BOT} does not know you yet. What you type is sent to it.
  /group TEXT      write to the group {TEAM}; mention @{BOT} to be answered
  /approve CODE    as the operator, approve a pairing code
  /quit            leave; so does Ctrl-D
"""

LOOK_S = 0.05


class InteractiveSession:
    """One session. A thread of its own shows replies and decisions."""

    def __init__(self, sandbox: Sandbox, screen: Screen) -> None:
        self._sandbox = sandbox
        self._screen = screen
        self._written: list[Message] = []
        self._head = sandbox.log.head()
        self._shown: Counter[str] = Counter()
        self._over = threading.Event()

    def run(self) -> None:
        """Read lines until /quit or the end of the input; at its end, wait for pending replies.

        Raises ExpectationFailed when the daemon exits meanwhile, or leaves a message unanswered.
        """
        self._screen.text(HELP)
        watching = threading.Thread(target=self._watch, name="demo replies", daemon=True)
        watching.start()
        try:
            if self._read():
                self._await_pending()
        finally:
            self._over.set()
            watching.join()

    def _read(self) -> bool:
        """Whether the input ended, rather than the reader typed /quit."""
        while True:
            try:
                line = input().strip()
            except EOFError:
                return True
            if line == "/quit":
                return False
            if line:
                self._obey(line)

    def _obey(self, line: str) -> None:
        if (status := self._sandbox.daemon.exit_status) is not None:
            raise ExpectationFailed("a running daemon", f"it exited with status {status}")
        command, _, rest = line.partition(" ")
        try:
            match command, rest.strip():
                case "/group", text if text:
                    self._echo(TEAM, text)
                    self._written.append(self._sandbox.write_to_team(ALICE, text))
                case "/approve", code if code:
                    self._approve(code)
                case _ if line.startswith("/"):
                    self._screen.text(HELP)
                case _:
                    self._echo(BOT, line)
                    self._written.append(self._sandbox.write(ALICE, line))
        except (MessageLost, MessageRefused) as error:
            self._screen.text(f"The mesh did not take the message: {error}")

    def _echo(self, to: str, text: str) -> None:
        """Show a line that came through a pipe; a terminal has shown it already."""
        if not sys.stdin.isatty():
            self._screen.message(ALICE, to, text)

    def _approve(self, code: str) -> None:
        arguments = ("pairing", "approve", "ztm-chat", code)
        done = self._sandbox.operate(*arguments)
        self._screen.command(" ".join(("ztm-chat", *arguments)), done.stdout + done.stderr)

    def _await_pending(self) -> None:
        """Wait until all messages are decided, no work is left, and the replies are shown."""
        self._sandbox.wait(
            lambda: all(map(self._sandbox.log.settled, self._written)),
            expected="a decision on every message",
        )
        self._sandbox.await_no_open_work()
        self._over.wait(2 * self._sandbox.mesh.timing.publish_tick_s)

    # The thread that shows what comes back

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            self._show_decisions()
            self._show_replies()
        self._show_replies()

    def _show_decisions(self) -> None:
        for record in self._sandbox.log.since(self._head):
            self._head = record.seq
            match record.event:
                case PolicyDecided() as decision:
                    self._screen.decided(explain(decision, ALICE))
                case PairingApproved(person=person):
                    self._screen.decided(f"{person} is approved")

    def _show_replies(self) -> None:
        for to, entries in (
            (ALICE, self._sandbox.from_bot(ALICE)),
            (TEAM, self._sandbox.from_bot_to_team()),
        ):
            for entry in entries[self._shown[to] :]:
                self._shown[to] += 1
                self._screen.message(BOT, to, entry.text)
