"""A conversation's story for tests: what happens to it, step by step."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import count

from msgspec.structs import replace

from events.account.events import Pairing
from events.conversation import outbox, turns
from events.conversation import state as conversation
from events.conversation.arrivals import (
    Arrival,
    decide_arrivals,
    decide_baseline,
    decide_malformed,
    decide_waited_too_long,
)
from events.conversation.decision_builder import DecisionContext
from events.conversation.effects import Effect, due
from events.conversation.events import MessageRetried, NoCode
from events.conversation.policy_context import GroupFacts, PolicyContext
from events.conversation.turns import Failure, Reply
from events.event import Draft, Event, Recorded
from events.policy.account_policy import AccountPolicy, ToolGrant
from events.projections import identities
from events.streams import ConversationId, PeerId, conversation_stream
from tests.events.builders import ACCOUNT, LOG_ID, NOW_MS, OPEN_DOOR, PEER, Log, arrival


class ConversationStory:
    """A conversation as its actor would lead it: each step decides, records and evolves.

    Steps return the events that followed. `policy_context`, `now_ms` and `known` may be set between
    them.
    """

    def __init__(
        self,
        address: ConversationId = PEER,
        policy: AccountPolicy = OPEN_DOOR,
        *,
        log: Log | None = None,
    ) -> None:
        self.address = address
        self.log = log or Log()
        self.stream = conversation_stream(address)
        self.state = conversation.ConversationState()
        self.now_ms = NOW_MS
        self.known: set[bytes] = set()
        self._moments = count()
        self.policy_context = PolicyContext(
            account=ACCOUNT,
            log_id=LOG_ID,
            agent="echo",
            policy=policy,
            digest=policy.digest(),
            account_version=1,
            group=None if isinstance(address, PeerId) else GroupFacts("Team", frozenset({"alice"})),
        )

    # What holds

    @property
    def context(self) -> DecisionContext:
        """The conversation as a decision looks at it now."""
        entropy = sha256(f"moment {next(self._moments)}".encode()).digest()
        return DecisionContext(self.state, self.address, self.policy_context, self.now_ms, entropy)

    @property
    def recorded(self) -> list[Recorded]:
        """Everything in the conversation's stream."""
        return self.log.stream(self.stream)

    @property
    def turn(self) -> conversation.Turn:
        """The turn in flight."""
        assert self.state.turn, "no turn is in flight"
        return self.state.turn

    def effects(self) -> list[Effect]:
        """What the state calls for now."""
        return list(due(self.state, self.now_ms, known=self.policy_context.is_known))

    def texts(self, events: Iterable[Event]) -> list[str]:
        """The words that belong to `events` of this conversation, in their order."""
        wanted = {id(event) for event in events}
        found = [self.log.text(record) for record in self.recorded if id(record.event) in wanted]
        return [text for text in found if text is not None]

    # What happens

    def follow(self, drafts: Sequence[Draft]) -> list[Event]:
        """Record what was decided, and let the state evolve with it."""
        recorded = self.log.record(drafts, self.now_ms)
        for record in recorded:
            self.state = conversation.evolve(self.state, record)
            self.known.update(identities(record.event))
        return [record.event for record in recorded]

    def crash(self) -> None:
        """Lose everything but the log, and go on from there."""
        self.state = conversation.fold(self.recorded)
        self.known = {identity for each in self.recorded for identity in identities(each.event)}

    def passes(self, *, ms: int) -> None:
        """Let time go by."""
        self.now_ms += ms

    def arrive(self, *arrivals: Arrival) -> list[Event]:
        """The intake shows messages."""
        return self.follow(decide_arrivals(self.context, arrivals, self.known))

    def says(self, text: str = "hello", sender: str = "alice") -> list[Event]:
        """Somebody writes, now."""
        return self.arrive(arrival(text, sender=sender, sent_ms=self.now_ms))

    def baseline(self, *identities: bytes) -> list[Event]:
        """What was there before we came."""
        return self.follow(decide_baseline(self.context, identities))

    def set_aside(self, *arrivals: Arrival) -> list[Event]:
        """Messages that broke the actor."""
        return self.follow(decide_malformed(self.context, arrivals, self.known))

    def group_is(self, *members: str, name: str = "Team") -> list[Event]:
        """The group's file shows who its members are; what waited for that is judged."""
        self.policy_context = replace(
            self.policy_context, group=GroupFacts(name, frozenset(members))
        )
        return self.look_again()

    def look_again(self) -> list[Event]:
        """What follows from the standing as it is now."""
        waiting = {message.version for message in self.state.waiting}
        texts = {
            record.version: self.log.text(record) or ""
            for record in self.recorded
            if record.version in waiting
        }
        return self.follow(turns.decide_policy_context(self.context, texts))

    def group_is_unknown(self) -> None:
        """The group's file has no source right now."""
        self.policy_context = replace(self.policy_context, group=GroupFacts())

    def waited(self) -> list[Event]:
        """A look at what has waited too long."""
        return self.follow(decide_waited_too_long(self.context))

    def stands(
        self, *, policy: AccountPolicy | None = None, pairing: Pairing | None = None
    ) -> list[Event]:
        """The account's policy changes, or where the peer stands with it."""
        policy = policy or self.policy_context.policy
        self.policy_context = replace(
            self.policy_context,
            policy=policy,
            digest=policy.digest(),
            pairing=pairing or self.policy_context.pairing,
        )
        return self.look_again()

    def agent_replies(self, text: str = "hi", *, silent: bool = False) -> list[Event]:
        """The agent answers the turn in flight."""
        return self.replies_to(self.turn, text, silent=silent)

    def replies_to(
        self, turn: conversation.Turn, text: str, *, silent: bool = False
    ) -> list[Event]:
        """The agent answers `turn`, be it awaited or not."""
        reply = Reply(text, silent=silent)
        return self.follow(turns.decide_reply(self.context, turn.version, turn.attempt, reply))

    def agent_fails(
        self, *, transient: bool = True, retry_after_ms: int = 0, jitter: float = 0.0
    ) -> list[Event]:
        """The agent fails the turn in flight."""
        turn = self.turn
        failure = Failure("timeout", transient, retry_after_ms, jitter)
        return self.follow(turns.decide_failure(self.context, turn.version, turn.attempt, failure))

    def sent(self, queued: int | None = None) -> list[Event]:
        """A queued message (the oldest) stands in our own files."""
        version = self.state.outbox[0].version if queued is None else queued
        drafts = outbox.decide_sent(
            self.context, version, sent_ms=self.now_ms, reconciled=False, posts=1
        )
        return self.follow(drafts)

    def unsendable(self, queued: int | None = None) -> list[Event]:
        """A queued message (the oldest) can't ever be sent."""
        version = self.state.outbox[0].version if queued is None else queued
        return self.follow(outbox.decide_unsendable(self.context, version, "refused"))

    def code_issued(self, request_seq: int, code: str = "ABCD2345") -> list[Event]:
        """The account gives a code for the oldest message that waits for one."""
        message = self.state.uncoded[0].version
        return self.follow(outbox.decide_code(self.context, message, request_seq, code))

    def code_withheld(self, reason: NoCode) -> list[Event]:
        """The account gives no code."""
        return self.follow(outbox.decide_no_code(self.context, reason))

    def announce(self, approval_seq: int) -> list[Event]:
        """The account wants the approved person to be told."""
        return self.follow(outbox.decide_approved(self.context, "alice", approval_seq))

    def retry(self, aside: int, tools: ToolGrant | None = None) -> list[Event]:
        """The operator wants the message set aside as that version to be answered after all."""
        by_version = {record.version: record for record in self.recorded}
        seen = by_version[aside]
        while isinstance(seen.event, MessageRetried):
            seen = by_version[seen.event.message]
        return self.follow(turns.decide_retry(self.context, aside, seen, tools or ToolGrant()))

    def drop(self, message: int) -> list[Event]:
        """The operator has done with the message of that version."""
        return self.follow(turns.decide_drop(self.context, message))
