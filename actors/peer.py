"""The actor of a direct conversation."""

from actors.conversation import ConversationActor
from events.streams import Peer


class PeerActor(ConversationActor):
    """A direct conversation of the bot with one person."""

    address: Peer

    def correspondent(self) -> str:
        """The peer."""
        return self.address.name
