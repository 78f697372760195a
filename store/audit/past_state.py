"""The state of everything at a time: the log folded up to there, account by account."""

from collections.abc import Callable
from typing import Any

import msgspec

from events.account.state import AccountState, evolve
from events.conversation.events import BaselineTaken, MessageIgnored, MessageSeen, ReplySent
from events.event import Event, Recorded
from events.gateway.events import GatewayStarted, GatewayStopped
from events.projections import closes, opens
from events.streams import GroupId, PeerId, parse_stream
from events.watermark import WatermarkAdvanced
from store.log.event_log import EventLog

_MS = 1_000_000


class ConversationSummary(msgspec.Struct):
    """One conversation in figures. `unfinished`: versions of what was begun and not ended;
    `watermark`: ms up to which all is done."""

    messages: int = 0
    ignored: int = 0
    baseline: int = 0
    sent: int = 0
    last_ms: int = 0
    watermark: int = 0
    unfinished: set[int] = set()


class PastState(msgspec.Struct):
    """What the first `seq` events fold to; `time_ms`: when the last of them was recorded.

    `running`: the release of the daemon that ran; empty when none did.
    """

    seq: int = 0
    time_ms: int = 0
    running: str = ""
    accounts: dict[str, AccountState] = {}
    conversations: dict[PeerId | GroupId, ConversationSummary] = {}


def past_state_of(
    log: EventLog,
    until_ms: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> PastState:
    """The state as it was at `until_ms` (ms since 1970); `None`: at the end."""
    state = PastState(accounts={}, conversations={})
    addresses: dict[str, Any] = {}
    for record in log.read():
        if until_ms is not None and record.time > until_ms * _MS:
            break
        address = addresses.get(record.stream, ...)
        if address is ...:
            address = addresses[record.stream] = parse_stream(record.stream)
        _enter(state, address, record)
        state.seq, state.time_ms = record.seq, record.time // _MS
        if record.seq % 10_000 == 0:
            progress(record.seq)
    return state


def _enter(state: PastState, address: PeerId | GroupId | str | None, record: Recorded) -> None:
    if isinstance(address, str):
        state.accounts[address] = evolve(state.accounts.get(address) or AccountState(), record)
    elif address is None:
        _gateway(state, record.event)
    else:
        talk = state.conversations.get(address)
        if talk is None:
            talk = state.conversations[address] = ConversationSummary(unfinished=set())
        _talk(talk, record)


def _gateway(state: PastState, event: Event) -> None:
    match event:
        case GatewayStarted(release):
            state.running = release
        case GatewayStopped():
            state.running = ""


def _talk(talk: ConversationSummary, record: Recorded) -> None:
    match record.event:
        case MessageSeen(sent_ms=sent_ms):
            talk.messages += 1
            talk.last_ms = max(talk.last_ms, sent_ms)
        case MessageIgnored(sent_ms=sent_ms):
            talk.ignored += 1
            talk.last_ms = max(talk.last_ms, sent_ms)
        case BaselineTaken(identities):
            talk.baseline += len(identities)
        case ReplySent():
            talk.sent += 1
        case WatermarkAdvanced(position):
            talk.watermark = position
    talk.unfinished.difference_update(closes(record.event))
    if opens(record.event):
        talk.unfinished.add(record.version)
