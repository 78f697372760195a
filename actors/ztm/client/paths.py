"""Names as parts of paths: what is refused, how the rest is quoted; the paths of the chat's files.

ZTM behaviour: a peer named `..`, or with a `/`, makes the Chat app write outside its folder, and
the agent does not look. So such names are refused here, before any request. All other names are
legal, whatever they hold (`Team é`, `Ops: EU`, `%41`), and every part of a URL is percent-encoded.

ZTM behaviour: the files of the chat, with unencoded parts as in the agent's lists:

    /apps/ztm/chat/shared/{sender}/publish/peers/{receiver}/messages/{ms}.json
    /apps/ztm/chat/shared/{sender}/publish/groups/{creator}/{group}/messages/{ms}.json
    /apps/ztm/chat/shared/{creator}/publish/groups/{creator}/{group}/info.json
"""

import re
from unicodedata import category
from urllib.parse import quote

from msgspec import Struct

from actors.ztm.errors import DangerousName, excerpt

__all__ = [
    "ChatFile",
    "GroupFile",
    "GroupInfo",
    "PeerFile",
    "checked",
    "parse",
    "quote_name",
    "quote_path",
]

_MAX_BYTES = 255
_SHARED = "/apps/ztm/chat/shared/"
# At most 16 digits: 2**53 ms, the largest time that the agent's numbers can hold, has 16.
_MESSAGES_JSON = re.compile(r"(0|[1-9][0-9]{0,15})\.json")


class PeerFile(Struct, frozen=True):
    """Messages of `sender` to `receiver`; `ms` is the time of the first, by the sender's clock."""

    sender: str
    receiver: str
    ms: int

    @property
    def path(self) -> str:
        """The file's path in the mesh. Raises DangerousName."""
        return _build(self.sender, "peers", self.receiver, "messages", f"{self.ms}.json")


class GroupFile(Struct, frozen=True):
    """Messages of `sender` to the group `group` of `creator`; a `sender` need not be a member."""

    sender: str
    creator: str
    group: str
    ms: int

    @property
    def path(self) -> str:
        """The file's path in the mesh. Raises DangerousName."""
        return _build(
            self.sender, "groups", self.creator, self.group, "messages", f"{self.ms}.json"
        )


class GroupInfo(Struct, frozen=True):
    """A group's name and members, as `owner` says: authentic only if `owner` is the creator."""

    owner: str
    creator: str
    group: str

    @property
    def path(self) -> str:
        """The file's path in the mesh. Raises DangerousName."""
        return _build(self.owner, "groups", self.creator, self.group, "info.json")


ChatFile = PeerFile | GroupFile | GroupInfo


def parse(path: str) -> ChatFile | None:
    """What the path names; None when it is no file of the chat, or a part of it is dangerous."""
    if not path.startswith(_SHARED):
        return None
    parts = path.removeprefix(_SHARED).split("/")
    if any(_danger(part) for part in parts):
        return None
    match parts:
        case [sender, "publish", "peers", receiver, "messages", file] if _is_messages(file):
            return PeerFile(sender, receiver, _ms(file))
        case [sender, "publish", "groups", creator, group, "messages", file] if _is_messages(file):
            return GroupFile(sender, creator, group, _ms(file))
        case [owner, "publish", "groups", creator, group, "info.json"]:
            return GroupInfo(owner, creator, group)
    return None


def checked(name: str) -> str:
    """The name itself. Raises DangerousName, which says why."""
    if danger := _danger(name):
        raise DangerousName(
            f"the name {excerpt(name, 60)!r} {danger}; names of users, groups and meshes must be"
            f" a single path part of 1 to {_MAX_BYTES} bytes"
        )
    return name


def quote_name(name: str) -> str:
    """The name as one part of a URL's path. Raises DangerousName."""
    return quote(checked(name), safe="")


def quote_path(path: str) -> str:
    """A mesh file's path, quoted for a URL, beginning with `/`. Raises DangerousName."""
    if not path.startswith("/"):
        raise DangerousName(f"the path {excerpt(path, 60)!r} does not begin with /")
    return "".join(f"/{quote_name(part)}" for part in path.removeprefix("/").split("/"))


def _danger(name: str) -> str:
    """Why the name must not be used; "" when it may."""
    if not name:
        return "is empty"
    if name in {".", ".."}:
        return "leads outside its folder"
    if any(c == "/" or category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in name):
        return "holds a slash or a character that cannot be printed"
    if len(name.encode()) > _MAX_BYTES:
        return f"is longer than {_MAX_BYTES} bytes"
    return ""


def _build(owner: str, *parts: str) -> str:
    return _SHARED + "/".join(checked(part) for part in (owner, "publish", *parts))


def _is_messages(file: str) -> bool:
    return _MESSAGES_JSON.fullmatch(file) is not None


def _ms(file: str) -> int:
    return int(file.removesuffix(".json"))
