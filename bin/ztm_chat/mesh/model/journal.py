"""The mesh's own record of what was said: each message once, in the order of publication.

It is taken from the published files, never from a Chat app, and keeps messages that were
overwritten later.
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
    """One message: `time` is the sender's agent's clock in ms."""

    time: float
    sender: str
    message: JSON

    @property
    def text(self) -> str:
        """What the official client shows: the text, or the empty one."""
        found = self.message.get("text") if isinstance(self.message, dict) else self.message
        return found if isinstance(found, str) else ""


def read_entries(sender: str, data: bytes) -> list[Entry]:
    """The messages in a file, in its order, as everybody's Chat app parses it."""
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
        """The bytes last published at a path, whether or not anybody could deliver them now."""
        return self._content.get(path, b"")

    def between(self, one: str, other: str) -> list[Entry]:
        """What two users wrote to each other, both directions."""
        ways = {(one, ChatPeer(other)), (other, ChatPeer(one))}
        return [entry for to, entry in self._record if (entry.sender, to) in ways]

    def in_group(self, creator: str, group: str) -> list[Entry]:
        """What anybody published for a group."""
        return [entry for to, entry in self._record if to == ChatGroup(creator, group)]
