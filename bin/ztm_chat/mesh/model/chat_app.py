"""The Chat app inside an agent: what its user sees, kept in memory, with its faults.

Pure: its owner reads the files and passes them in. As on a real agent, (time, sender) identifies a
message, messages are shown in order of arrival, and nothing is forgotten until a restart.
"""

from dataclasses import dataclass, field
from typing import TypeGuard

from ztm_chat.mesh.model import wire
from ztm_chat.mesh.model.paths import GroupInfo, GroupMessages, PeerMessages, chat_file
from ztm_chat.mesh.model.wire import JSON


@dataclass(frozen=True, slots=True)
class ChatPeer:
    """The conversation with one user."""

    name: str


@dataclass(frozen=True, slots=True)
class ChatGroup:
    """A group conversation: its creator's name and its id."""

    creator: str
    id: str


@dataclass(slots=True)
class Chat:
    """One conversation in memory; `update_time` in ms, by the senders' clocks."""

    name: str = ""
    members: list[JSON] = field(default_factory=list)
    messages: list[dict[str, JSON]] = field(default_factory=list)
    new_count: int = 0
    update_time: float = 0
    seen: set[tuple[str, bytes]] = field(default_factory=set)

    def merge(self, messages: list[dict[str, JSON]], sender: str, me: str) -> None:
        for message in messages:
            time = message.get("time")
            identity = (sender, wire.encode(time))
            if identity in self.seen:
                continue
            self.seen.add(identity)
            self.messages.append({**message, "sender": sender})
            self.new_count += sender != me
            if _is_number(time):
                self.update_time = max(self.update_time, time)

    def between(self, since: float, before: float) -> list[dict[str, JSON]]:
        return [
            m for m in self.messages if _is_number(m.get("time")) and since <= m["time"] <= before
        ]

    def latest(self) -> dict[str, JSON]:
        """`{latest: …}`, or nothing where there are no messages."""
        dated = [m for m in self.messages if _is_number(m.get("time"))]
        return {"latest": max(reversed(dated), key=lambda m: m["time"])} if dated else {}


class ChatApp:
    """A running Chat app of one user."""

    def __init__(self, username: str) -> None:
        self.username = username
        self.deaf = False
        self._chats: dict[ChatPeer | ChatGroup, Chat] = {}
        self._holding = 0
        self._held: list[str] = []

    def hold_back(self, changes: int) -> None:
        """Hide the next `changes` changes, each until the one after it."""
        self._holding += changes

    def due(self, paths: list[str]) -> list[str]:
        """The paths to read after these have changed: none when deaf."""
        if self.deaf:
            return []
        ready, self._held = self._held + paths, []
        if self._holding:
            self._holding -= 1
            ready, self._held = ready[: -len(paths)], paths
        return list(dict.fromkeys(ready))

    def read(self, path: str, data: bytes, *, initial: bool = False) -> None:
        """Take in a file; one that the app cannot parse is skipped."""
        match chat_file(path):
            case PeerMessages(sender, receiver) if self.username in (sender, receiver):
                peer = sender if receiver == self.username else receiver
                self._merge(self._chat(ChatPeer(peer)), sender, data, initial=initial)
            case GroupMessages(sender, creator, group):
                self._merge(self._chat(ChatGroup(creator, group)), sender, data, initial=initial)
            case GroupInfo(sender, creator, group) if sender == creator:
                self._describe(self._chat(ChatGroup(creator, group)), data)

    def _chat(self, key: ChatPeer | ChatGroup) -> Chat:
        return self._chats.setdefault(key, Chat())

    def _merge(self, chat: Chat, sender: str, data: bytes, *, initial: bool) -> None:
        chat.merge(parse_entries(data), sender, self.username)
        if initial:
            chat.new_count = 0

    def _describe(self, chat: Chat, data: bytes) -> None:
        try:
            info = wire.decode(data)
        except ValueError:
            return
        if isinstance(info, dict):
            _apply(chat, info)

    def chats(self) -> list[JSON]:
        """The answer of `GET chats`: groups without a name are left out."""
        return [
            self._summary(k, c) for k, c in self._chats.items() if isinstance(k, ChatPeer) or c.name
        ]

    def _summary(self, key: ChatPeer | ChatGroup, chat: Chat) -> dict[str, JSON]:
        match key:
            case ChatPeer(name):
                who: dict[str, JSON] = {"peer": name}
            case ChatGroup(creator, group):
                who = {"creator": creator, "group": group, "name": chat.name}
        return {**who, "time": chat.update_time, "updated": chat.new_count, **chat.latest()}

    def messages(self, key: ChatPeer | ChatGroup, since: float, before: float) -> list[JSON] | None:
        """A chat's messages, both limits inclusive (ms); None when there is no such chat.

        Reading resets the chat's counter for every client.
        """
        chat = self._chats.get(key)
        if chat is None:
            return None
        chat.new_count = 0
        return chat.between(since, before)

    def group(self, key: ChatGroup) -> dict[str, JSON] | None:
        chat = self._chats.get(key)
        return None if chat is None else _described(key, chat)

    def set_group(self, key: ChatGroup, info: dict[str, JSON]) -> dict[str, JSON]:
        """Create or change one of this user's groups; return its complete info."""
        chat = self._chat(key)
        _apply(chat, info)
        return _described(key, chat)

    def members(self, key: ChatGroup) -> frozenset[str] | None:
        """A group's members, as this app knows them; None for an unknown group."""
        chat = self._chats.get(key)
        return None if chat is None else frozenset(m for m in chat.members if isinstance(m, str))


def parse_entries(data: bytes) -> list[dict[str, JSON]]:
    """The messages in a file, as the app parses it: none when it is malformed."""
    try:
        found = wire.decode(data)
    except ValueError:
        return []
    whole = isinstance(found, list) and all(isinstance(entry, dict) for entry in found)
    return found if whole else []


def _described(key: ChatGroup, chat: Chat) -> dict[str, JSON]:
    return {"creator": key.creator, "group": key.id, "name": chat.name, "members": chat.members}


def _apply(chat: Chat, info: dict[str, JSON]) -> None:
    if info.get("name"):
        chat.name = info["name"]
    if isinstance(info.get("members"), list):
        chat.members = info["members"]


def _is_number(value: JSON) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
