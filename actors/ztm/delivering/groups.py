"""What is known of groups: their names and members, as their creators publish them."""

from actors.messages import GroupSeen
from actors.ztm.account_link import AccountLink
from actors.ztm.client.answers import GroupDetails
from actors.ztm.delivering.receipts import Delivery
from events.conversation.policy_context import GroupFacts
from events.streams import ConversationId, GroupId


class Groups:
    """Tells an account what is seen of its groups.

    Good for one watch: an account that was started again has forgotten what it was told.
    """

    def __init__(self, link: AccountLink) -> None:
        self._link = link
        self._listed: set[GroupId] = set()
        self._confirmed: dict[GroupId, GroupFacts] = {}

    async def see(self, group: GroupId, found: GroupDetails) -> bool:
        """The creator says this of the group; whether its conversation has been told of it.

        What is said in the group is judged by its members, so it must not be delivered before.
        """
        self._link.health.groups[f"{group.creator}/{group.group}"] = found.name
        if found.name and self._link.username in found.members:
            self._listed.add(group)
        else:
            self._listed.discard(group)
        facts = GroupFacts(found.name, frozenset(found.members))
        return self._confirmed.get(group) == facts or await self._told(group, facts)

    async def tell_again(self, group: GroupId) -> bool:
        """Tell the account once more what it knows; whether it was confirmed.

        An account handles one message after the other, each when what came before is durable: so
        all that it was told earlier is on record then.
        """
        return await self._told(group, self._confirmed.get(group, GroupFacts()))

    async def _told(self, group: GroupId, facts: GroupFacts) -> bool:
        delivery = Delivery()
        self._link.tell_account(GroupSeen(group.creator, group.group, facts, delivery))
        if not await delivery.confirmed():
            return False
        self._confirmed[group] = facts
        return True

    def is_listed(self, conversation: ConversationId) -> bool:
        """Whether the Chat app should list it. ZTM behaviour: groups without a name are left out,
        and those of others."""
        return not isinstance(conversation, GroupId) or conversation in self._listed
