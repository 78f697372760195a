"""What is known of groups: their names and members, as their creators publish them."""

from collections.abc import Callable
from typing import Any

from actors.messages import GroupSeen
from actors.ztm import answers
from actors.ztm.health import Health
from events.standing import GroupFacts
from events.streams import Conversation, Group


class Groups:
    """Passes on what is seen of one account's groups. `tell` reaches the account's actor."""

    def __init__(self, tell: Callable[[Any], None], health: Health) -> None:
        self._tell = tell
        self._names = health.groups

    def see(self, creator: str, group: str, found: answers.Group) -> None:
        """The creator says this of the group."""
        self._names[f"{creator}/{group}"] = found.name
        self._tell(GroupSeen(creator, group, GroupFacts(found.name, frozenset(found.members))))

    def is_listed(self, conversation: Conversation) -> bool:
        """Whether the Chat app lists it. ZTM behaviour: groups without a name are left out."""
        match conversation:
            case Group(_, creator, group):
                return bool(self._names.get(f"{creator}/{group}"))
        return True
