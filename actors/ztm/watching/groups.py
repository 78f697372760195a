"""What is known of groups: their names and members, as their creators publish them."""

from collections.abc import Callable
from typing import Any

from actors.messages import GroupSeen
from actors.ztm.client import answers
from actors.ztm.health import Health
from events.conversation.policy_context import GroupFacts
from events.streams import ConversationId, GroupId


class Groups:
    """Passes on what is seen of one account's groups. `own`: our user name; `tell` reaches the
    account's actor."""

    def __init__(self, own: str, tell: Callable[[Any], None], health: Health) -> None:
        self._own = own
        self._tell = tell
        self._names = health.groups
        self._listed: set[tuple[str, str]] = set()

    def see(self, creator: str, group: str, found: answers.GroupDetails) -> None:
        """The creator says this of the group."""
        self._names[f"{creator}/{group}"] = found.name
        if found.name and self._own in found.members:
            self._listed.add((creator, group))
        else:
            self._listed.discard((creator, group))
        self._tell(GroupSeen(creator, group, GroupFacts(found.name, frozenset(found.members))))

    def is_listed(self, conversation: ConversationId) -> bool:
        """Whether the Chat app should list it. ZTM behaviour: groups without a name are left out,
        and those of others."""
        match conversation:
            case GroupId(_, creator, group):
                return (creator, group) in self._listed
        return True
