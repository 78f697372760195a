"""What the current policy would decide: the last lines of `ztm-chat why`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from events.conversation.events import MessageSeen, PolicyDecided
from events.streams import GroupId, PeerId, parse_stream
from store.audit.decisions import JudgedMessage
from store.audit.what_if import UNKNOWN, Outcome, decide_under
from store.read_models.account_history import history_of

if TYPE_CHECKING:
    from store.log.event_log import EventLog
    from store.read_models.trail import Trail

_ACTIONS = {"process": "accept it", "ignore": "ignore it", "pairing": "ask its sender to pair"}


def compare_with_current_policy(log: "EventLog", trail: "Trail") -> Iterator[str]:
    """What the account's last policy on record would decide; nothing where no policy was asked."""
    address, message = parse_stream(trail.message.stream), trail.message.event
    decision = next(
        (record for record in trail.events if isinstance(record.event, PolicyDecided)), None
    )
    if decision is None or not isinstance(decision.event, PolicyDecided):
        return
    if not isinstance(address, PeerId | GroupId) or not isinstance(message, MessageSeen):
        return
    decided = decision.event
    history = history_of(log, address.account)
    digest = history.digest_at(1 << 63)
    if digest == decided.inputs.policy:
        yield "The policy has not changed since."
        return
    judged = JudgedMessage(decision, address, trail.message, message, decided)
    now = decide_under(history.policies[digest], judged)
    yield f"The policy has changed since, to {digest.hex()[:8]}."
    if now == Outcome(decided.action, decided.reason, decided.rule):
        yield "  It would decide the same."
    elif now.tools:
        yield "  It would accept it too, with other tools."
    elif now.action == UNKNOWN:
        yield "  Whether it would accept it is unknown: the group's members were not known."
    else:
        yield f"  It would {_ACTIONS[now.action]} ({now.reason}, {now.rule})."
