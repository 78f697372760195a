"""A key for every person, in one small file beside the log.

To erase a person is to lose the key. Hence the keys are not in the log, where nothing is ever
lost, but in a file of JSON lines `{"person": …, "key": …}` that grows by a line a person and is
rewritten whole when one is destroyed, and the old one's bytes are overwritten. (A disk that moves
blocks about may keep them for a while all the same, and backups hold the keys of their day.)

A new key is flushed to the disk before anything under it is committed. A last line that was cut
off by a crash held a key that nothing was written under yet.
"""

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.bodies import KEY_ID_BYTES
from store.creation import sync_folder
from store.errors import LogDamaged, LogUnusable

KEY_BYTES = 32
"""Length of a person's key, bytes."""

_CIPHERS_KEPT = 4_096
_Signature = tuple[int, int, int]


class _Key(NamedTuple):
    id: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"_Key({self.id.hex()})"


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
        self._keys: dict[str, _Key] = {}
        self._by_id: dict[bytes, _Key] = {}
        self._ciphers: OrderedDict[bytes, AESGCM] = OrderedDict()
        self._signature: _Signature | None = None
        self._load()
        self._fd = self._open_for_append() if writable else -1

    def __repr__(self) -> str:
        return f"Keyring({str(self._path)!r}, {len(self._keys)} persons)"

    def key(self, person: str) -> bytes:
        """The 32 bytes of `person`, made on first use and durable before return."""
        with self._lock:
            self._ensure([person])
            return self._keys[person].secret

    def key_id(self, person: str) -> bytes | None:
        """What the key of `person` is called in bodies; `None` when there is none."""
        with self._lock:
            self._refresh()
            key = self._keys.get(person)
            return key.id if key else None

    def ciphers(self, persons: Iterable[str]) -> dict[str, tuple[bytes, AESGCM]]:
        """For each of `persons` the key's id and the cipher under it. New keys: one flush for
        all.
        """
        with self._lock:
            wanted = set(persons)
            self._ensure(wanted)
            keys = {person: self._keys[person] for person in wanted}
            return {person: (key.id, self._cipher(key)) for person, key in keys.items()}

    def cipher(self, key_id: bytes) -> AESGCM | None:
        """The cipher under the key with this id; `None` when it was destroyed."""
        with self._lock:
            self._refresh()
            key = self._by_id.get(key_id)
            return self._cipher(key) if key else None

    def destroy(self, person: str) -> bool:
        """Lose the key of `person`, durably. False when there is none."""
        with self._lock:
            self._check_writable()
            if person not in self._keys:
                return False
            rest = {name: key for name, key in self._keys.items() if name != person}
            self._rewrite(rest)
            self._hold(rest)
            return True

    def close(self) -> None:
        """Forget all keys in memory."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1
            self._hold({})

    def _ensure(self, persons: Iterable[str]) -> None:
        self._refresh()
        missing = [person for person in persons if person not in self._keys]
        if not missing:
            return
        self._check_writable()
        made = {person: _key(self._entropy(KEY_BYTES)) for person in missing}
        _write_all(self._fd, _lines(made))
        os.fsync(self._fd)
        self._keys |= made
        self._by_id |= {key.id: key for key in made.values()}

    def _cipher(self, key: _Key) -> AESGCM:
        cipher = self._ciphers.pop(key.id, None) or AESGCM(key.secret)
        self._ciphers[key.id] = cipher
        if len(self._ciphers) > _CIPHERS_KEPT:
            self._ciphers.popitem(last=False)
        return cipher

    def _check_writable(self) -> None:
        if self._fd < 0:
            raise LogUnusable("keys are made and destroyed only by the log's writer")

    def _refresh(self) -> None:
        if not self._writable and self._signature != _signature(self._path):
            self._load()

    def _load(self) -> None:
        try:
            self._signature = _signature(self._path)
            data = self._path.read_bytes()
        except OSError as error:
            raise LogUnusable(
                "the file of keys can't be read", where=str(self._path), found=str(error)
            ) from error
        whole = data[: data.rfind(b"\n") + 1]
        self._hold(dict(_parse(number, line, self._path) for number, line in _numbered(whole)))
        if self._writable and len(whole) < len(data):
            os.truncate(self._path, len(whole))

    def _hold(self, keys: dict[str, _Key]) -> None:
        self._keys = keys
        self._by_id = {key.id: key for key in keys.values()}
        self._ciphers.clear()

    def _open_for_append(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._path, flags)

    def _rewrite(self, keys: dict[str, _Key]) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(fresh, flags, 0o600)
        try:
            _write_all(fd, _lines(keys))
            os.fsync(fd)
        finally:
            os.close(fd)
        old = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            fresh.rename(self._path)
            sync_folder(self._path.parent)
            os.pwrite(old, bytes(os.fstat(old).st_size), 0)
            os.fsync(old)
        finally:
            os.close(old)
        os.close(self._fd)
        self._fd = self._open_for_append()


def _key(secret: bytes) -> _Key:
    return _Key(hashlib.sha256(b"ztm-chat key id" + secret).digest()[:KEY_ID_BYTES], secret)


def _lines(keys: dict[str, _Key]) -> bytes:
    rows = ({"person": person, "key": key.secret.hex()} for person, key in keys.items())
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _numbered(data: bytes) -> Iterable[tuple[int, bytes]]:
    return enumerate(data.splitlines(), 1)


def _parse(number: int, line: bytes, path: Path) -> tuple[str, _Key]:
    try:
        row = json.loads(line)
        person, secret = row["person"], bytes.fromhex(row["key"])
    except (ValueError, KeyError, TypeError):
        person, secret = None, b""
    if not isinstance(person, str) or len(secret) != KEY_BYTES:
        raise LogDamaged(
            "a line of the file of keys can't be read",
            where=f"{path}, line {number}",
            cure="restore the file from a backup",
        )
    return person, _key(secret)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _signature(path: Path) -> _Signature:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
