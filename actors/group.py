"""The actor of a group conversation."""

from actors.conversation import ConversationActor
from events.streams import Group


class GroupActor(ConversationActor):
    """A group that the bot is a member of."""

    address: Group

    def correspondent(self) -> str:
        """The group's creator: what the operator says to all has to be under somebody's key."""
        return self.address.creator
