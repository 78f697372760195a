"""A message's trail in words that need no engineer."""

from collections.abc import Iterator

from events.account.events import PolicyApplied
from events.conversation.events import (
    AgentFailed,
    AgentReplied,
    Dispatched,
    MessageDeadLettered,
    MessageDropped,
    MessageIgnored,
    MessageQueued,
    MessageRetried,
    MessageSeen,
    PairingWithheld,
    PolicyDecided,
    ReplyFailed,
    ReplySent,
    TurnCancelled,
)
from events.event import Recorded
from events.policy.account_policy import AccountPolicy
from events.streams import GroupId, account_stream, parse_stream
from store.log.event_log import EventLog
from store.read_models.trail import Trail
from ztm_chat.shown import moment, safe

IGNORED = {
    "self": "it was sent as the bot, but not by this daemon",
    "blank": "it holds no text and no file",
    "oversize": "it is longer than maxMessageChars allows",
    "malformed": "it could not be read as a message",
    "baseline": "it was there before the bot came",
    "too-late": "it came to us later than answerHorizon allows",
    "groups-disabled": "groups are turned off (enableGroups)",
}

ASIDE = {
    "agent": "the agent could not answer",
    "budget": "its sender had used up the budget of turns",
    "revoked": "its sender was no longer let in",
    "erased": "its sender's words were given up (ztm-chat forget)",
    "too-late": "it had become too old to answer",
}

WITHHELD = {
    "pending": "this person has a code already",
    "limit": "too many people were waiting with codes",
    "approved": "this person had been let in meanwhile",
}


def explain(log: EventLog, trail: Trail, policies: dict[bytes, AccountPolicy]) -> Iterator[str]:
    """The trail, line by line. `policies` by digest, as the log holds them."""
    yield from _message(log, trail.message)
    for record in trail.events:
        when = moment(record.time // 1_000_000)
        yield from (f"{when}  {line}" for line in _event(log, record, policies))


def _message(log: EventLog, message: Recorded) -> Iterator[str]:
    address = parse_stream(message.stream)
    where = "a direct message"
    if isinstance(address, GroupId):
        where = f"a message in the group {safe(address.creator)}/{safe(address.group)}"
    event = message.event
    if not isinstance(event, MessageSeen | MessageIgnored):
        return
    source = "the mesh's files" if event.source == "feed" else "the Chat API"
    yield f"Message {event.identity.hex()} (event {message.seq} of {safe(message.stream)})"
    when = moment(message.time // 1_000_000)
    yield f"{when}  Seen: {where} from {safe(event.sender)}, shown by {source}."
    yield f"{' ' * 23}  Its sender's clock said {moment(event.sent_ms)}."
    if isinstance(event, MessageIgnored):
        yield f"{' ' * 23}  Ignored: {IGNORED[event.reason]}."
        return
    text = log.body(message.seq)
    yield f"{' ' * 23}  " + (f"Text: {safe(text, 300)}" if text is not None else "Text: erased.")


def _event(log: EventLog, one: Recorded, policies: dict[bytes, AccountPolicy]) -> Iterator[str]:
    match one.event:
        case PolicyDecided():
            yield from _decision(one.event, policies.get(one.event.inputs.policy))
        case PairingWithheld(_, reason):
            yield f"No pairing code was sent: {WITHHELD[reason]}."
        case Dispatched():
            yield f"Given to the agent {one.event.agent} (turn {one.version})."
        case TurnCancelled(_, reason):
            yield f"The turn was cancelled: {reason}."
        case AgentReplied():
            yield _replied(log, one, one.event)
        case AgentFailed():
            yield _failed(one.event)
        case MessageQueued():
            part = f" (part {one.event.part} of {one.event.parts})" if one.event.parts > 1 else ""
            changed = one.event.changed
            yield f"Queued to be sent: {one.event.purpose}{part}." + (
                f" {changed} characters that would have destroyed it were replaced."
                if changed
                else ""
            )
        case ReplySent():
            yield from _sent(one.event)
        case ReplyFailed(_, error):
            yield f"Could not ever be sent: {safe(error)}."
        case MessageDeadLettered(_, reason):
            yield f"Set aside without an answer: {ASIDE.get(reason, safe(reason))}."
        case MessageRetried():
            yield "The operator asked for it to be answered after all."
        case MessageDropped():
            yield "The operator has done with it."


def _replied(log: EventLog, one: Recorded, event: AgentReplied) -> str:
    if event.silent:
        return f"The agent chose to say nothing, after {event.elapsed_ms} ms."
    text = log.body(one.seq)
    words = "its words were erased" if text is None else f"“{safe(text, 300)}”"
    model = f" ({safe(event.model)})" if event.model else ""
    tokens = ""
    if event.tokens_in or event.tokens_out:
        tokens = f", {event.tokens_in} tokens read, {event.tokens_out} written"
    return (
        f"The agent{model} answered at attempt {event.attempt}, after {event.elapsed_ms} ms"
        f"{tokens}: {words}"
    )


def _sent(event: ReplySent) -> Iterator[str]:
    yield f"Sent: in the bot's own files since {moment(event.sent_ms)}."
    if event.reconciled:
        yield "  It was found there after a restart, and not sent again."


def _failed(event: AgentFailed) -> str:
    again = f"asked again at {moment(event.retry_ms)}" if event.retry_ms else "not asked again"
    return f"The agent failed at attempt {event.attempt} ({safe(event.error)}); {again}."


def _decision(event: PolicyDecided, policy: AccountPolicy | None) -> Iterator[str]:
    done = {"process": "Let in", "ignore": "Ignored", "pairing": "Asked to pair"}[event.action]
    yield f"{done}: {_rule(event, policy)} (reason {event.reason})."
    inputs = event.inputs
    if event.tools is not None:
        allow = "all tools" if event.tools.allow is None else ", ".join(event.tools.allow) or "none"
        deny = f", never {', '.join(event.tools.deny)}" if event.tools.deny else ""
        yield f"  Tools granted: {allow}{deny}."
    looked = [f"pairing: {inputs.pairing}"]
    if inputs.membership != "direct":
        looked = [
            f"member: {inputs.membership}",
            f"group name: {safe(inputs.group_name) or '-'}",
            f"mention of @{safe(inputs.own)}: {'yes' if event.mentioned else 'no'}",
        ]
    yield (
        f"  It looked at {', '.join(looked)}; policy {inputs.policy.hex()[:8]},"
        f" rules {inputs.rules}, account as of its event {inputs.account_version}."
    )


def _rule(event: PolicyDecided, policy: AccountPolicy | None) -> str:
    dm_policy = policy.dm_policy if policy else "?"
    match event.rule:
        case "empty-sender":
            return "the message has no sender"
        case "allow-from":
            return (
                "the sender is on the allow list"
                if event.action == "process"
                else "the sender is not on the group's allow list"
            )
        case "paired":
            return "the operator approved the sender's pairing"
        case "dm-policy":
            return f"dmPolicy is {dm_policy}"
        case "groups-disabled":
            return "groups are turned off (enableGroups)"
        case "not-a-member":
            return "the sender is no member of the group"
        case "group-policy":
            return (
                "the group's policy lets its members in"
                if event.action == "process"
                else "the group's policy is disabled"
            )
        case "mention":
            return "the message does not mention the bot, and requireMention is on"
        case "creator":
            return "the sender created the group (creatorBypass)"
    return event.rule


def policies_of_log(log: EventLog, stream: str) -> dict[bytes, AccountPolicy]:
    """Every policy that was ever in force in the account of `stream`, by its digest."""
    address = parse_stream(stream)
    account = address if isinstance(address, str) or address is None else address.account
    return {
        record.event.digest: record.event.policy
        for record in log.read_stream(account_stream(account or ""))
        if isinstance(record.event, PolicyApplied)
    }
