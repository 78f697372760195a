"""One conversation under everything that can happen to it, in any order, with crashes between."""

from typing import Any, Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from msgspec.structs import replace

from events.account.events import Pairing, PairingRequested
from events.conversation import state as conversation
from events.conversation.arrivals import Arrival
from events.conversation.effects import Ask, RequestCode, Send, Wake
from events.conversation.events import (
    Dispatched,
    MessageDeadLettered,
    MessageDropped,
    MessageQueued,
    MessageRetried,
)
from events.conversation.outbox import decide_code, decide_sent, decide_unsendable
from events.conversation.turns import Failure, Reply, decide_failure, decide_reply
from events.event import Draft, Event
from events.streams import account_stream
from tests.events.auditor import Auditor
from tests.events.builders import (
    ACCOUNT,
    GROUP,
    HOUR_MS,
    LOG_ID,
    PEER,
    SECOND_MS,
    arrival,
)
from tests.events.conversation_story import ConversationStory
from tests.events.conversation_strategies import (
    BLANKS,
    DAY_MS,
    POLICIES,
    POLICY_NAMES,
    TEXTS,
    WORDS,
    WRITINGS,
    Writing,
    is_ours,
    lets_in,
)

Withheld = Literal["pending", "limit", "approved"]
MEMBERS = st.sets(st.sampled_from(["alice", "bob", "eve"]))
PAIRINGS: st.SearchStrategy[Pairing] = st.sampled_from(("none", "pending", "approved"))
WITHHELD: st.SearchStrategy[Withheld] = st.sampled_from(("pending", "limit", "approved"))


class OneConversation(RuleBasedStateMachine):
    """The rules are what its actor may be told; the invariants are what is promised."""

    shown: Bundle[Arrival] = Bundle("shown")

    @initialize(address=st.sampled_from([PEER, GROUP]), policy=POLICY_NAMES)
    def begins(self, address: Any, policy: str) -> None:
        self.story = ConversationStory(address, POLICIES[policy])
        by_digest = {policy.digest(): policy for policy in POLICIES.values()}
        self.auditor = Auditor(self.story.log, address, by_digest)
        self.in_group = address == GROUP
        self.answerable: set[int] = set()
        self.offered: set[bytes] = set()
        self.asks_the_account()
        self.audited = self.highest_watermark = 0

    # Messages

    @rule(target=shown, messages=st.lists(WRITINGS | shown, max_size=4), twice=st.booleans())
    def arrive(self, messages: list[Writing | Arrival], twice: bool) -> Any:
        return self.arrive_now(messages, twice=twice)

    @rule(target=shown, sender=st.sampled_from(["alice", "bob"]), text=WORDS)
    def somebody_writes(self, sender: str, text: str) -> Any:
        return self.arrive_now([Writing(sender, text, 0, 0, our_id=False, malformed=False)])

    def arrive_now(self, messages: list[Writing | Arrival], *, twice: bool = False) -> Any:
        arrivals = [self.as_shown(message) for message in messages]
        self.follows(self.story.arrive(*arrivals * (1 + twice)))
        self.offered.update(arrival.identity for arrival in arrivals if not is_ours(arrival))
        return multiple(*arrivals)

    @rule(target=shown, message=WRITINGS | shown, was_there_before=st.booleans())
    def come_otherwise(self, message: Writing | Arrival, was_there_before: bool) -> Arrival:
        arrival = self.as_shown(message)
        if arrival.identity in self.story.known:
            assert not self.story.set_aside(arrival)
        elif was_there_before:
            self.follows(self.story.baseline(arrival.identity))
        else:
            self.follows(self.story.set_aside(arrival, arrival))
        return arrival

    def as_shown(self, message: Writing | Arrival) -> Arrival:
        if isinstance(message, Arrival):
            return message
        here = self.in_group or message.sender == "my-bot"
        return arrival(
            TEXTS[message.text],
            sender=message.sender if here else "alice",
            sent_ms=self.story.now_ms + message.sent_ms,
            available_ms=self.story.now_ms + message.available_ms,
            wire_id=f"{LOG_ID}-7" if message.our_id else "",
            malformed=message.malformed,
        )

    # The account's word

    @precondition(lambda self: self.in_group)
    @rule(members=MEMBERS, name=st.sampled_from(["Team", "Crew"]))
    def members_become_known(self, members: set[str], name: str) -> None:
        self.follows(self.story.group_is(*members, name=name))
        self.account_has_spoken()

    @precondition(lambda self: self.in_group)
    @rule()
    def members_become_unknown(self) -> None:
        self.story.group_is_unknown()

    @precondition(lambda self: not self.story.policy_context.is_known)
    @rule()
    def messages_wait_too_long(self) -> None:
        self.story.passes(ms=DAY_MS)
        self.follows(self.story.waited())

    @rule(policy=POLICY_NAMES)
    def the_policy_changes(self, policy: str) -> None:
        changed = POLICIES[policy]
        self.story.policy_context = replace(
            self.story.policy_context, policy=changed, digest=changed.digest()
        )
        self.account_has_spoken()

    @precondition(lambda self: not self.in_group)
    @rule(pairing=PAIRINGS)
    def the_pairing_changes(self, pairing: Pairing) -> None:
        self.story.policy_context = replace(self.story.policy_context, pairing=pairing)
        self.account_has_spoken()

    def account_has_spoken(self) -> None:
        self.follows(self.story.look_again())
        turn = self.story.state.turn
        if self.story.policy_context.is_known:
            assert turn is None or lets_in(self.story.policy_context, turn.sender)

    def asks_the_account(self) -> None:
        """Let the account record a request, which a code or an approval is then told for."""
        requested = PairingRequested("alice", bytes(32), self.story.now_ms + HOUR_MS)
        draft = Draft(account_stream(ACCOUNT), requested)
        [recorded] = self.story.log.record([draft], self.story.now_ms)
        self.request_seq = recorded.seq

    @precondition(lambda self: self.story.state.uncoded)
    @rule(anew=st.booleans())
    def a_code_is_issued(self, anew: bool) -> None:
        if anew:
            self.asks_the_account()
        self.follows(self.story.code_issued(self.request_seq))

    @precondition(lambda self: self.story.state.uncoded)
    @rule(reason=WITHHELD)
    def no_code_is_issued(self, reason: Withheld) -> None:
        self.follows(self.story.code_withheld(reason))

    @precondition(lambda self: not self.in_group)
    @rule(anew=st.booleans())
    def an_approval_is_announced(self, anew: bool) -> None:
        if anew:
            self.asks_the_account()
        self.follows(self.story.announce(self.request_seq))

    # The agent

    @precondition(lambda self: self.story.state.turn)
    @rule(text=WORDS | BLANKS, silent=st.sampled_from([False, False, True]))
    def the_agent_replies(self, text: str, silent: bool) -> None:
        self.follows(self.story.agent_replies(TEXTS[text], silent=silent))

    @precondition(lambda self: self.story.state.turn)
    @rule(transient=st.booleans(), jitter=st.floats(0, 1))
    def the_agent_fails(self, transient: bool, jitter: float) -> None:
        self.follows(self.story.agent_fails(transient=transient, jitter=jitter))

    # The wire

    @precondition(lambda self: self.story.state.outbox)
    @rule()
    def a_message_is_sent(self) -> None:
        self.follows(self.story.sent())

    @precondition(lambda self: self.story.state.outbox)
    @rule()
    def a_message_can_not_be_sent(self) -> None:
        self.follows(self.story.unsendable())

    # The operator

    @precondition(lambda self: self.answerable)
    @rule(data=st.data())
    def the_operator_looks_at_what_was_set_aside(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(sorted(self.answerable)))
        retries = data.draw(st.booleans())
        self.follows(self.story.retry(message) if retries else self.story.drop(message))

    # The world

    @rule(ms=st.sampled_from([1, SECOND_MS, 60 * SECOND_MS, 2 * HOUR_MS, 2 * DAY_MS]))
    def time_passes(self, ms: int) -> None:
        self.story.passes(ms=ms)

    @rule()
    def it_crashes(self) -> None:
        lived = self.story.state, set(self.story.known)
        self.story.crash()
        assert (self.story.state, self.story.known) == lived

    # What holds

    def follows(self, events: list[Event]) -> list[Event]:
        """Check what followed from one step, and note what the operator may look at."""
        for event in events:
            if isinstance(event, Dispatched):
                assert lets_in(self.story.policy_context, event.sender), "a turn for one not let in"
            if isinstance(event, MessageDeadLettered) and event.reason == "agent":
                self.answerable.add(event.message)
            if isinstance(event, MessageRetried | MessageDropped):
                self.answerable.remove(event.message)
        return events

    @invariant()
    def the_books_balance(self) -> None:
        recorded = self.story.recorded
        for record in recorded[self.audited :]:
            self.auditor.read(record)
        self.audited = len(recorded)
        self.auditor.balance(at_rest=self.story.state.at_rest)
        assert self.offered <= self.auditor.known.keys(), "a message was lost"

    @invariant()
    def the_state_is_the_fold_of_the_log(self) -> None:
        assert conversation.fold(self.story.recorded) == self.story.state

    @invariant()
    def the_index_of_open_work_says_what_the_state_says(self) -> None:
        state = self.story.state
        messages = (*state.waiting, *state.uncoded, *state.queue, *state.outbox)
        turns = (state.turn,) if state.turn else ()
        assert sorted(work.version for work in (*messages, *turns)) == sorted(self.auditor.work)

    @invariant()
    def open_work_calls_for_something(self) -> None:
        state = self.story.state
        due = [type(effect) for effect in self.story.effects()]
        assert due.count(Send) == bool(state.outbox)
        known = self.story.policy_context.is_known
        asks = bool(state.turn) and known
        assert due.count(Ask) + due.count(Wake) == asks
        assert due.count(RequestCode) == bool(state.uncoded)
        assert not (state.queue and known) or state.turn, (
            "messages wait for a turn that nobody will begin"
        )
        assert not state.waiting or self.in_group, "a direct message waits for members"

    @invariant()
    def answers_that_are_not_awaited_change_nothing(self) -> None:
        context, turn = self.story.context, self.story.state.turn
        attempts = [(turn.version, turn.attempt + 1), (turn.version, 0)] if turn else []
        for version, attempt in [*attempts, (self.story.state.version, 1), (0, 1)]:
            if not turn or (version, attempt) != (turn.version, turn.attempt):
                assert not decide_reply(context, version, attempt, Reply("hi"))
                assert not decide_failure(context, version, attempt, Failure("timeout", True))
        assert not decide_unsendable(context, 0, "refused")
        assert not decide_sent(context, 0, sent_ms=0, reconciled=False, posts=1)
        codes = decide_code(context, 0, self.request_seq + 1, "ABCD2345")
        assert not any(isinstance(draft.event, MessageQueued) for draft in codes)

    @invariant()
    def the_watermark_never_goes_back(self) -> None:
        assert self.story.state.watermark >= self.highest_watermark
        self.highest_watermark = self.story.state.watermark
        if self.story.state.at_rest:
            assert self.story.state.watermark == self.story.state.newest_ms


OneConversation.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
TestOneConversation = OneConversation.TestCase
