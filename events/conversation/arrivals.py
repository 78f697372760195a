"""What follows when messages arrive: each is recorded once, and judged or ignored with a reason."""

from collections.abc import Container, Iterable, Sequence

import msgspec

from events.blank import is_blank
from events.conversation.decision_builder import DecisionBuilder, DecisionContext
from events.conversation.events import (
    BaselineTaken,
    IgnoreReason,
    MessageDeadLettered,
    MessageIgnored,
    MessageSeen,
    Source,
)
from events.event import Body, Draft
from events.streams import GroupId

BASELINE_CHUNK = 1_000
"""How many identities one BaselineTaken holds at most."""


class Arrival(msgspec.Struct, frozen=True):
    """One message as the intake shows it.

    `key_id`: the sender's key that `identity` was made with; `wire_id`: the id in it, if the
    sender's client put one there; `available_ms`: since when the mesh could have shown it to us;
    `malformed`: it is nothing that a person could have meant as a message; `salt`: random, for its
    body.
    """

    identity: bytes
    sender: str
    sent_ms: int
    text: str
    source: Source
    available_ms: int
    salt: bytes
    key_id: bytes
    files: tuple[str, ...] = ()
    wire_id: str = ""
    malformed: bool = False


def is_ours(arrival: Arrival, own: str, log_id: str) -> bool:
    """Whether the daemon of this log, who is `own` in the mesh, sent it (see `outbox.wire_id`): its
    ReplySent is the record of it."""
    return arrival.sender == own and arrival.wire_id.startswith(f"{log_id}-")


def decide_arrivals(
    context: DecisionContext, arrivals: Iterable[Arrival], known: Container[bytes]
) -> list[Draft]:
    """Record and judge what arrived and is not `known` yet, in the order given.

    Messages of a person whose words were given up since are not recorded again in any way.
    """
    builder = DecisionBuilder(context)
    fresh: set[bytes] = set()
    own, log_id = context.policy_context.policy.username, context.policy_context.log_id
    for arrival in arrivals:
        if arrival.identity in known or arrival.identity in fresh:
            continue
        if is_ours(arrival, own, log_id):
            continue
        if context.policy_context.is_erased(arrival.sender, arrival.sent_ms):
            continue
        fresh.add(arrival.identity)
        reason = _ignored(arrival, context)
        if reason:
            builder.add(_ignore(arrival, reason))
        else:
            _see(builder, arrival)
    return builder.done()


def decide_baseline(context: DecisionContext, identities: Sequence[bytes]) -> list[Draft]:
    """Mark what was there before we came as seen, so that it is never answered."""
    builder = DecisionBuilder(context)
    for start in range(0, max(len(identities), 1), BASELINE_CHUNK):
        builder.add(BaselineTaken(tuple(identities[start : start + BASELINE_CHUNK])))
    return builder.done()


def decide_waited_too_long(context: DecisionContext) -> list[Draft]:
    """Move to the dead letters what has waited for its group members beyond `answerHorizon`."""
    builder = DecisionBuilder(context)
    state, policy_context = context.state, context.policy_context
    if policy_context.is_known:
        return []
    horizon = context.horizon_ms
    for message in (*state.waiting, *state.queue):
        if message.seen_ms < horizon:
            builder.add(MessageDeadLettered(message.version, "too-late"), by=message)
    if state.turn and state.turn.began_ms < horizon:
        builder.cancel(state.turn, "too-late")
    return builder.done()


def decide_malformed(
    context: DecisionContext, arrivals: Iterable[Arrival], known: Container[bytes]
) -> list[Draft]:
    """Record arrivals that broke their actor as malformed, so that the conversation goes on."""
    builder = DecisionBuilder(context)
    by_identity = {arrival.identity: arrival for arrival in arrivals}
    for identity, arrival in by_identity.items():
        if identity not in known:
            builder.add(_ignore(arrival, "malformed"))
    return builder.done()


def _ignored(arrival: Arrival, context: DecisionContext) -> IgnoreReason | None:
    policy = context.policy_context.policy
    if arrival.sender == policy.username:
        return "self"
    if isinstance(context.address, GroupId) and not policy.enable_groups:
        return "groups-disabled"
    if arrival.malformed:
        return "malformed"
    if len(arrival.text) > policy.max_message_chars:
        return "oversize"
    if is_blank(arrival.text) and not arrival.files:
        return "blank"
    if arrival.available_ms < context.horizon_ms:
        return "too-late"
    return None


def _ignore(arrival: Arrival, reason: IgnoreReason) -> MessageIgnored:
    return MessageIgnored(arrival.identity, arrival.sender, arrival.sent_ms, reason, arrival.source)


def _see(builder: DecisionBuilder, arrival: Arrival) -> None:
    person = builder.policy_context.person(arrival.sender)
    body = Body(person, arrival.text, arrival.salt)
    seen = MessageSeen(
        identity=arrival.identity,
        sender=arrival.sender,
        sent_ms=arrival.sent_ms,
        body=body.digest,
        length=len(arrival.text),
        source=arrival.source,
        files=arrival.files,
    )
    builder.add(seen, body)
    builder.settle(builder.state.waiting[-1], arrival.text)
