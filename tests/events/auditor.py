"""An auditor who reads a conversation's log, event by event, and holds it to what is promised.

It keeps books of its own and uses no fold, so that state and log are checked against each other.
"""

from collections import Counter

from events.codec import encode
from events.conversation.events import (
    AgentFailed,
    AgentReplied,
    Dispatched,
    MessageDeadLettered,
    MessageQueued,
    MessageRetried,
    MessageSeen,
    PairingWithheld,
    PolicyDecided,
    ReplyFailed,
    ReplySent,
    TurnCancelled,
)
from events.conversation.judgement import decide_again
from events.conversation.wire_text import chunks, safe_for_wire
from events.event import Recorded
from events.policy.account_policy import AccountPolicy, ToolGrant
from events.projections import closes, identities, opens
from events.streams import ConversationId
from events.watermark import WatermarkAdvanced
from tests.events.builders import Log
from tests.events.conversation_strategies import MARKER


class Auditor:
    """Books on one conversation. Messages, turns and queued messages are named by version."""

    def __init__(
        self, log: Log, address: ConversationId, policies: dict[bytes, AccountPolicy]
    ) -> None:
        self.log = log
        self.address = address
        self.policies = policies
        self.known: Counter[bytes] = Counter()
        self.seen: dict[int, Recorded] = {}
        self.decided: set[int] = set()
        self.undecided: set[int] = set()
        self.strangers: set[int] = set()
        self.let_in: dict[int, tuple[str, ToolGrant | None]] = {}
        self.in_turns: set[int] = set()
        self.ended: Counter[int] = Counter()
        self.turn: tuple[Recorded, Dispatched] | None = None
        self.attempt = 1
        self.replies: dict[int, str] = {}
        self.queued: dict[int, Recorded] = {}
        self.parts: dict[int, list[str]] = {}
        self.in_outbox: set[int] = set()
        self.told: set[tuple[str, int]] = set()
        self.work: set[int] = set()
        self.watermark = 0
        self.newest_ms = 0

    def read(self, record: Recorded) -> None:
        """Enter one event of the conversation into the books."""
        assert MARKER.encode() not in encode(record.event), f"somebody's words in {record.event}"
        assert 0 <= record.cause < record.seq, f"caused by itself or later: {record}"
        self.known.update(identities(record.event))
        self.newest_ms = max(self.newest_ms, self._sent_ms(record))
        self.work.difference_update(closes(record.event))
        self.work.update({record.version} if opens(record.event) else ())
        self._enter(record)

    def balance(self, *, at_rest: bool) -> None:
        """Compare the books after a whole append."""
        assert all(times == 1 for times in self.known.values()), "a message was recorded twice"
        assert all(times == 1 for times in self.ended.values()), "a message ended twice"
        salts = [body.salt for body in self.log.bodies.values()]
        assert len(salts) == len(set(salts)), "two bodies share a salt"
        for turn, text in self.replies.items():
            assert self.parts.get(turn, []) == chunks(safe_for_wire(text)[0]), (
                "a reply was not queued"
            )
        assert at_rest == (not self.work)
        if at_rest:
            self._rest()

    def _rest(self) -> None:
        assert not self.decided & self.undecided
        assert self.decided | self.undecided == self.seen.keys(), "a message was never decided"
        to_end = self.let_in.keys() | self.strangers | self.undecided
        assert self.ended.keys() == to_end, "a message has no outcome"
        assert not self.in_outbox
        assert self.turn is None
        assert self.watermark == self.newest_ms

    def _sent_ms(self, record: Recorded) -> int:
        known = len(identities(record.event)) == 1
        return getattr(record.event, "sent_ms", 0) if known else 0

    def _enter(self, record: Recorded) -> None:
        match record.event:
            case MessageSeen():
                self._seen(record, record.event)
            case PolicyDecided():
                self._policy_decided(record, record.event)
            case PairingWithheld(message):
                assert message in self.strangers
                self.ended[message] += 1
            case Dispatched():
                self._dispatched(record, record.event)
            case AgentReplied() | AgentFailed() | TurnCancelled():
                self._of_the_turn(record, record.event)
            case MessageQueued():
                self._queued(record, record.event)
            case ReplySent(queued) | ReplyFailed(queued):
                assert queued in self.in_outbox, "sent before it was queued, or twice"
                assert record.cause == self.queued[queued].seq
                self.in_outbox.remove(queued)
            case MessageDeadLettered(message, reason):
                self._set_aside(message, reason)
            case MessageRetried(message, sender, _, tools):
                assert self.ended[message], "a message was retried before it had ended"
                self.let_in[record.version] = (sender, tools)
            case WatermarkAdvanced(position):
                assert position > self.watermark, "the watermark went back"
                self.watermark = position

    def _set_aside(self, message: int, reason: str) -> None:
        if message in self.seen.keys() - self.decided:
            assert reason == "too-late"
            self.undecided.add(message)
        else:
            assert message in self.let_in
        self.ended[message] += 1

    def _seen(self, record: Recorded, event: MessageSeen) -> None:
        body = self.log.bodies[record.seq, 0]
        assert (event.body, event.length) == (body.digest, len(body.text))
        self.seen[record.version] = record

    def _policy_decided(self, record: Recorded, event: PolicyDecided) -> None:
        assert event.message not in self.decided, "a message was decided twice"
        looked_up = event.inputs.membership != "unknown"
        assert looked_up or event.rule == "groups-disabled", "judged as no member, unlooked"
        seen = self.seen[event.message]
        assert record.cause == seen.seq
        assert isinstance(seen.event, MessageSeen)
        for text in (self.log.text(seen), None):
            again = decide_again(event, seen.event, self.address, self.policies.__getitem__, text)
            assert again == event, "decided again, it comes out otherwise"
        self.decided.add(event.message)
        if event.action == "process":
            self.let_in[event.message] = (seen.event.sender, event.tools)
        elif event.action == "pairing" and event.inputs.pairing == "none":
            self.strangers.add(event.message)

    def _dispatched(self, record: Recorded, event: Dispatched) -> None:
        assert self.turn is None, "two turns in flight"
        assert not self.in_turns & set(event.messages), "a message is in two turns"
        assert not self.ended.keys() & set(event.messages), "a turn with a message that has ended"
        for message in event.messages:
            assert self.let_in[message] == (event.sender, event.tools)
        self.in_turns.update(event.messages)
        self.turn, self.attempt = (record, event), 1

    def _of_the_turn(
        self, record: Recorded, event: AgentReplied | AgentFailed | TurnCancelled
    ) -> None:
        assert self.turn, "an end without a turn"
        begun, turn = self.turn
        assert (event.turn, record.cause) == (begun.version, begun.seq)
        if isinstance(event, AgentReplied):
            assert event.attempt == self.attempt
            self.ended.update(turn.messages)
            text = self.log.text(record)
            assert text is not None
            assert event.silent or text.strip()
            self.replies.update({} if event.silent else {event.turn: text})
        if isinstance(event, AgentFailed):
            assert event.attempt == self.attempt
            self.attempt += 1
            if event.retry_ms:
                return
        self.turn = None

    def _queued(self, record: Recorded, event: MessageQueued) -> None:
        body = self.log.bodies[record.seq, 0]
        assert (event.body, event.length) == (body.digest, len(body.text))
        told = (event.purpose, record.cause)
        assert told not in self.told, "a code or an approval was told twice"
        self.told.update({told} if event.purpose in ("pairing", "approved") else ())
        self.queued[record.version] = record
        self.in_outbox.add(record.version)
        if event.purpose == "reply":
            assert event.answers in self.replies, "a reply to nothing"
            parts = self.parts.setdefault(event.answers, [])
            parts.append(body.text)
            assert event.part == len(parts)
        if event.purpose == "pairing":
            assert event.answers in self.strangers
            self.ended[event.answers] += 1
