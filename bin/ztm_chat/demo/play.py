"""What happens in the demo: its scenes, each checked by the mesh's own record and the log."""

import re
import time
from collections.abc import Callable

from events.account.events import AccountOnline, ChatAppDeaf, ChatAppHealed, PairingApproved
from events.conversation.notices import APPROVED
from ztm_chat.demo.crash import Crash
from ztm_chat.demo.reasons import outcome, told
from ztm_chat.demo.record import Message
from ztm_chat.demo.screen import Screen
from ztm_chat.demo.stage import ALICE, BOB, BOT, TEAM, NotSeen, Stage
from ztm_chat.mesh import Entry

CODE = re.compile(r"Pairing code: (\w{8})\b")


class SceneFailed(Exception):
    """A scene did not happen as it should; `scene` is its title."""

    def __init__(self, scene: str, failure: NotSeen) -> None:
        super().__init__(f"{scene}: {failure}")
        self.scene = scene
        self.expected = failure.expected
        self.found = failure.found


class Play:
    """The scenes, and what one hands to the next."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self.stage = stage
        self.screen = screen
        self.answered: list[Message] = []
        self.ignored: list[Message] = []
        self._code = ""
        self._crash = Crash(stage, screen)

    def perform(self) -> None:
        """Play all scenes. Raises SceneFailed."""
        scenes: list[tuple[str, Callable[[], None]]] = [
            ("The daemon joins the mesh", self.joining),
            ("A stranger writes", self.stranger),
            ("The operator approves", self.approval),
            ("In the group, only a mention counts", self.group),
            ("The Chat app goes deaf", self.deafness),
            ("kill -9 in mid-work", self.crash),
            ("Why? The trail of one message", self.trail),
        ]
        for number, (title, scene) in enumerate(scenes):
            self.screen.heading(f"{number}  {title}")
            try:
                scene()
            except NotSeen as failure:
                raise SceneFailed(f"{number}  {title}", failure) from failure

    # The scenes

    def joining(self) -> None:
        """The daemon starts, and joins with its permit."""
        self.screen.ran("ztm-chat run --config openclaw.yaml")
        begun = time.monotonic()
        self.stage.start_daemon(until=AccountOnline)
        self.screen.proved(
            f"In the mesh as {BOT}, {time.monotonic() - begun:.1f} s after its start"
            f" (process {self.stage.daemon.pid})."
        )

    def stranger(self) -> None:
        """Alice is not known: she gets a code, and the agent is not asked."""
        message = self._write(ALICE, "Hello! Who are you?")
        self._decided(message, "pairing", "pending")
        said = self._said_to_alice(lambda entry: CODE.search(entry.text), "a pairing code")
        found = CODE.search(said.text)
        self._code = found[1] if found else ""
        self._check(not self.stage.record.dispatched(message), "the agent not to be asked")
        self.screen.proved(f"Told {_since(message)} after she wrote. The agent was not asked.")

    def approval(self) -> None:
        """The operator's real command lets her in; she is told, writes again, and is answered."""
        arguments = ("pairing", "approve", "ztm-chat", self._code)
        self._run(*arguments, expected="approval")
        self.stage.wait(
            lambda: self.stage.record.find(PairingApproved), expected="the approval in the log"
        )
        self._said_to_alice(lambda entry: entry.text == APPROVED, "the notice of her approval")
        self._answered(self._write(ALICE, "Thank you. What can you do?"), "whitelisted")

    def group(self) -> None:
        """A message without a mention is ignored, one with a mention is answered."""
        ignored = self._write_to_team(BOB, "Shall we have lunch at noon?")
        self._decided(ignored, "ignore", "mention_required")
        self._answered(self._write_to_team(BOB, f"@{BOT} shall we have lunch at noon?"), "allowed")
        said = len(self.stage.from_bot_to_team())
        self._check(said == 1, f"one message of {BOT} in the group", f"{said}")
        self.ignored.append(ignored)

    def deafness(self) -> None:
        """The Chat app shows nothing new: everything is answered, and the app is restarted."""
        before = self.stage.record.head()
        self.stage.bot.deafen()
        self.screen.happened(f"The Chat app of {BOT}'s agent silently stops seeing what is new.")
        self._answered(self._write(ALICE, "Can you hear me?"), "whitelisted")
        self._answered(self._write_to_team(BOB, f"@{BOT} and me?"), "allowed")
        deaf = self.stage.wait(
            lambda: self.stage.record.find(ChatAppDeaf, after=before),
            expected="the deafness in the log",
        )
        self.screen.proved("Both answered, from the mesh's files. The deafness is on record.")
        healed = self.stage.wait(
            lambda: self.stage.record.find(ChatAppHealed, after=deaf.seq),
            expected="the Chat app to be healed",
        )
        restarted = isinstance(healed.event, ChatAppHealed) and healed.event.restarted
        self._check(restarted, "the daemon to have restarted the Chat app", "that it had not")
        self.screen.proved("The daemon restarted the Chat app, and it hears again.")

    def crash(self) -> None:
        """Killed at work, and started again: everything is answered exactly once."""
        self.answered += self._crash.perform()
        counted = {message.text: self.stage.times_answered(message) for message in self.answered}
        all_once = set(counted.values()) == {1}
        self._check(all_once, "everything let in to be answered once", f"these answers: {counted}")

    def trail(self) -> None:
        """The real command tells the story of a message that the daemon died over."""
        message = self._crash.cut_off
        seen = self.stage.record.seen(message)
        seq = str(seen.seq) if seen else "0"
        story = self._run("why", seq, expected="the message's story")
        self._check(message.text in story, f"“{message.text}” in it", "another story")
        self.screen.happened("Between “Given to the agent” and “Sent” the daemon died.")

    # What scenes are made of

    def _write(self, person: str, text: str) -> Message:
        self.screen.said(person, BOT, text)
        return self.stage.write(person, text)

    def _write_to_team(self, person: str, text: str) -> Message:
        self.screen.said(person, TEAM, text)
        return self.stage.write_to_team(person, text)

    def _decided(self, message: Message, action: str, reason: str) -> None:
        """See the decision, say it, and see that it is the right one."""
        decision = self.stage.wait(
            lambda: self.stage.record.decision(message),
            expected=f"{action} ({reason}) to be decided",
        )
        self.screen.decided(told(decision, message.sender))
        right = (decision.action, decision.reason) == (action, reason)
        self._check(right, f"{action} ({reason})", outcome(decision))

    def _answered(self, message: Message, reason: str) -> None:
        """See a message let in and answered, and say how long it took."""
        self._decided(message, "process", reason)
        answers = self.stage.wait(lambda: self.stage.answers(message), expected="an answer")
        to = TEAM if "/group/" in message.stream else message.sender
        self.screen.said(BOT, to, f"{answers[0].text}   ({_since(message)})")
        self.answered.append(message)

    def _said_to_alice(self, wanted: Callable[[Entry], object], expected: str) -> Entry:
        entry = self.stage.wait(
            lambda: next(filter(wanted, self.stage.from_bot(ALICE)), None), expected=expected
        )
        self.screen.said(BOT, ALICE, entry.text)
        return entry

    def _run(self, *arguments: str, expected: str) -> str:
        done = self.stage.operate(*arguments)
        self.screen.ran(" ".join(("ztm-chat", *arguments)), done.stdout + done.stderr)
        self._check(done.returncode == 0, expected, f"exit code {done.returncode}")
        return done.stdout

    def _check(self, holds: bool, expected: str, found: str = "the opposite") -> None:
        if not holds:
            raise NotSeen(expected, found)


def _since(message: Message) -> str:
    return f"{time.time() - message.sent_ms / 1_000:.1f} s"
