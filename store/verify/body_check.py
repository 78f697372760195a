"""Bodies compared with the events they belong to: none missing, none too many, none altered.

An event carries the salted digest of its text. A body whose key was destroyed can't be read, and
so not be proved; it counts as erased if a recorded erasure destroyed the key.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.account.events import PairingRequested, PersonErased
from events.conversation.events import AgentReplied, MessageQueued, MessageSeen
from events.event import SALT_BYTES, Event
from events.gateway.state import fold
from events.streams import GATEWAY, parse_stream
from store.disk.layout import pack_slot, unpack_slot
from store.keys import bodies
from store.keys.bodies import KeyName
from store.log.event_log import EventLog
from store.maintenance.raw_log import RawLog

DIGESTS: dict[type[Event], Callable[[Any], bytes]] = {
    MessageSeen: lambda event: event.body,
    AgentReplied: lambda event: event.body,
    MessageQueued: lambda event: event.body,
    PairingRequested: lambda event: event.code,
}
"""The events that have a body (slot 0), and the digest that they carry of it."""

_CIPHERS_KEPT = 4_096


class Broken(Exception):
    """A body is not what was written. The text says what was found."""


class BodyCheck:
    """The bodies of the events from `first` on, asked for in the events' order."""

    def __init__(self, source: RawLog, first: int) -> None:
        self._source = source
        self._log_id = source.log_id
        self._entries: Iterator[tuple[bytes, bytes]] = source.entries("bodies", pack_slot(first, 0))
        self._next: tuple[bytes, bytes] | None = next(self._entries, None)
        self._ciphers: dict[KeyName, AESGCM] = {}
        self._erased: frozenset[bytes] = frozenset()
        self._expired = 0
        self.proved = 0
        self.erased = 0

    def strays_before(self, seq: int) -> Iterator[tuple[int, int]]:
        """Bodies, as (sequence, slot), that lie before the event `seq` and belong to none."""
        end = pack_slot(seq, 0)
        while self._next is not None and self._next[0] < end:
            yield unpack_slot(self._next[0])
            self._next = next(self._entries, None)

    def take(self, seq: int, digest: bytes) -> str | None:
        """The text of the event `seq`; `None` when it was erased. Raises `Broken`."""
        key = pack_slot(seq, 0)
        if self._next is None or self._next[0] != key:
            msg = "its body is missing"
            raise Broken(msg)
        sealed = self._next[1]
        self._next = next(self._entries, None)
        plain = self._unsealed(sealed, seq)
        if plain is None:
            self.erased += 1
            return None
        if hashlib.sha256(plain).digest() != digest:
            msg = "its body does not match the digest in the event"
            raise Broken(msg)
        self.proved += 1
        return plain[SALT_BYTES:].decode("utf-8", "surrogatepass")

    def _unsealed(self, sealed: bytes, seq: int) -> bytes | None:
        key = bodies.key_of(sealed)
        cipher = self._ciphers.get(key)
        if cipher is None and (cipher := self._source.keyring.cipher(key)):
            if len(self._ciphers) >= _CIPHERS_KEPT:
                self._ciphers.clear()
            self._ciphers[key] = cipher  # to look at the file of keys each time is slow
        if cipher is None:
            if not (self._has_expired(key.week) or self._was_erased(key.id)):
                msg = (
                    f"the key {key.id.hex()}, or that of the week {key.week}, of its body is gone,"
                    " and no erasure destroyed it"
                )
                raise Broken(msg)
            return None
        try:
            return bodies.open_sealed(sealed, cipher=cipher, log_id=self._log_id, seq=seq, slot=0)
        except (InvalidTag, ValueError) as error:
            msg = "its body was altered, or is another event's"
            raise Broken(msg) from error

    def _has_expired(self, week: int) -> bool:
        if self._source.keyring.has_week(week):
            return False
        if week >= self._expired:  # perhaps since: a daemon may run
            self._expired = fold(self._source.log.read_stream(GATEWAY)).expired
        return week < self._expired

    def _was_erased(self, key_id: bytes) -> bool:
        if key_id not in self._erased:  # perhaps since: a daemon may run
            self._erased = frozenset(erasure.key_id for erasure in erasures(self._source.log))
        return key_id in self._erased


def erasures(log: EventLog) -> Iterator[PersonErased]:
    """Every erasure on record, account by account."""
    for stream in log.streams("account/"):
        if isinstance(parse_stream(stream), str):
            for recorded in log.read_stream(stream):
                if isinstance(recorded.event, PersonErased):
                    yield recorded.event
