"""Committing a group: the log's position moves here and nowhere else. Used by one thread."""

import os
from collections.abc import Callable

import lmdb

from events.gateway.retention import week_of
from store.disk.database import Database
from store.disk.position import Position
from store.disk.queries import StreamState
from store.disk.transaction import SealedBody, TransactionView, write_commit
from store.keys.bodies import NONCE_BYTES, body_hash, seal
from store.keys.keyring import Keyring
from store.log.append import Append
from store.log.commit_group import CommitGroup
from store.log.event_log import Head, Outcome
from store.log.writer import NoRoom

_STATES_KEPT = 65_536
_COMMITS_BETWEEN_CHECKS = 1_000


class Committer:
    """Admits groups of appends and writes them. `clock_ns`: ns since 1970; `entropy`: random bytes.

    The map is doubled when it is full, up to `max_map_size` bytes.
    """

    def __init__(
        self,
        database: Database,
        *,
        position: Position,
        keyring: Keyring,
        clock_ns: Callable[[], int],
        entropy: Callable[[int], bytes],
        max_map_size: int,
    ) -> None:
        self._database = database
        self._position = position
        self._keyring = keyring
        self._clock_ns = clock_ns
        self._entropy = entropy
        self._states: dict[str, StreamState] = {}
        self.max_map_size = max_map_size
        self.commits = 0

    @property
    def head(self) -> Head:
        """The end of what is durable."""
        return self._position.head

    def commit(self, appends: list[Append]) -> list[Outcome]:
        """The outcome of each append; those admitted are durable.

        Raises `NoRoom` when the map is full and may not grow: nothing was stored. After any other
        error nobody knows what was.
        """
        while True:
            try:
                return self._transact(appends)
            except lmdb.MapFullError:
                self._make_room()

    def explain(self, error: BaseException) -> str:
        """What a person should know of an unexpected error in `commit`."""
        disk = os.statvfs(self._database.folder)
        free = disk.f_bavail * disk.f_frsize
        return (
            f"a commit to the log in {self._database.folder} failed, and what of it was stored is "
            f"unknown ({type(error).__name__}: {error}; the disk has {free:,} bytes free): "
            "the log has to be opened again"
        )

    def _transact(self, appends: list[Append]) -> list[Outcome]:
        with self._database.writing() as txn:
            view = TransactionView(txn, self._database.tables, self._states)
            group = CommitGroup(view, self._position, self._clock_ns())
            outcomes = [group.admit(append) for append in appends]
            position = self._position
            if group.count:
                bodies = self._sealed(group)
                hashes = [(seq, slot, body_hash(sealed)) for seq, slot, sealed in bodies]
                keys = self._keyring.unrecorded()
                commit = group.seal(hashes, keys)
                position = write_commit(txn, self._database.tables, commit, bodies)
        self._position = position
        if group.count:
            self._keyring.recorded(keys)
        self._remember(group)
        return outcomes

    def _sealed(self, group: CommitGroup) -> list[SealedBody]:
        persons = (body.person for _, _, body in group.bodies)
        ciphers = self._keyring.ciphers(persons, week_of(group.time))
        nonces = self._entropy(NONCE_BYTES * len(group.bodies))
        sealed = []
        for place, (seq, slot, body) in enumerate(group.bodies):
            key, cipher = ciphers[body.person]
            nonce = nonces[place * NONCE_BYTES : (place + 1) * NONCE_BYTES]
            secret = seal(
                body,
                cipher=cipher,
                key=key,
                nonce=nonce,
                log_id=self._database.log_id,
                seq=seq,
                slot=slot,
            )
            sealed.append((seq, slot, secret))
        return sealed

    def _remember(self, group: CommitGroup) -> None:
        if len(self._states) > _STATES_KEPT:
            self._states.clear()
        self._states.update(group.streams)
        self.commits += 1
        if self.commits % _COMMITS_BETWEEN_CHECKS == 0:
            self._database.clear_stale_readers()

    def _make_room(self) -> None:
        size = self._database.map_size
        if size < self.max_map_size:
            return self._database.remap(min(size * 2, self.max_map_size))
        self._database.clear_stale_readers()
        raise NoRoom(
            f"the log in {self._database.folder} is full: its limit is {size:,} bytes; "
            "raise store.maxMapSize and restart"
        )
