"""What each conversation of an account is to decide by: the account's policy, pairings, groups."""

from collections.abc import Mapping

from msgspec.structs import replace

from events.account.state import AccountState, Erasure
from events.conversation.policy_context import GroupFacts, PolicyContext
from events.policy.account_policy import AccountPolicy
from events.policy.names import fold, unmistakable
from events.streams import GroupId, PeerId


class PolicyContexts:
    """The newest policy contexts of one account's conversations.

    The account's actor publishes; whoever starts a conversation's actor reads, on any thread: what
    is published is replaced whole, never changed. What was seen of groups and users comes from the
    intake, and outlives the account's actor.
    """

    def __init__(self, account: str, policy: AccountPolicy, *, log_id: str, agent: str) -> None:
        self._account = account
        self._policy = policy
        self._log_id = log_id
        self._agent = agent
        self._groups: Mapping[tuple[str, str], GroupFacts] = {}
        self._unmistakable: frozenset[str] = frozenset()
        self._published: tuple[AccountState, Mapping[str, Erasure]] | None = None

    @property
    def published(self) -> bool:
        """Whether the account has said anything yet: before that, nobody may decide."""
        return self._published is not None

    def publish(self, state: AccountState, erased: Mapping[str, Erasure]) -> None:
        """From now on conversations decide by this: `erased` as they are to see it."""
        self._published = (state, erased)

    def see_group(self, creator: str, group: str, facts: GroupFacts) -> bool:
        """The creator says this of the group; whether it is news."""
        if self._groups.get((creator, group)) == facts:
            return False
        self._groups = {**self._groups, (creator, group): facts}
        return True

    def see_users(self, users: frozenset[str]) -> bool:
        """These are all users that are known; whether that changes any context."""
        before, self._unmistakable = self._unmistakable, unmistakable(users)
        return self._unmistakable != before

    def of(self, conversation: PeerId | GroupId, now_ms: int) -> PolicyContext:
        """What the conversation is to decide by now. The account must have published before."""
        if self._published is None:
            msg = f"account {self._account} has not published its policy yet"
            raise RuntimeError(msg)
        state, erased = self._published
        context = PolicyContext(
            account=self._account,
            log_id=self._log_id,
            agent=self._agent,
            policy=self._policy,
            digest=state.digest,
            account_version=state.version,
            unmistakable=self._unmistakable,
            erased=erased,
        )
        match conversation:
            case PeerId(_, name):
                return replace(
                    context,
                    pairing=state.pairing(name, now_ms),
                    pairing_until_ms=state.pending_until_ms(name),
                )
            case GroupId(_, creator, group):
                return replace(context, group=self._group_facts(creator, group))

    def _group_facts(self, creator: str, group: str) -> GroupFacts:
        facts = self._groups.get((creator, group), GroupFacts())
        shared = any(
            by == creator and other != group and fold(known.name) == fold(facts.name)
            for (by, other), known in self._groups.items()
        )
        return replace(facts, name_shared=shared and bool(facts.name))
