"""Every decision made again, from what it says it looked at, as the log is read from end to end.

Kept on the way are the messages that wait for their decision, and what the accounts said.
"""

from collections.abc import Callable

from events.conversation.events import MessageSeen, PolicyDecided
from events.conversation.judgement import UnknownRules, decide_again
from events.event import Event
from events.streams import GroupId, PeerId, parse_stream
from store.log.event_log import EventLog
from store.read_models.account_history import AccountHistory, Facts

Address = PeerId | GroupId | str | None


class Judge:
    """Is told of events in their order, streams by id; `name` gives a stream's name.

    The log before the event `before` is looked up in `log` when it is needed. `bodies`: messages
    come with their text.
    """

    def __init__(
        self, log: EventLog, name: Callable[[int], str], *, before: int, bodies: bool
    ) -> None:
        self._log = log
        self._name = name
        self._bodies = bodies
        self._facts = Facts(log, before)
        self._waiting: dict[tuple[int, int], tuple[MessageSeen, str | None]] = {}
        self._addresses: dict[int, Address] = {}
        self._with_text = 0
        self._without_text = 0

    @property
    def decisions(self) -> tuple[int, int]:
        """How many were made again with the text, and how many from the recorded mention."""
        return self._with_text, self._without_text

    def learn(self, stream: int, version: int, event: Event) -> None:
        """Take in what an account says."""
        account = self.address(stream)
        if isinstance(account, str):
            self._facts.account(account).learn(version, event)

    def seen(self, stream: int, version: int, event: MessageSeen, text: str | None) -> None:
        """A message, which a decision will be about."""
        self._waiting[stream, version] = event, text

    def decided(self, stream: int, event: PolicyDecided) -> str | None:
        """Make a decision again; what is wrong with it, or `None`."""
        conversation = self.address(stream)
        if not isinstance(conversation, PeerId | GroupId):
            return "a decision that lies in no conversation"
        message = self._waiting.pop((stream, event.message), None)
        message = message or self._look_up(stream, event.message)
        if message is None:
            return f"it decides on version {event.message}, which is no message"
        seen, text = message
        if text is None:
            self._without_text += 1
        else:
            self._with_text += 1
        history = self._facts.account(conversation.account)
        return _difference(event, seen, conversation, history, text)

    def address(self, stream: int) -> Address:
        """What the stream's name names."""
        if stream not in self._addresses:
            self._addresses[stream] = parse_stream(self._name(stream))
        return self._addresses[stream]

    def _look_up(self, stream: int, version: int) -> tuple[MessageSeen, str | None] | None:
        """A message that was seen before what this judge was told of."""
        recorded = next(self._log.read_stream(self._name(stream), version - 1), None)
        if recorded is None or not isinstance(recorded.event, MessageSeen):
            return None
        return recorded.event, self._log.body(recorded.seq) if self._bodies else None


def _difference(
    decided: PolicyDecided,
    seen: MessageSeen,
    conversation: PeerId | GroupId,
    history: AccountHistory,
    text: str | None,
) -> str | None:
    """How a decision differs from what follows now from its own inputs; `None`: not at all."""
    if contradiction := history.contradicts(decided.inputs, conversation, seen.sender):
        return contradiction
    try:
        again = decide_again(decided, seen, conversation, history.policies.__getitem__, text)
    except UnknownRules as error:
        return str(error)
    if again == decided:
        return None
    return (
        f"it says {decided.action} ({decided.reason}, {decided.rule}); decided again it is"
        f" {again.action} ({again.reason}, {again.rule})"
    )
