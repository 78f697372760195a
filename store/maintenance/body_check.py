"""Bodies compared with what their batches say of them: none missing, none too many, none altered.

A batch has the SHA-256 of each of its encrypted bodies, so the chain covers them, and with them the
names of the keys that they are encrypted with. A body that can't be decrypted counts as erased only
if the log has it on record that its key was destroyed, later than it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.gateway.retention import week_of
from store.disk import queries
from store.disk.batch import Batch, Entry, Run
from store.disk.layout import pack_slot, unpack_slot
from store.disk.queries import KeyRecords
from store.keys import bodies
from store.keys.bodies import KeyName
from store.maintenance.raw_log import RawLog

_CIPHERS_KEPT = 4_096
_END = b"\xff" * 10


class CheckedBody(NamedTuple):
    """A body as it was written: whose key it is under, and salt and text; `None`: erased."""

    owner: str | int | None
    plain: bytes | None


class BodyCheck:
    """The bodies of the events from `first` on, asked for in the events' order. `find` is told of
    whatever is wrong, with the event.
    """

    def __init__(self, source: RawLog, first: int, find: Callable[[int, str], object]) -> None:
        self._source = source
        self._log_id = source.log_id
        self._find = find
        self._entries: Iterator[tuple[bytes, bytes]] = source.entries(
            "bodies", pack_slot(first, 0) if first > 1 else b""
        )
        self._next: tuple[bytes, bytes] | None = next(self._entries, None)
        self._ciphers: dict[KeyName, AESGCM] = {}
        self._owners: Mapping[bytes, str | int] = {}
        self._records = KeyRecords({}, {})
        self._weeks: Mapping[str | int, int] = {}
        self._known_up_to = -1
        self.intact = 0
        self.erased = 0

    def run(
        self, content: Batch[list[Entry]], run: Run[list[Entry]]
    ) -> dict[tuple[int, int], CheckedBody]:
        """The bodies of a run by sequence and slot; those that are not what was written are left
        out.
        """
        checked = {}
        start = content.first + run.offset
        for place, slot, digest in run.bodies:
            seq = start + place
            if not (0 <= place < len(run.entries) and 0 <= slot < 256):
                self._find(start, "its batch names a body of no event")
                continue
            sealed = self._take(pack_slot(seq, slot))
            if sealed is None:
                self._find(seq, "its body is missing")
            elif bodies.body_hash(sealed) != digest:
                self._find(seq, "its body is not what was written")
            elif body := self._opened(sealed, seq, slot, week_of(content.time)):
                checked[seq, slot] = body
        return checked

    def finish(self, before: int | None = None) -> None:
        """All events up to the event `before` (`None`: all) were asked for: nothing else may be
        there.
        """
        self._skip(_END if before is None else pack_slot(before, 0))

    def _take(self, key: bytes) -> bytes | None:
        self._skip(key)
        if self._next is None or self._next[0] != key:
            return None
        sealed = self._next[1]
        self._next = next(self._entries, None)
        return sealed

    def _skip(self, key: bytes) -> None:
        """Pass by what lies before `key`, and belongs to no event."""
        while self._next is not None and self._next[0] < key:
            self._find(*_stray(self._next[0]))
            self._next = next(self._entries, None)

    def _opened(self, sealed: bytes, seq: int, slot: int, week: int) -> CheckedBody | None:
        name = bodies.key_of(sealed)
        if name.week != week:
            self._find(seq, f"its body is of the week {name.week}, and its batch of {week}")
            return None
        cipher = self._cipher(name)
        if cipher is None:
            return self._erased(name, seq)
        try:
            plain = bodies.open_sealed(
                sealed, cipher=cipher, log_id=self._log_id, seq=seq, slot=slot
            )
        except (InvalidTag, ValueError):
            self._find(seq, "its body is not readable with its key, or is another event's")
            return None
        self.intact += 1
        return CheckedBody(self._owners.get(name.id), plain)

    def _erased(self, name: KeyName, seq: int) -> CheckedBody | None:
        self._learn_keys()
        erased = self._records.erased.get(name.id)
        owner = erased.owner if erased else self._owners.get(name.id)
        if (erased and erased.seq > seq) or self._weeks.get(name.week, 0) > seq:
            self.erased += 1
            return CheckedBody(owner, None)
        self._find(
            seq,
            f"the key {name.id.hex()}, or that of the week {name.week}, of its body is gone, and no"
            " erasure destroyed it",
        )
        return None

    def _cipher(self, name: KeyName) -> AESGCM | None:
        cipher = self._ciphers.get(name)
        if cipher is None and (cipher := self._source.keyring.cipher(name)):
            if name.id not in self._owners:
                self._owners = {key: owner for owner, key in self._source.keyring.ids().items()}
            if len(self._ciphers) >= _CIPHERS_KEPT:
                self._ciphers.clear()
            self._ciphers[name] = cipher  # to look at the file of keys each time is slow
        return cipher

    def _learn_keys(self) -> None:
        """What is on record of keys by now: a daemon may run beside this."""
        end = self._source.position().seq
        if end == self._known_up_to:
            return
        self._known_up_to = end
        self._records = self._source.ask(queries.key_records)
        erased = self._records.erased.values()
        self._weeks = {key.owner: key.seq for key in erased if isinstance(key.owner, int)}
        live = {key: owner for owner, key in self._records.live.items()}
        self._owners = {**live, **self._owners}


def _stray(key: bytes) -> tuple[int, str]:
    """The event that a body lies at, and what is wrong with it: it is none of that event's."""
    if len(key) != len(pack_slot(0, 0)):
        return 0, f"a body is stored under {key.hex()}, which is no place of a body"
    seq, slot = unpack_slot(key)
    return seq, f"body {slot} is stored with it, and is not its own"
