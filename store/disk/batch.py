"""One commit as bytes: the unit of the log, of its hash chain, and of reading.

A batch is a MessagePack array: the hash of the batch before it, the sequence of its first event,
the time (ns), its runs, and the keys that are in use from here on. A run is consecutive events of
one stream: `[stream's id, version and offset of the first event, the stream's name if the stream
begins here, [[cause, event], …], [[event's place in the run, slot, SHA-256 of its encrypted body],
…]]`. Nothing about a stream but its id has to be looked up elsewhere to read the log from its
start.

A batch's hash is SHA-256 of its bytes with each run, and the keys, replaced by their own SHA-256.
So who shows one conversation to somebody proves it without showing the others: of these the hashes
are enough.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from events import codec
from events.event import Event, Recorded

Entry = tuple[int, Event]
"""An event after its cause: a sequence, 0, or negative: so many events before."""

BodyHash = tuple[int, int, bytes]
"""An event's place (in its run, from 0), the slot of its body, SHA-256 of the encrypted body."""

KeyRecord = tuple[str | int, bytes]
"""Whose key (a person's, or a week's), and the key's id."""

_Entries = TypeVar("_Entries")


class Run(msgspec.Struct, Generic[_Entries], frozen=True, array_like=True, gc=False):
    """Consecutive events of one stream. `offset`: how many events of the batch come before."""

    stream: int
    version: int
    offset: int
    name: str | None
    entries: _Entries
    bodies: list[BodyHash]


class Batch(msgspec.Struct, Generic[_Entries], frozen=True, array_like=True, gc=False):
    """The events of one commit. `time`: when, in ns since 1970. `keys`: made since the last one."""

    previous: bytes
    first: int
    time: int
    runs: list[Run[_Entries]]
    keys: list[KeyRecord]


class _Outline(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A batch as its hash sees it: the last two elements are taken part by part."""

    previous: bytes
    first: int
    time: int
    runs: list[msgspec.Raw]
    keys: msgspec.Raw


_START = b"\x95\xc4\x20"
"""How every batch begins: an array of five, whose first element is 32 bytes."""

_entries: Any = list[tuple[int, codec.AnyEvent]]  # type: ignore[valid-type]
_encoder = msgspec.msgpack.Encoder()
_whole: msgspec.msgpack.Decoder[Batch[list[Entry]]] = msgspec.msgpack.Decoder(Batch[_entries])
_lazy = msgspec.msgpack.Decoder(Batch[msgspec.Raw])
_outline = msgspec.msgpack.Decoder(_Outline)
_one: msgspec.msgpack.Decoder[list[Entry]] = msgspec.msgpack.Decoder(_entries)


def genesis(log_id: str) -> bytes:
    """What the first batch of a log has for the hash of its predecessor."""
    return hashlib.sha256(f"ztm-chat log {log_id}".encode()).digest()


def chain_hash(data: bytes) -> bytes:
    """The hash of a batch, which its successor carries: 32 bytes. Bytes that are no batch have one
    too, which no batch has.
    """
    try:
        outline = _outline.decode(data)
    except codec.UNREADABLE:
        return hashlib.sha256(data).digest()
    parts = (*outline.runs, outline.keys)
    before = data[: len(data) - sum(map(len, parts))]
    hashes = (hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(before + b"".join(hashes)).digest()


def previous_hash(data: bytes) -> bytes:
    """The predecessor's hash, as a batch's bytes hold it, without decoding the rest."""
    return data[len(_START) : len(_START) + 32]


def encode(batch: Batch[msgspec.Raw]) -> bytes:
    """The bytes of a batch."""
    return _encoder.encode(batch)


def decode(data: bytes) -> Batch[list[Entry]]:
    """A batch with all its events. Raises `msgspec.MsgspecError`."""
    batch = _whole.decode(data)
    if codec.UPCASTS:
        for run in batch.runs:
            run.entries[:] = _upcast(run.entries)
    return batch


def decode_lazily(data: bytes) -> Batch[msgspec.Raw]:
    """A batch whose runs are not decoded yet. Raises `msgspec.MsgspecError`."""
    return _lazy.decode(data)


def encode_entries(entries: list[Entry]) -> bytes:
    """The entries of a run as bytes. Raises what msgspec raises for an event it can't encode."""
    return _encoder.encode(entries)


def decode_entries(data: bytes | msgspec.Raw) -> list[Entry]:
    """The entries of a run. Raises `msgspec.MsgspecError`."""
    entries = _one.decode(data)
    return _upcast(entries) if codec.UPCASTS else entries


def recorded_run(
    entries: list[Entry], *, seq: int, stream: str, version: int, time: int
) -> list[Recorded]:
    """The entries of a run in their envelopes; the first has `seq` and `version`."""
    recorded = []
    for cause, event in entries:
        source = cause if cause >= 0 else seq + cause
        recorded.append(Recorded(seq, stream, version, time, source, event))
        seq += 1
        version += 1
    return recorded


def recorded_batch(batch: Batch[list[Entry]], names: Mapping[int, str]) -> list[Recorded]:
    """All events of a batch in their envelopes. `names`: of the streams, by id."""
    recorded: list[Recorded] = []
    for run in batch.runs:
        recorded += recorded_run(
            run.entries,
            seq=batch.first + run.offset,
            stream=names[run.stream],
            version=run.version,
            time=batch.time,
        )
    return recorded


def recorded_stream(data: bytes, stream: int, name: str) -> list[Recorded]:
    """The events of one stream in a batch; the others aren't decoded. See `decode_lazily`."""
    batch = decode_lazily(data)
    recorded: list[Recorded] = []
    for run in batch.runs:
        if run.stream == stream:
            recorded += recorded_run(
                decode_entries(run.entries),
                seq=batch.first + run.offset,
                stream=name,
                version=run.version,
                time=batch.time,
            )
    return recorded


def _upcast(entries: list[Entry]) -> list[Entry]:
    return [(cause, codec.upcast(event)) for cause, event in entries]
