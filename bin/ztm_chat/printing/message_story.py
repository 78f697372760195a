"""What happened to a message, in sentences for people who do not know the code (`why`)."""

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
from ztm_chat.printing.terminal import local_time, safe

IGNORED = {
    "self": "it was sent from the bot's account, but not by this daemon",
    "blank": "it has no text and no file",
    "oversize": "it is longer than maxMessageChars allows",
    "malformed": "it could not be parsed as a message",
    "baseline": "it predates the bot",
    "too-late": "it arrived later than answerHorizon allows",
    "groups-disabled": "groups are turned off (enableGroups)",
}

UNANSWERED = {
    "agent": "the agent could not answer",
    "budget": "its sender had used up the turn budget",
    "revoked": "its sender was no longer accepted",
    "erased": "its sender's messages were erased (ztm-chat forget)",
    "too-late": "it had become too old to answer",
}

NO_CODE = {
    "pending": "this person already had one",
    "limit": "too many pairing requests were pending",
    "approved": "this person had been approved in the meantime",
    "erased": "this person's messages were erased (ztm-chat forget)",
}

ACTIONS = {"process": "Accepted", "ignore": "Ignored", "pairing": "Pairing required"}

INDENT = " " * 23
"""As wide as a time, for the lines that belong to the one above."""


def explain(log: EventLog, trail: Trail, policies: dict[bytes, AccountPolicy]) -> Iterator[str]:
    """The trail, line by line. `policies` by digest, as the log holds them."""
    yield from _message(log, trail.message)
    for record in trail.events:
        when = local_time(record.time // 1_000_000)
        yield from (f"{when}  {line}" for line in _event(log, record, policies))


def _message(log: EventLog, message: Recorded) -> Iterator[str]:
    address = parse_stream(message.stream)
    what = "direct message"
    if isinstance(address, GroupId):
        what = f"message in the group {safe(address.creator)}/{safe(address.group)}"
    event = message.event
    if not isinstance(event, MessageSeen | MessageIgnored):
        return
    source = "mesh files" if event.source == "feed" else "Chat API"
    yield f"Message {event.identity.hex()} (event {message.seq} of {safe(message.stream)})"
    when = local_time(message.time // 1_000_000)
    yield f"{when}  Received: {what} from {safe(event.sender)} (source: {source})."
    yield f"{INDENT}  Sent at {local_time(event.sent_ms)} by the sender's clock."
    if isinstance(event, MessageIgnored):
        yield f"{INDENT}  Ignored: {IGNORED[event.reason]}."
        return
    text = log.body(message.seq)
    yield f"{INDENT}  " + (f"Text: {safe(text, 300)}" if text is not None else "Text: erased.")


def _event(log: EventLog, record: Recorded, policies: dict[bytes, AccountPolicy]) -> Iterator[str]:
    match record.event:
        case PolicyDecided():
            yield from _decision(record.event, policies.get(record.event.inputs.policy))
        case PairingWithheld(_, reason):
            yield f"No pairing code was sent: {NO_CODE[reason]}."
        case Dispatched():
            yield f"Sent to the agent {record.event.agent} (turn {record.version})."
        case TurnCancelled(_, reason):
            yield f"The turn was cancelled: {UNANSWERED.get(reason, safe(reason))}."
        case AgentReplied():
            yield _replied(log, record, record.event)
        case AgentFailed():
            yield _failed(record.event)
        case MessageQueued():
            yield _queued(record.event)
        case ReplySent():
            yield from _sent(record.event)
        case ReplyFailed(_, error):
            yield f"Permanently undeliverable: {safe(error)}."
        case MessageDeadLettered(_, reason):
            yield f"Moved to dead letters: {UNANSWERED.get(reason, safe(reason))}."
        case MessageRetried():
            yield "The operator sent it to the agent again."
        case MessageDropped():
            yield "The operator discarded it."


def _replied(log: EventLog, record: Recorded, event: AgentReplied) -> str:
    if event.silent:
        return f"The agent chose not to reply, after {event.elapsed_ms} ms."
    text = log.body(record.seq)
    cut = ", cut short by its length limit" if event.cut_short else ""
    reply = "text erased" if text is None else f"“{safe(text, 300)}”"
    model = f" ({safe(event.model)})" if event.model else ""
    tokens = ""
    if event.tokens_in or event.tokens_out:
        tokens = f" ({event.tokens_in} tokens in, {event.tokens_out} out)"
    return (
        f"The agent{model} replied on attempt {event.attempt} after {event.elapsed_ms} ms"
        f"{tokens}{cut}: {reply}"
    )


def _queued(event: MessageQueued) -> str:
    part = f" (part {event.part} of {event.parts})" if event.parts > 1 else ""
    changed = ""
    if event.changed:
        changed = f" {event.changed} characters that ZTM cannot carry were replaced."
    return f"Queued to be sent: {event.purpose}{part}.{changed}"


def _sent(event: ReplySent) -> Iterator[str]:
    yield f"Sent: in the bot's own files, with the time {local_time(event.sent_ms)}."
    if event.reconciled:
        yield "  It was already there, so it was not sent again."


def _failed(event: AgentFailed) -> str:
    retry = f"retry at {local_time(event.retry_ms)}" if event.retry_ms else "no retry"
    return f"The agent failed on attempt {event.attempt} ({safe(event.error)}); {retry}."


def _decision(event: PolicyDecided, policy: AccountPolicy | None) -> Iterator[str]:
    yield f"{ACTIONS[event.action]}: {_rule(event, policy)} (reason {event.reason})."
    inputs = event.inputs
    if event.tools is not None:
        allow = "all tools" if event.tools.allow is None else ", ".join(event.tools.allow) or "none"
        deny = f", never {', '.join(event.tools.deny)}" if event.tools.deny else ""
        yield f"  Tools granted: {allow}{deny}."
    facts = [f"pairing {inputs.pairing}"]
    if inputs.membership != "direct":
        facts = [
            f"membership {inputs.membership}",
            f"group name {safe(inputs.group_name) or '-'}",
            f"mention of @{safe(inputs.own)} {'found' if event.mentioned else 'not found'}",
        ]
    facts += [
        f"policy {inputs.policy.hex()[:8]}",
        f"rules version {inputs.rules}",
        f"account version {inputs.account_version}",
    ]
    yield f"  Inputs: {', '.join(facts)}."


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
            return "the sender is not a member of the group"
        case "group-policy":
            return (
                "the group's policy is open to its members"
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
