"""Snapshots compared with the state that their streams fold to."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from events.account import state as account
from events.conversation import state as conversation
from events.gateway import state as gateway
from events.streams import GATEWAY, parse_stream
from store.log.event_log import EventLog
from store.log.snapshots import Snapshots


class CheckedSnapshot(msgspec.Struct, frozen=True):
    """A snapshot that would be used: of `stream` after `version` events. `agrees`: it is what they
    fold to."""

    stream: str
    version: int
    agrees: bool


def compare_snapshots(folder: Path, log: EventLog, fingerprint: bytes) -> Iterator[CheckedSnapshot]:
    """Fold the events behind each snapshot again. `fingerprint`: of the code that folds now."""
    snapshots = Snapshots(folder, log, fingerprint)
    for stream in log.streams():
        data, version, _ = snapshots.resume(stream)
        if data is not None:
            yield CheckedSnapshot(
                stream, version, _folded(log, stream, version) == _state(stream, data)
            )


def _folded(log: EventLog, stream: str, version: int) -> object:
    events = islice(log.read_stream(stream), version)
    if stream == GATEWAY:
        return gateway.fold(events)
    if isinstance(parse_stream(stream), str):
        return account.fold(events)
    return conversation.fold(events)


def _state(stream: str, data: bytes) -> object:
    if stream == GATEWAY:
        return msgspec.msgpack.decode(data, type=gateway.GatewayState)
    if isinstance(parse_stream(stream), str):
        return msgspec.msgpack.decode(data, type=account.AccountState)
    return msgspec.msgpack.decode(data, type=conversation.ConversationState)
