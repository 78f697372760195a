"""The mesh's own record of all messages: each once, in order of publication.

It is built from the published files, never from a Chat app, and keeps messages that are overwritten
later.
"""

from collections import Counter, deque
from dataclasses import dataclass

from ztm_chat.mesh.model import wire
from ztm_chat.mesh.model.chat_app import ChatGroup, ChatPeer, parse_entries
from ztm_chat.mesh.model.paths import GroupMessages, PeerMessages, chat_file
from ztm_chat.mesh.model.wire import JSON

KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A message. `time` is the clock of the sender's agent, in ms."""

    time: float
    sender: str
    message: JSON

    @property
    def text(self) -> str:
        """What the official client shows: the text, or nothing."""
        found = self.message.get("text") if isinstance(self.message, dict) else self.message
        return found if isinstance(found, str) else ""


def read_entries(sender: str, data: bytes) -> list[Entry]:
    """The messages in a file, in order, as every Chat app parses it."""
    return [
        Entry(entry["time"], sender, entry.get("message"))
        for entry in parse_entries(data)
        if isinstance(entry.get("time"), int | float)
    ]


class Journal:
    """Messages in the order in which they first appeared at the hub; the last 100,000."""

    def __init__(self) -> None:
        self._record: deque[tuple[ChatGroup | ChatPeer, Entry]] = deque(maxlen=KEPT)
        self._known: dict[str, Counter[bytes]] = {}
        self._content: dict[str, bytes] = {}

    def published(self, path: str, data: bytes) -> None:
        """Record what a newly published version of a file adds to the earlier ones."""
        self._content[path] = data
        match chat_file(path):
            case PeerMessages(sender, receiver):
                self._add(path, ChatPeer(receiver), read_entries(sender, data))
            case GroupMessages(sender, creator, group):
                self._add(path, ChatGroup(creator, group), read_entries(sender, data))

    def _add(self, path: str, to: ChatGroup | ChatPeer, found: list[Entry]) -> None:
        known = self._known.setdefault(path, Counter())
        now: Counter[bytes] = Counter()
        for entry in found:
            content = wire.encode([entry.time, entry.message])
            now[content] += 1
            if now[content] > known[content]:
                self._record.append((to, entry))
        self._known[path] = known | now

    def content(self, path: str) -> bytes:
        """The bytes last published at a path, whether or not any agent can deliver them now."""
        return self._content.get(path, b"")

    def between(self, user: str, other: str) -> list[Entry]:
        """What two users wrote to each other."""
        directions = {(user, ChatPeer(other)), (other, ChatPeer(user))}
        return [entry for to, entry in self._record if (entry.sender, to) in directions]

    def in_group(self, creator: str, group: str) -> list[Entry]:
        """All messages to a group, also those of users who are not members."""
        return [entry for to, entry in self._record if to == ChatGroup(creator, group)]
