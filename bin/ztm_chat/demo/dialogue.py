"""The reader types as alice: to the bot, or in the group; what comes back is shown as it comes."""

import sys
import threading
from collections import Counter

from events.account.events import PairingApproved
from events.conversation.events import PolicyDecided
from ztm_chat.demo.reasons import told
from ztm_chat.demo.record import Message
from ztm_chat.demo.screen import Screen
from ztm_chat.demo.stage import ALICE, BOT, TEAM, NotSeen, Stage
from ztm_chat.mesh import MessageLost, MessageRefused

HELP = f"""
You are {ALICE}, and {BOT} does not know you yet. What you type is sent to it.
  /group TEXT      write to the group {TEAM}; mention @{BOT} to be answered
  /approve CODE    be the operator, and approve a pairing code
  /quit            leave; so does Ctrl-D
"""

LOOK_S = 0.05


class Dialogue:
    """One session. Replies and decisions are shown by a thread of their own."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self._written: list[Message] = []
        self._head = stage.record.head()
        self._shown: Counter[str] = Counter()
        self._over = threading.Event()

    def run(self) -> None:
        """Read lines until /quit, or the end of the input; then what is under way is waited for.

        Raises NotSeen when the daemon ends meanwhile, or leaves something unanswered.
        """
        self._screen.text(HELP)
        watching = threading.Thread(target=self._watch, name="demo replies", daemon=True)
        watching.start()
        try:
            if self._read():
                self._await_the_rest()
        finally:
            self._over.set()
            watching.join()

    def _read(self) -> bool:
        """Whether the input ended by itself."""
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
        if (status := self._stage.daemon.exit_status) is not None:
            raise NotSeen("the daemon to be there", f"that it ended with status {status}")
        command, _, rest = line.partition(" ")
        try:
            match command, rest.strip():
                case "/group", text if text:
                    self._echo(TEAM, text)
                    self._written.append(self._stage.write_to_team(ALICE, text))
                case "/approve", code if code:
                    self._approve(code)
                case _ if line.startswith("/"):
                    self._screen.text(HELP)
                case _:
                    self._echo(BOT, line)
                    self._written.append(self._stage.write(ALICE, line))
        except (MessageLost, MessageRefused) as error:
            self._screen.text(f"The mesh did not take it: {error}")

    def _echo(self, to: str, text: str) -> None:
        """Show what came through a pipe; a terminal has shown it already."""
        if not sys.stdin.isatty():
            self._screen.said(ALICE, to, text)

    def _approve(self, code: str) -> None:
        arguments = ("pairing", "approve", "ztm-chat", code)
        done = self._stage.operate(*arguments)
        self._screen.ran(" ".join(("ztm-chat", *arguments)), done.stdout + done.stderr)

    def _await_the_rest(self) -> None:
        """Until all that was written is decided, nothing is left to do, and it is shown."""
        self._stage.wait(
            lambda: all(map(self._stage.record.settled, self._written)),
            expected="every message to be decided",
        )
        self._stage.wait(
            lambda: not self._stage.record.open_work(), expected="the daemon to have nothing to do"
        )
        self._over.wait(2 * self._stage.mesh.timing.publish_tick_s)

    # What comes back

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            self._show_decisions()
            self._show_replies()
        self._show_replies()

    def _show_decisions(self) -> None:
        for one in self._stage.record.since(self._head):
            self._head = one.seq
            match one.event:
                case PolicyDecided() as decision:
                    self._screen.decided(told(decision, ALICE))
                case PairingApproved(person=person):
                    self._screen.decided(f"{person} is approved")

    def _show_replies(self) -> None:
        for to, entries in (
            (ALICE, self._stage.from_bot(ALICE)),
            (TEAM, self._stage.from_bot_to_team()),
        ):
            for entry in entries[self._shown[to] :]:
                self._shown[to] += 1
                self._screen.said(BOT, to, entry.text)
