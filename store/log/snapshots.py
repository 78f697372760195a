"""Snapshots: what a stream had folded to at some version. They save time and nothing else.

One small file each, beside the log, never part of it. A snapshot is believed only if its digest is
right, this very code made it (`fingerprint`), and the event at its version is still the one that it
was made at: so one that is torn, stale, or of another history is ignored, and deleting them all
changes nothing but the time it takes to start.
"""

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from events import codec
from events.event import Recorded
from store.log.event_log import EventLog

FOLDER = "snapshots"

DIGEST_BYTES = 32

_log = logging.getLogger(__name__)


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """A stream's state after `version` events; `event` is the digest of the one at that version."""

    stream: str
    version: int
    fingerprint: bytes
    event: bytes
    state: bytes


_decoder = msgspec.msgpack.Decoder(Snapshot)


class Snapshots:
    """The snapshots of `log`, in `folder`. `fingerprint` names the code that folds."""

    def __init__(self, folder: Path, log: EventLog, fingerprint: bytes) -> None:
        self._folder = folder / FOLDER
        self._log = log
        self._fingerprint = fingerprint

    def resume(self, stream: str) -> tuple[bytes | None, int, Iterator[Recorded]]:
        """The newest state that can be believed, its version, and the events after it."""
        snapshot = self._read(stream)
        if snapshot is not None:
            tail = self._log.read_stream(stream, snapshot.version - 1)
            at = next(tail, None)
            if at is not None and _digest(at) == snapshot.event:
                return snapshot.state, snapshot.version, tail
        return None, 0, self._log.read_stream(stream)

    def take(self, last: Recorded, state: bytes) -> None:
        """Keep the `state` that a stream has folded to with `last`. A failure costs nothing but
        time, so it is only said."""
        snapshot = Snapshot(last.stream, last.version, self._fingerprint, _digest(last), state)
        data = msgspec.msgpack.encode(snapshot)
        path = self._path(last.stream)
        fresh = path.with_suffix(".new")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
            ) as file:
                file.write(hashlib.sha256(data).digest() + data)
            fresh.replace(path)
        except OSError as error:
            _log.warning("no snapshot could be kept in %s: %s", self._folder, error)

    def _read(self, stream: str) -> Snapshot | None:
        try:
            data = self._path(stream).read_bytes()
        except OSError:
            return None
        digest, data = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
        if hashlib.sha256(data).digest() != digest:
            return None
        try:
            snapshot = _decoder.decode(data)
        except codec.UNREADABLE:
            return None
        ours = snapshot.stream == stream and snapshot.fingerprint == self._fingerprint
        return snapshot if ours and snapshot.version > 0 else None

    def _path(self, stream: str) -> Path:
        return self._folder / hashlib.sha256(stream.encode("utf-8", "surrogatepass")).hexdigest()


def _digest(recorded: Recorded) -> bytes:
    place = f"{recorded.seq} {recorded.version} {recorded.time} {recorded.stream}\n"
    named = place.encode("utf-8", "surrogatepass") + codec.encode(recorded.event)
    return hashlib.sha256(named).digest()


def fingerprint_of(*sources: Path) -> bytes:
    """Names the code in `sources`: SHA-256 of its bytes, 16 bytes of it."""
    digest = hashlib.sha256()
    for source in sources:
        data = source.read_bytes()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()[:16]
