"""Snapshots held against the streams that they are said to be the state of."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from events.account import state as account
from events.conversation import state as conversation
from events.gateway import state as life
from events.streams import GATEWAY, parse_stream
from store.log.event_log import EventLog
from store.log.snapshots import Snapshots


class Kept(msgspec.Struct, frozen=True):
    """A snapshot that would be believed: of `stream` after `version` events, and whether it is what
    these fold to."""

    stream: str
    version: int
    agrees: bool


def compare_snapshots(folder: Path, log: EventLog, fingerprint: bytes) -> Iterator[Kept]:
    """Fold again what each snapshot stands for. `fingerprint`: of the code that folds now."""
    snapshots = Snapshots(folder, log, fingerprint)
    for stream in log.streams():
        data, version, _ = snapshots.resume(stream)
        if data is not None:
            yield Kept(stream, version, _folded(log, stream, version) == _state(stream, data))


def _folded(log: EventLog, stream: str, version: int) -> object:
    events = islice(log.read_stream(stream), version)
    if stream == GATEWAY:
        return life.fold(events)
    if isinstance(parse_stream(stream), str):
        return account.fold(events)
    return conversation.fold(events)


def _state(stream: str, data: bytes) -> object:
    if stream == GATEWAY:
        return msgspec.msgpack.decode(data, type=life.GatewayState)
    if isinstance(parse_stream(stream), str):
        return msgspec.msgpack.decode(data, type=account.AccountState)
    return msgspec.msgpack.decode(data, type=conversation.ConversationState)
