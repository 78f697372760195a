"""The actor of a group conversation."""

from actors.conversation import ConversationActor
from events.streams import GroupId


class GroupActor(ConversationActor):
    """A group that the bot is a member of."""

    address: GroupId
