"""What an account knows of its groups and of the mesh's users, and hands on with its policy."""

from collections.abc import Mapping

from msgspec.structs import replace

from events.account.state import AccountState, Erasure
from events.conversation.policy_context import GroupFacts, PolicyContext
from events.policy.account_policy import AccountPolicy
from events.policy.names import fold, folding_alike
from events.streams import GroupId, PeerId


class PolicyContexts:
    """Makes the standings of one account's conversations. What was seen of groups and users is
    known from the intake only, and so to this life only."""

    def __init__(self, account: str, policy: AccountPolicy, *, log_id: str, agent: str) -> None:
        self._account = account
        self._policy = policy
        self._log_id = log_id
        self._agent = agent
        self._groups: dict[tuple[str, str], GroupFacts] = {}
        self._ambiguous: frozenset[str] = frozenset()

    def see_group(self, creator: str, group: str, facts: GroupFacts) -> bool:
        """The creator says this of the group; whether it is news."""
        news = self._groups.get((creator, group)) != facts
        self._groups[creator, group] = facts
        return news

    def see_users(self, users: frozenset[str]) -> None:
        """These are all users that are known."""
        self._ambiguous = folding_alike(users)

    def of(
        self,
        address: PeerId | GroupId,
        state: AccountState,
        erased: Mapping[str, Erasure],
        now_ms: int,
    ) -> PolicyContext:
        """What the conversation is to decide by now."""
        policy_context = PolicyContext(
            account=self._account,
            log_id=self._log_id,
            agent=self._agent,
            policy=self._policy,
            digest=state.digest,
            account_version=state.version,
            ambiguous=self._ambiguous,
            erased=erased,
        )
        match address:
            case PeerId(_, name):
                return replace(policy_context, pairing=state.pairing(name, now_ms))
            case GroupId(_, creator, group):
                return replace(policy_context, group=self._group_facts(creator, group))

    def _group_facts(self, creator: str, group: str) -> GroupFacts:
        facts = self._groups.get((creator, group), GroupFacts())
        shared = any(
            by == creator and other != group and fold(known.name) == fold(facts.name)
            for (by, other), known in self._groups.items()
        )
        return replace(facts, name_shared=shared and bool(facts.name))
