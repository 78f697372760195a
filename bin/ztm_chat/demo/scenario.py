"""The demo's scenes. Each is checked against the mesh's own record and the daemon's log."""

import re
import time
from collections.abc import Callable

from events.account.events import AccountOnline, ChatAppDeaf, ChatAppHealed, PairingApproved
from events.conversation.notices import APPROVED
from ztm_chat.demo.crash import CrashScene
from ztm_chat.demo.reasons import explain, outcome
from ztm_chat.demo.sandbox.log_view import Message
from ztm_chat.demo.sandbox.sandbox import ALICE, BOB, BOT, TEAM, ExpectationFailed, Sandbox
from ztm_chat.demo.screen import Screen
from ztm_chat.mesh import Entry

CODE = re.compile(r"Pairing code: (\w{8})\b")


class SceneFailed(Exception):
    """A scene did not go as expected; `scene` is its title."""

    def __init__(self, scene: str, failure: ExpectationFailed) -> None:
        super().__init__(f"{scene}: {failure}")
        self.scene = scene
        self.expected = failure.expected
        self.found = failure.found


class Scenario:
    """All scenes, and what one hands to the next."""

    def __init__(self, sandbox: Sandbox, screen: Screen) -> None:
        self.sandbox = sandbox
        self.screen = screen
        self.accepted: list[Message] = []
        self.ignored: list[Message] = []
        self._code = ""
        self._crash = CrashScene(sandbox, screen)

    def run(self) -> None:
        """Run all scenes. Raises SceneFailed."""
        scenes: list[tuple[str, Callable[[], None]]] = [
            ("The daemon joins the mesh", self.joining),
            ("A stranger writes", self.stranger),
            ("The operator approves", self.approval),
            ("In the group, only a mention counts", self.group),
            ("The Chat app goes deaf", self.deafness),
            ("kill -9 in the middle of a turn", self.crash),
            ("Why? The trail of one message", self.trail),
        ]
        for number, (title, scene) in enumerate(scenes):
            self.screen.heading(f"{number}  {title}")
            try:
                scene()
            except ExpectationFailed as failure:
                raise SceneFailed(f"{number}  {title}", failure) from failure

    # The scenes

    def joining(self) -> None:
        """The daemon starts, and joins with its permit."""
        self.screen.command("ztm-chat run --config openclaw.yaml")
        started = time.monotonic()
        self.sandbox.start_daemon(until=AccountOnline)
        self.screen.checked(
            f"Joined the mesh as {BOT} {time.monotonic() - started:.1f} s after start"
            f" (process {self.sandbox.daemon.pid})."
        )

    def stranger(self) -> None:
        """Alice is unknown: she gets a code, and the agent is not asked."""
        message = self._write(ALICE, "Hello! Who are you?")
        self._check_decision(message, "pairing", "pending")
        reply = self._reply_to_alice(lambda entry: CODE.search(entry.text), "a pairing code")
        found = CODE.search(reply.text)
        self._code = found[1] if found else ""
        dispatched = self.sandbox.log.dispatched(message)
        self._check(not dispatched, "the agent not to be asked", "that it was")
        self.screen.checked(f"Answered after {_since(message)}. The agent was not asked.")

    def approval(self) -> None:
        """The operator approves alice; she is notified, writes again, and is answered."""
        self._run_command("pairing", "approve", "ztm-chat", self._code, expected="approval")
        self.sandbox.wait(
            lambda: self.sandbox.log.find(PairingApproved), expected="the approval in the log"
        )
        self._reply_to_alice(lambda entry: entry.text == APPROVED, "the notice of her approval")
        self._check_answered(self._write(ALICE, "Thank you. What can you do?"), "whitelisted")

    def group(self) -> None:
        """A message without a mention is ignored, one with a mention is answered."""
        ignored = self._write_to_team(BOB, "Shall we have lunch at noon?")
        self._check_decision(ignored, "ignore", "mention_required")
        mention = self._write_to_team(BOB, f"@{BOT} shall we have lunch at noon?")
        self._check_answered(mention, "allowed")
        count = len(self.sandbox.from_bot_to_team())
        self._check(count == 1, f"one message from {BOT} in the group", f"{count}")
        self.ignored.append(ignored)

    def deafness(self) -> None:
        """The Chat app shows nothing new: messages are answered anyway, the app is restarted."""
        before = self.sandbox.log.head()
        self.sandbox.bot.deafen()
        self.screen.note(f"{BOT}'s Chat app silently stops showing new messages.")
        self._check_answered(self._write(ALICE, "Can you hear me?"), "whitelisted")
        self._check_answered(self._write_to_team(BOB, f"@{BOT} and me?"), "allowed")
        deaf = self.sandbox.wait(
            lambda: self.sandbox.log.find(ChatAppDeaf, after=before),
            expected="the deafness in the log",
        )
        self.screen.checked("Both answered from the mesh's files. The deafness is in the log.")
        healed = self.sandbox.wait(
            lambda: self.sandbox.log.find(ChatAppHealed, after=deaf.seq),
            expected="the Chat app to show messages again",
        )
        restarted = isinstance(healed.event, ChatAppHealed) and healed.event.restarted
        self._check(restarted, "a restart of the Chat app by the daemon", "none")
        self.screen.checked("The daemon restarted the Chat app; it shows messages again.")

    def crash(self) -> None:
        """Killed in the middle of a turn and restarted: each message is answered exactly once."""
        self.accepted += self._crash.run()
        counts = {message.text: self.sandbox.times_answered(message) for message in self.accepted}
        each_once = set(counts.values()) == {1}
        self._check(each_once, "exactly one answer to every accepted message", f"{counts}")

    def trail(self) -> None:
        """`ztm-chat why` tells the story of the message that the kill interrupted."""
        message = self._crash.interrupted
        seen = self.sandbox.log.seen(message)
        seq = str(seen.seq) if seen else "0"
        story = self._run_command("why", seq, expected="the message's story")
        self._check(message.text in story, f"the story of “{message.text}”", "another story")
        self.screen.note(
            "The daemon was killed while the agent worked on it. The reply was sent once."
        )

    # The steps of scenes

    def _write(self, person: str, text: str) -> Message:
        self.screen.message(person, BOT, text)
        return self.sandbox.write(person, text)

    def _write_to_team(self, person: str, text: str) -> Message:
        self.screen.message(person, TEAM, text)
        return self.sandbox.write_to_team(person, text)

    def _check_decision(self, message: Message, action: str, reason: str) -> None:
        """Wait for the decision, show it, and check that it is the right one."""
        decision = self.sandbox.wait(
            lambda: self.sandbox.log.decision(message),
            expected=f"the decision {action} ({reason})",
        )
        self.screen.decided(explain(decision, message.sender))
        right = (decision.action, decision.reason) == (action, reason)
        self._check(right, f"the decision {action} ({reason})", outcome(decision))

    def _check_answered(self, message: Message, reason: str) -> None:
        """Check that a message is accepted and answered; show how long it took."""
        self._check_decision(message, "process", reason)
        answers = self.sandbox.wait(lambda: self.sandbox.answers(message), expected="an answer")
        to = TEAM if "/group/" in message.stream else message.sender
        self.screen.message(BOT, to, f"{answers[0].text}   ({_since(message)})")
        self.accepted.append(message)

    def _reply_to_alice(self, wanted: Callable[[Entry], object], expected: str) -> Entry:
        entry = self.sandbox.wait(
            lambda: next(filter(wanted, self.sandbox.from_bot(ALICE)), None), expected=expected
        )
        self.screen.message(BOT, ALICE, entry.text)
        return entry

    def _run_command(self, *arguments: str, expected: str) -> str:
        done = self.sandbox.operate(*arguments)
        self.screen.command(" ".join(("ztm-chat", *arguments)), done.stdout + done.stderr)
        self._check(done.returncode == 0, expected, f"exit code {done.returncode}")
        return done.stdout

    def _check(self, holds: bool, expected: str, found: str) -> None:
        if not holds:
            raise ExpectationFailed(expected, found)


def _since(message: Message) -> str:
    return f"{time.time() - message.sent_ms / 1_000:.1f} s"
