"""What the log holds already of one account: it need not be delivered again."""

from events.conversation.arrivals import Arrival, is_ours
from events.streams import ConversationId, conversation_stream
from store.log.event_log import EventLog


class OnRecord:
    """Looks things up in the log, for the account of the user `own`."""

    def __init__(self, log: EventLog, own: str) -> None:
        self._log = log
        self._own = own

    def begun(self, conversation: ConversationId) -> bool:
        """Whether the conversation has any event."""
        return self._log.version(conversation_stream(conversation)) > 0

    def seen(self, identity: bytes) -> bool:
        """Whether the message is known."""
        return self._log.seen(identity) is not None

    def decided(self, arrival: Arrival) -> bool:
        """Whether there is nothing to decide: the message is known, or the bot has sent it."""
        return is_ours(arrival, self._own, self._log.log_id) or self.seen(arrival.identity)
