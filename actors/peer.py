"""The actor of a direct conversation."""

from actors.conversation import ConversationActor
from events.streams import PeerId


class PeerActor(ConversationActor):
    """A direct conversation of the bot with one person."""

    address: PeerId
