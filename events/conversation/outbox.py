"""What follows for the outbox: codes and notices queued, messages sent or found unsendable."""

from typing import Literal

from events.conversation import notices
from events.conversation.decision_builder import Moment, Unfolding
from events.conversation.events import MessageQueued, PairingWithheld, ReplyFailed, ReplySent
from events.event import Draft


def wire_id(log_id: str, version: int, queued: MessageQueued) -> str:
    """The id under which a queued message (its version) goes into the mesh, and is found there.

    The words' salted digest tells it from one that the same log gave out before it was restored
    from a backup, and that stands in the mesh with the same version.
    """
    return f"{log_id}-{version}-{queued.body[:4].hex()}"


def decide_code(moment: Moment, message: int, request_seq: int, code: str) -> list[Draft]:
    """Tell a stranger the `code` that the account issued for `message` (its version), once."""
    if moment.state.coded == request_seq:
        return decide_no_code(moment, "pending")
    unfolding = Unfolding(moment)
    for stranger in moment.state.uncoded:
        if stranger.version == message:
            text = notices.pairing_code(stranger.sender, code)
            unfolding.queue("pairing", stranger.sender, text, answers=message, by=request_seq)
        else:
            unfolding.add(PairingWithheld(stranger.version, "pending"), by=stranger)
    return unfolding.done()


def decide_no_code(moment: Moment, reason: Literal["pending", "limit", "approved"]) -> list[Draft]:
    """Record why the strangers' messages that wait here get no code."""
    unfolding = Unfolding(moment)
    for stranger in moment.state.uncoded:
        unfolding.add(PairingWithheld(stranger.version, reason), by=stranger)
    return unfolding.done()


def decide_approved(moment: Moment, person: str, approval_seq: int) -> list[Draft]:
    """Tell `person` that the operator let them in, once."""
    if moment.state.announced == approval_seq:
        return []
    unfolding = Unfolding(moment)
    unfolding.queue("approved", person, notices.APPROVED, by=approval_seq)
    return unfolding.done()


def decide_send(moment: Moment, person: str, text: str) -> list[Draft]:
    """Queue what the operator wants to say in this conversation."""
    unfolding = Unfolding(moment)
    unfolding.queue("send", person, text)
    return unfolding.done()


def decide_sent(
    moment: Moment, queued: int, *, sent_ms: int, reconciled: bool, posts: int
) -> list[Draft]:
    """Record that a queued message stands in our own files of the mesh."""
    unfolding = Unfolding(moment)
    for one in moment.state.outbox:
        if one.version == queued:
            unfolding.add(ReplySent(queued, sent_ms, reconciled, posts), by=one)
    return unfolding.done()


def decide_unsendable(moment: Moment, queued: int, error: str) -> list[Draft]:
    """Record that a queued message can't ever be sent."""
    unfolding = Unfolding(moment)
    for one in moment.state.outbox:
        if one.version == queued:
            unfolding.add(ReplyFailed(queued, error), by=one)
    return unfolding.done()
