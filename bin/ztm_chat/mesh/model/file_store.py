"""The files that one agent holds: its user's own, and copies of others' that it has fetched."""

import hashlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from ztm_chat.mesh.model.paths import timestamp

VERSIONS_KEPT = 256
"""Versions of a file readable by hash: the hub still lists an earlier one until the next tick."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One version of a file: `time` is the writing agent's clock in ms, `size` in bytes."""

    path: str
    data: bytes
    hash: str
    time: int

    @property
    def size(self) -> int:
        return len(self.data)


def file_hash(path: str, data: bytes) -> str:
    """The hash that identifies a content at a path."""
    return hashlib.sha256(
        data + str(len(data)).encode() + path.encode("utf-8", "replace")
    ).hexdigest()


class FileStore:
    """An agent's files by path; they survive its process."""

    def __init__(self) -> None:
        self._versions: dict[str, list[StoredFile]] = {}
        self._folders: dict[str, list[str]] = {}

    def write(self, path: str, data: bytes, time: int) -> StoredFile:
        """Store a new version, always with a later time than the last: the hub insists on it."""
        if last := self.get(path):
            time = max(time, last.time + 1)
        return self.keep_copy(path, data, time)

    def keep_copy(self, path: str, data: bytes, time: int) -> StoredFile:
        """Store another agent's version with its original time."""
        file = StoredFile(path, data, file_hash(path, data), time)
        if path not in self._versions:
            self._folders.setdefault(posixpath.dirname(path), []).append(path)
        versions = self._versions.setdefault(path, [])
        versions.append(file)
        del versions[:-VERSIONS_KEPT]
        return file

    def get(self, path: str) -> StoredFile | None:
        versions = self._versions.get(path)
        return versions[-1] if versions else None

    def version(self, path: str, digest: str) -> bytes | None:
        """The bytes of a path's version by its hash, if still kept."""
        versions = self._versions.get(path, ())
        return next((file.data for file in versions if file.hash == digest), None)

    def __iter__(self) -> Iterator[StoredFile]:
        return (versions[-1] for versions in self._versions.values())

    def below(self, folder: str) -> list[StoredFile]:
        """The files directly in a folder, in the order of the time in their names."""
        paths = sorted(self._folders.get(folder, ()), key=timestamp)
        return [self._versions[path][-1] for path in paths]
