"""What the hub knows: which agents are there, which files are published, who may see them.

Pure but for its clock. It holds no file's bytes: those are fetched from an agent that has them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from ztm_chat.mesh.model.file_store import StoredFile
from ztm_chat.mesh.model.paths import owner_of

Fetch = Callable[[str, str], bytes | None]
"""Asks an agent for the bytes of (path, hash)."""

Access = Mapping[str, frozenset[str]]
"""A user's access list: folder -> the users who may read below it."""

EVERYBODY = "*"
"""In an access list: all users."""


@dataclass(slots=True)
class Endpoint:
    """An agent as the hub sees it; it stays listed when it is gone. Times in ms."""

    id: str
    name: str
    username: str
    port: int
    fetch: Fetch
    connected_at: int
    online: bool = True
    last_seen: int = 0


@dataclass(slots=True)
class HubFile:
    """A published file: `time` by its owner's clock, `since` by the hub's, both in ms."""

    path: str
    hash: str
    size: int
    time: int
    since: int
    sources: list[str] = field(default_factory=list)


class Hub:
    """The hub of one mesh. Every query is made on behalf of a user."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._clock_offset_ms = 0
        self.up = True
        self.forget()

    def forget(self, *, clock_behind_ms: int = 0) -> None:
        """Become a new, empty hub, its clock set back by this much."""
        self._clock_offset_ms -= clock_behind_ms
        self.files: dict[str, HubFile] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self._access: dict[str, dict[str, frozenset[str]]] = {}
        self._watchers: list[Callable[[], bool]] = []

    def now_ms(self) -> int:
        return self._clock_ms() + self._clock_offset_ms

    def connect(self, endpoint: Endpoint) -> None:
        """Register an agent that has connected."""
        self.endpoints[endpoint.id] = endpoint

    def disconnect(self, endpoint_id: str) -> None:
        """Mark an agent as offline; its files stay listed."""
        if known := self.endpoints.get(endpoint_id):
            known.online, known.last_seen = False, self.now_ms()

    def usernames(self) -> list[str]:
        """All users seen so far, offline ones included, in JavaScript's order."""
        names = {endpoint.username for endpoint in self.endpoints.values()}
        return sorted(names, key=lambda name: name.encode("utf-16-be", "surrogatepass"))

    def publish(
        self, endpoint_id: str, username: str, files: Iterable[StoredFile], access: Access
    ) -> list[HubFile]:
        """Take over the files that an agent has; return those that are new or changed.

        Only its owner can change a file. For other users' files the agent becomes one more source.
        """
        self._access.setdefault(username, {}).update(access)
        changed = [self._update(endpoint_id, username, file) for file in files]
        self._watchers = [watcher for watcher in self._watchers if not watcher()]
        return [file for file in changed if file]

    def _update(self, endpoint_id: str, username: str, file: StoredFile) -> HubFile | None:
        known = self.files.get(file.path)
        if known and known.hash == file.hash:
            if endpoint_id not in known.sources:
                known.sources.append(endpoint_id)
            return None
        if owner_of(file.path) != username or (known and known.time >= file.time):
            return None
        new = HubFile(
            file.path, file.hash, file.size, file.time, self.now_ms(), sources=[endpoint_id]
        )
        self.files[file.path] = new
        return new

    def may_see(self, username: str, path: str) -> bool:
        """Whether the owner's access list shows the file to this user.

        What is published in chats is closed but to those listed; attachments are open to all,
        and so is what was never put under an access list.
        """
        match path.split("/"):
            case ["", "apps", _, _, "users", owner, *_] | ["", "users", owner, *_]:
                return owner == username
            case ["", "apps", _, _, "shared", owner, *_]:
                return owner == username or self._granted(owner, path, username)
        return path.startswith("/shared/")

    def _granted(self, owner: str, path: str, username: str) -> bool:
        rules = self._access.get(owner, {})
        folders = accumulate(path.split("/")[:-1], "{}/{}".format)
        over = [rules[folder] for folder in folders if folder in rules]
        return not over or any(username in users or EVERYBODY in users for users in over)

    def listed(self, username: str) -> dict[str, HubFile]:
        """Every file that this user may see, by path."""
        return {path: f for path, f in self.files.items() if self.may_see(username, path)}

    def changes(self, username: str, since: float, until: float) -> dict[str, HubFile]:
        """The files of which the newest change lies in (since, until], hub's ms."""
        recent = ((path, f) for path, f in self.files.items() if since < f.since <= until)
        return {path: f for path, f in recent if self.may_see(username, path)}

    def find(self, username: str, path: str) -> HubFile | None:
        known = self.files.get(path)
        return known if known and self.may_see(username, path) else None

    def sources(self, file: HubFile) -> list[Endpoint]:
        """The agents that have a file and are online."""
        known = (self.endpoints.get(endpoint_id) for endpoint_id in file.sources)
        return [endpoint for endpoint in known if endpoint and endpoint.online]

    def watch(self, watcher: Callable[[], bool]) -> None:
        """Call this after each publication until it returns True."""
        self._watchers.append(watcher)
