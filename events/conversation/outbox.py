"""What follows for the outbox: codes and notices queued, messages sent or found unsendable."""

from events.conversation import notices
from events.conversation.decision_builder import DecisionBuilder, DecisionContext
from events.conversation.events import (
    MessageQueued,
    NoCode,
    PairingWithheld,
    ReplyFailed,
    ReplySent,
)
from events.event import Draft


def wire_id(log_id: str, version: int, queued: MessageQueued) -> str:
    """The id under which a queued message (its version) goes into the mesh, and is found there.

    The words' salted digest tells it from one that the same log gave out before it was restored
    from a backup, and that stands in the mesh with the same version.
    """
    return f"{log_id}-{version}-{queued.body[:4].hex()}"


def decide_code(context: DecisionContext, message: int, request_seq: int, code: str) -> list[Draft]:
    """Tell a stranger the `code` that the account issued for `message` (its version), once."""
    if context.state.coded == request_seq:
        return decide_no_code(context, "pending")
    builder = DecisionBuilder(context)
    for stranger in context.state.uncoded:
        if stranger.version == message:
            text = notices.pairing_code(stranger.sender, code)
            builder.queue("pairing", stranger.sender, text, answers=message, by=request_seq)
        else:
            builder.add(PairingWithheld(stranger.version, "pending"), by=stranger)
    return builder.done()


def decide_no_code(context: DecisionContext, reason: NoCode) -> list[Draft]:
    """Record why the strangers' messages that wait here get no code."""
    builder = DecisionBuilder(context)
    for stranger in context.state.uncoded:
        builder.add(PairingWithheld(stranger.version, reason), by=stranger)
    return builder.done()


def decide_approved(context: DecisionContext, person: str, approval_seq: int) -> list[Draft]:
    """Tell `person` that the operator let them in, once."""
    if context.state.announced == approval_seq:
        return []
    builder = DecisionBuilder(context)
    builder.queue("approved", person, notices.APPROVED, by=approval_seq)
    return builder.done()


def decide_sent(
    context: DecisionContext, queued: int, *, sent_ms: int, reconciled: bool, posts: int
) -> list[Draft]:
    """Record that a queued message stands in our own files of the mesh."""
    builder = DecisionBuilder(context)
    for queued_part in context.state.outbox:
        if queued_part.version == queued:
            builder.add(ReplySent(queued, sent_ms, reconciled, posts), by=queued_part)
    return builder.done()


def decide_unsendable(context: DecisionContext, queued: int, error: str) -> list[Draft]:
    """Record that a queued message can't ever be sent."""
    builder = DecisionBuilder(context)
    for queued_part in context.state.outbox:
        if queued_part.version == queued:
            builder.add(ReplyFailed(queued, error), by=queued_part)
    return builder.done()
