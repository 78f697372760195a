"""Events that follow one from another, and the state that each of them leads to.

The decisions in `arrivals`, `turns` and `outbox` all unfold alike: take the durable state, add
events, and let what each leads to (the next turn, the watermark) follow in the same append. They
read no clock and draw no salt: a `DecisionContext` hands both in.
"""

import msgspec

from events.conversation import notices
from events.conversation.events import (
    Dispatched,
    MessageDeadLettered,
    MessageQueued,
    PolicyDecided,
    Purpose,
    TurnCancelled,
)
from events.conversation.judgement import judge
from events.conversation.policy_context import PolicyContext
from events.conversation.state import ConversationState, Queued, Turn, Waiting, evolve
from events.conversation.wire_text import chunks, safe_for_wire
from events.event import Body, Draft, Event, Recorded
from events.policy.account_policy import ToolGrant
from events.policy.mention import mentioned
from events.streams import ConversationId, conversation_stream
from events.watermark import WatermarkAdvanced

COLLECTED = 20
"""How many waiting messages of one sender a turn takes at most."""


class DecisionContext(msgspec.Struct, frozen=True):
    """A conversation's durable state and everything else that a decision is made by.

    `entropy`: random bytes (32) that the salts of new bodies are derived from. `unproved_ms`: how
    far `now_ms` is beyond what the mesh's clock bears out; nothing is too late by that alone.
    """

    state: ConversationState
    address: ConversationId
    policy_context: PolicyContext
    now_ms: int
    entropy: bytes
    unproved_ms: int = 0

    @property
    def horizon_ms(self) -> int:
        """What is from before this time is too late to be answered."""
        horizon_s = self.policy_context.policy.answer_horizon_s
        return self.now_ms - self.unproved_ms - horizon_s * 1_000


class DecisionBuilder:
    """Drafts in the making. `state` is the state they lead to; `done()` completes and returns
    them.
    """

    def __init__(self, context: DecisionContext) -> None:
        self.context = context
        self.policy_context = context.policy_context
        self.state = context.state
        self._stream = conversation_stream(context.address)
        self._drafts: list[Draft] = []
        self._bodies = 0

    def add(
        self, event: Event, *bodies: Body, by: Waiting | Turn | Queued | int | None = None
    ) -> None:
        """Append `event`, caused `by` something in the state, or by a global sequence."""
        version = self.state.version + 1
        cause = by or 0
        if not isinstance(cause, int):
            recorded_already = cause.version <= self.context.state.version
            cause = cause.seq if recorded_already else cause.version - version
        self._drafts.append(Draft(self._stream, event, cause, bodies))
        time = self.context.now_ms * 1_000_000
        self.state = evolve(self.state, Recorded(0, self._stream, version, time, 0, event))

    def body(self, name: str, text: str) -> Body:
        """A body that belongs to the person `name`."""
        self._bodies += 1
        person = self.policy_context.person(name)
        return Body.derived(person, text, self.context.entropy, self._bodies)

    def settle(self, message: Waiting, text: str) -> None:
        """Judge a message, unless its group can't be looked up right now."""
        if not self.policy_context.is_known:
            return
        inputs = self.policy_context.inputs(message.sender, self.context.now_ms)
        mention = mentioned(text, inputs.own)
        verdict, tools = judge(
            self.policy_context.policy,
            self.context.address,
            message.sender,
            inputs,
            mention=mention,
        )
        decided = PolicyDecided(
            message=message.version,
            action=verdict.action,
            reason=verdict.reason,
            rule=verdict.rule,
            mentioned=mention,
            tools=tools,
            inputs=inputs,
        )
        self.add(decided, by=message)

    def queue(
        self,
        purpose: Purpose,
        name: str,
        text: str,
        *,
        answers: int = 0,
        by: Waiting | Turn | int | None = None,
    ) -> None:
        """Queue `text`, which belongs to the person `name`, made safe for the wire and in parts."""
        safe, changed = safe_for_wire(text)
        parts = chunks(safe)
        for part, piece in enumerate(parts, start=1):
            body = self.body(name, piece)
            queued = MessageQueued(
                purpose, body.digest, len(piece), answers, part, len(parts), changed
            )
            self.add(queued, body, by=by)

    def done(self) -> list[Draft]:
        """The drafts, with a turn ended that may not go on, the next one begun, and the watermark
        advanced when all is at rest."""
        self._end_unserved_turn()
        while self.state.queue and self.state.turn is None and self.policy_context.is_known:
            self._dispatch(self.state.queue[0])
        if self.state.at_rest and self.state.newest_ms > self.state.watermark:
            self.add(WatermarkAdvanced(self.state.newest_ms))
        return self._drafts

    def _end_unserved_turn(self) -> None:
        """A person who is no longer let in, or whose words were given up, is not served."""
        turn = self.state.turn
        if turn is None:
            return
        reason = "erased" if self.policy_context.erased_since(turn.sender, turn.seq) else "revoked"
        if reason == "erased" or not self.may_let_in(turn.sender):
            self.cancel(turn, reason)

    def cancel(self, turn: Turn, reason: str) -> None:
        """End a turn that will not be asked (again)."""
        self.add(TurnCancelled(turn.version, reason), by=turn)
        self.dead_letter(turn, reason)

    def dead_letter(self, turn: Turn, reason: str) -> None:
        """Move the messages of a turn that ended without an answer to the dead letters."""
        for message in turn.messages:
            self.add(MessageDeadLettered(message, reason), by=turn)

    def _dispatch(self, first: Waiting) -> None:
        sender, policy_context = first.sender, self.policy_context
        if policy_context.is_erased(sender, first.sent_ms) or policy_context.erased_since(
            sender, first.seq
        ):
            self.add(MessageDeadLettered(first.version, "erased"), by=first)
        elif not self.may_let_in(first.sender):
            self._set_aside_all_of(first.sender, "revoked")
        elif self._over_budget(first.sender):
            if self.state.noticed_ms <= self._window_start_ms():
                self.queue("notice", first.sender, notices.BUDGET_SPENT, by=first)
            self._set_aside_all_of(first.sender, "budget")
        else:
            self._begin_turn(first)

    def may_let_in(self, sender: str) -> bool:
        """Whether the standing of this moment lets `sender` in, a mention granted, or can't tell:
        what was let in before waits then, neither served nor refused.
        """
        if not self.policy_context.is_known:
            return True
        inputs = self.policy_context.inputs(sender, self.context.now_ms)
        verdict, _ = judge(
            self.policy_context.policy, self.context.address, sender, inputs, mention=True
        )
        return verdict.action == "process"

    def _window_start_ms(self) -> int:
        return self.context.now_ms - self.policy_context.policy.turn_window_s * 1_000

    def _over_budget(self, sender: str) -> bool:
        start = self._window_start_ms()
        turns = sum(1 for who, when in self.state.spent if who == sender and when > start)
        return turns >= self.policy_context.policy.turn_budget

    def _set_aside_all_of(self, sender: str, reason: str) -> None:
        for message in self.state.queue:
            if message.sender == sender:
                self.add(MessageDeadLettered(message.version, reason), by=message)

    def _begin_turn(self, first: Waiting) -> None:
        messages = [
            waiting
            for waiting in self.state.queue
            if waiting.sender == first.sender and waiting.tools == first.tools
        ][:COLLECTED]
        versions = tuple(message.version for message in messages)
        tools = first.tools or ToolGrant(allow=())
        turn = Dispatched(versions, first.sender, self.policy_context.agent, tools)
        self.add(turn, by=messages[-1])
