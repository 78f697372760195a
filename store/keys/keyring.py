"""A key for every person and one for every week, in one small file beside the log.

Bodies are encrypted under a key made of both. To erase a person, or what is old, is to destroy that
key. Hence the keys are not in the log, where nothing is ever lost, but in a file of JSON lines
`{"person": …, "key": …}` and `{"week": …, "key": …}` that grows by a line a person and a week and
is rewritten whole when one is destroyed, and the old one's bytes are overwritten. (A disk that
moves blocks about may keep them for a while all the same, and backups hold the keys of their day.)

A new key is flushed to the disk before anything under it is committed. A last line that was cut
off by a crash held a key that nothing was written under yet.
"""

import hashlib
import hmac
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.disk.batch import KeyRecord
from store.disk.queries import KeyRecords
from store.errors import LogDamaged, LogUnusable
from store.keys.bodies import KEY_ID_BYTES, KeyName, SecretKey
from store.keys.key_file import KeyFile
from store.keys.key_records import check_keys, leftovers

KEY_BYTES = 32
"""Length of a key, bytes."""

_CIPHERS_KEPT = 4_096
_log = logging.getLogger(__name__)
_Signature = tuple[int, int, int]


Owner = str | int
"""Whose key: a person's, or a week's."""


class Keyring:
    """The keys in the file `path`; every method may be called from any thread.

    `entropy` gives so many random bytes. One that isn't `writable` makes no keys, and follows
    what a writer in another process makes and destroys.
    """

    def __init__(self, path: Path, *, entropy: Callable[[int], bytes], writable: bool) -> None:
        self._path = path
        self._entropy = entropy
        self._writable = writable
        self._lock = threading.Lock()
        self._keys: dict[Owner, SecretKey] = {}
        self._by_id: dict[bytes, SecretKey] = {}
        self._ciphers: OrderedDict[KeyName, AESGCM] = OrderedDict()
        self._signature: _Signature | None = None
        self._unrecorded: dict[Owner, bytes] = {}
        self._load()
        self._file = self._open() if writable else None

    def __repr__(self) -> str:
        return f"Keyring({str(self._path)!r}, {len(self._keys)} keys)"

    def ids(self) -> dict[Owner, bytes]:
        """The ids of all keys in the file, and whose they are."""
        with self._lock:
            self._refresh()
            return {owner: key.id for owner, key in self._keys.items()}

    def match(self, records: KeyRecords) -> None:
        """Hold the keys against what the log has on record of them, before anything is written.

        Keys whose erasure is on record are destroyed: a process may have ended before that. Raises
        `KeysMismatch` when others are not as recorded.
        """
        ids = self.check(records, erased=False)
        with self._lock:
            if again := leftovers(records, ids):
                _log.warning(
                    "%d keys whose erasure is on record were in %s; they are destroyed now",
                    len(again),
                    self._path,
                )
                self._destroy(again)
            self._unrecorded = {
                owner: key.id for owner, key in self._keys.items() if owner not in records.live
            }

    def check(self, records: KeyRecords, *, erased: bool) -> dict[Owner, bytes]:
        """Hold the keys against what the log has on record of them. Gives their ids. `erased`: of
        those that were erased none may be there.

        Raises `KeysMismatch`.
        """
        ids = self.ids()
        check_keys(records, ids, self._path, erased=erased)
        return ids

    def unrecorded(self) -> list[KeyRecord]:
        """Keys that the log has no record of yet."""
        with self._lock:
            return list(self._unrecorded.items())

    def recorded(self, keys: Iterable[KeyRecord]) -> None:
        """The log has these on record, durably."""
        with self._lock:
            for owner, _ in keys:
                self._unrecorded.pop(owner, None)

    def key(self, person: str) -> SecretKey:
        """The key of `person`, made on first use and durable before return."""
        with self._lock:
            self._ensure([person])
            return self._keys[person]

    def key_id(self, person: str) -> bytes | None:
        """What `person`'s key is called in bodies; `None` when there is none."""
        with self._lock:
            self._refresh()
            key = self._keys.get(person)
            return key.id if key else None

    def ciphers(self, persons: Iterable[str], week: int) -> dict[str, tuple[KeyName, AESGCM]]:
        """For each of `persons` the name of the key for bodies of this week, and the cipher under
        it. New keys: one flush for all.
        """
        with self._lock:
            wanted = set(persons)
            self._ensure([*wanted, week] if wanted else [])
            names = {person: KeyName(self._keys[person].id, week) for person in wanted}
            return {person: (name, self._cipher(name)) for person, name in names.items()}

    def cipher(self, name: KeyName) -> AESGCM | None:
        """The cipher under the key of this name; `None` when one of its halves was destroyed."""
        with self._lock:
            self._refresh()
            there = name.id in self._by_id and name.week in self._keys
            return self._cipher(name) if there else None

    def has_week(self, week: int) -> bool:
        """Whether the key of this week is there."""
        with self._lock:
            self._refresh()
            return week in self._keys

    def destroy(self, person: str) -> bool:
        """Destroy the key of `person`, durably. False when there is none."""
        with self._lock:
            return self._destroy([person])

    def expire(self, before: int) -> bool:
        """Destroy the keys of the weeks before this one, durably. False when there is none."""
        with self._lock:
            weeks = (owner for owner in self._keys if isinstance(owner, int))
            return self._destroy([week for week in weeks if week < before])

    def close(self) -> None:
        """Forget all keys in memory."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None
            self._hold({})

    def _destroy(self, owners: Sequence[Owner]) -> bool:
        file = self._writable_file()
        if not any(owner in self._keys for owner in owners):
            file.settle()  # of a key destroyed before, whose bytes may still be there
            return False
        kept = {owner: key for owner, key in self._keys.items() if owner not in owners}
        file.replace(_lines(kept))
        self._hold(kept)
        for owner in owners:
            self._unrecorded.pop(owner, None)
        file.settle()
        return True

    def _ensure(self, owners: Iterable[Owner]) -> None:
        self._refresh()
        if self._file is not None:
            self._file.check_usable()
        missing = [owner for owner in owners if owner not in self._keys]
        if not missing:
            return
        file = self._writable_file()
        made = {owner: _key(self._entropy(KEY_BYTES)) for owner in missing}
        file.append(_lines(made))
        self._keys |= made
        self._by_id |= {key.id: key for key in made.values()}
        self._unrecorded |= {owner: key.id for owner, key in made.items()}

    def _cipher(self, name: KeyName) -> AESGCM:
        cipher = self._ciphers.pop(name, None)
        if cipher is None:
            person, week = self._by_id[name.id].secret, self._keys[name.week].secret
            cipher = AESGCM(hmac.digest(person, b"ztm-chat bodies" + week, "sha256"))
        self._ciphers[name] = cipher
        if len(self._ciphers) > _CIPHERS_KEPT:
            self._ciphers.popitem(last=False)
        return cipher

    def _writable_file(self) -> KeyFile:
        if self._file is None:
            raise LogUnusable("keys are made and destroyed only by the log's writer")
        return self._file

    def _refresh(self) -> None:
        if not self._writable and self._signature != _signature(self._path):
            self._load()

    def _load(self) -> None:
        try:
            self._signature = _signature(self._path)
            data = self._path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from error
        whole = data[: data.rfind(b"\n") + 1]
        keys: dict[Owner, SecretKey] = {}
        for number, line in _numbered(whole):
            owner, key = _parse(number, line, self._path)
            if keys.setdefault(owner, key) is not key:
                raise _bad_line(number, self._path, f"a second key of {owner!r}")
        self._hold(keys)

    def _open(self) -> KeyFile:
        try:
            return KeyFile(self._path)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> LogUnusable:
        return LogUnusable(
            "the file of keys can't be opened", where=str(self._path), found=str(error)
        )

    def _hold(self, keys: dict[Owner, SecretKey]) -> None:
        self._keys = keys
        self._by_id = {key.id: key for key in keys.values()}
        self._ciphers.clear()


def _key(secret: bytes) -> SecretKey:
    return SecretKey(hashlib.sha256(b"ztm-chat key id" + secret).digest()[:KEY_ID_BYTES], secret)


def _lines(keys: dict[Owner, SecretKey]) -> bytes:
    rows = (
        {"person" if isinstance(owner, str) else "week": owner, "key": key.secret.hex()}
        for owner, key in keys.items()
    )
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _numbered(data: bytes) -> Iterable[tuple[int, bytes]]:
    return enumerate(data.splitlines(), 1)


def _parse(number: int, line: bytes, path: Path) -> tuple[Owner, SecretKey]:
    try:
        row = json.loads(line)
        name, kind = ("person", str) if "person" in row else ("week", int)
        owner, secret = row[name], bytes.fromhex(row["key"])
    except (ValueError, KeyError, TypeError):
        kind, owner, secret = str, None, b""
    if not isinstance(owner, kind) or len(secret) != KEY_BYTES:
        raise _bad_line(number, path)
    return owner, _key(secret)


def _bad_line(number: int, path: Path, found: str = "") -> LogDamaged:
    return LogDamaged(
        "a line of the file of keys can't be read",
        where=f"{path}, line {number}",
        found=found,
        cure="restore the file from a backup",
    )


def _signature(path: Path) -> _Signature:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
