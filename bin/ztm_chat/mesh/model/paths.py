"""The meaning of paths: where the Chat app keeps its files, and which user owns a path."""

import posixpath
from dataclasses import dataclass
from typing import TypeAlias

SHARED = "/apps/ztm/chat/shared"


@dataclass(frozen=True, slots=True)
class PeerMessages:
    """A file of messages from one user to another."""

    sender: str
    receiver: str


@dataclass(frozen=True, slots=True)
class GroupMessages:
    """A file of one user's messages to a group; the user may not be a member."""

    sender: str
    creator: str
    group: str


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A group's name and members; valid only under the creator's own path."""

    sender: str
    creator: str
    group: str


ChatFile: TypeAlias = PeerMessages | GroupMessages | GroupInfo


def chat_file(path: str) -> ChatFile | None:
    """What a path means to the Chat app; None when it means nothing."""
    if not path.startswith(SHARED + "/"):
        return None
    match path[len(SHARED) + 1 :].split("/"):
        case [sender, "publish", "peers", receiver, "messages", _, *_]:
            return PeerMessages(sender, receiver)
        case [sender, "publish", "groups", creator, group, "messages", _, *_]:
            return GroupMessages(sender, creator, group)
        case [sender, "publish", "groups", creator, group, "info.json"]:
            return GroupInfo(sender, creator, group)
    return None


def published(username: str) -> str:
    """The folder of a user's chats: readable only by those on an access list."""
    return f"{SHARED}/{username}/publish"


def peer_folder(sender: str, receiver: str) -> str:
    """The folder of one user's messages to another.

    It is not checked: a receiver named `..` or with `/` leads outside, as on a real agent.
    """
    return posixpath.normpath(f"{published(sender)}/peers/{receiver}/messages")


def group_folder(sender: str, creator: str, group: str) -> str:
    """The folder of what one user publishes for a group."""
    return posixpath.normpath(f"{published(sender)}/groups/{creator}/{group}")


def attachment(owner: str, digest: str) -> str:
    """The path of a file that a user offers in chats."""
    return f"{published(owner)}/files/{digest}"


def owner_of(path: str) -> str | None:
    """The only user who may publish this path; None when nobody may."""
    match path.split("/"):
        case ["", "apps", _, _, "shared" | "users", owner, _, *_]:
            return owner
        case ["", "shared" | "users", owner, _, *_]:
            return owner
    return None


def timestamp(path: str) -> int:
    """The time (ms) in a message file's name, else 0. It orders a sender's files."""
    name = posixpath.basename(path).removesuffix(".json")
    return int(name) if name.isascii() and name.isdigit() else 0
