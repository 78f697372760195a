"""What the ZTM Agent answers, as Structs, and how each is read from the bytes.

Unknown fields are ignored: newer agents may send more. Lists come back as a Listing: the elements
that could be read, and why others could not, so that one bad element (a stranger's doing, as a
rule) does not hide the rest. What is no list, or lacks what it is asked for, raises
AnswerUnreadable; its text quotes no content. All times are integers in ms; names have passed
`paths.checked`.
"""

import math
from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from actors.ztm.client.entries import RawMessage, raw_message
from actors.ztm.client.lenient import converted, parse_value, read_each, read_list
from actors.ztm.client.paths import checked
from actors.ztm.errors import AnswerUnreadable, DangerousName

T = TypeVar("T")

Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]
Count = Annotated[int, Meta(ge=0, le=2**53)]

LABEL_CHARS = 255
"""How much of a group's name is kept."""

_PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----"


class Listing(Struct, Generic[T], frozen=True):
    """The readable elements of a list, in its order, and the reasons why others were left out."""

    items: list[T]
    flaws: list[str]


class FileInfo(Struct, frozen=True):
    """One file of the mesh. `time` is by its owner's clock, `since` (last change) by the hub's."""

    hash: str
    size: Count = 0
    time: Milliseconds = 0
    since: Milliseconds | None = None


class FileList(Struct, frozen=True):
    """Files by their path in the mesh, and the reasons why others were left out."""

    files: dict[str, FileInfo]
    flaws: list[str]


class MeshAgent(Struct, frozen=True):
    """Who we are in a mesh. `certificate` is PEM, without its private key."""

    id: str = ""
    name: str = ""
    username: str = ""
    certificate: str = ""


class MeshError(Struct, frozen=True):
    """A fault that the agent noted; `time` is ISO 8601."""

    time: str = ""
    message: str = ""


class Mesh(Struct, frozen=True):
    """A mesh that the agent has joined. `connected` lags by seconds when the hub vanishes."""

    name: str
    agent: MeshAgent = MeshAgent()
    bootstraps: tuple[str, ...] = ()
    connected: bool = False
    errors: tuple[MeshError, ...] = ()


class AppState(Struct, frozen=True):
    """Whether the Chat app runs on an endpoint."""

    is_running: bool = field(name="isRunning", default=False)
    is_disabled: bool = field(name="isDisabled", default=False)


class EndpointName(Struct, frozen=True):
    """An endpoint's id and name."""

    id: str = ""
    name: str = ""


class AppInfo(Struct, frozen=True):
    """Who the Chat app says that we are."""

    username: str
    name: str = ""
    provider: str = ""
    endpoint: EndpointName = EndpointName()


class PeerChat(Struct, frozen=True):
    """A chat with one peer. `time` 0 and `latest` None: no message yet, or an unreadable one."""

    peer: str
    time: int
    updated: int
    latest: RawMessage | None


class GroupChat(Struct, frozen=True):
    """A group that we see. `group` is its id, `name` what people read."""

    creator: str
    group: str
    name: str
    time: int
    updated: int
    latest: RawMessage | None


Chat = PeerChat | GroupChat


class GroupDetails(Struct, frozen=True):
    """A group's name and members. Creator and id are "" where the mesh's file leaves them out."""

    creator: str
    group: str
    name: str
    members: tuple[str, ...]


def answer(data: bytes, kind: type[T]) -> T:
    """An answer of one object. Raises AnswerUnreadable."""
    return _convert(parse_value(data), kind)


def files(data: bytes) -> FileList:
    """The answer of `files`. Raises AnswerUnreadable."""
    try:
        # A long history makes this the one large answer, so the fast way is tried first.
        return FileList(msgspec.json.decode(data, type=dict[str, FileInfo]), [])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found, flaws = read_each(_members(parse_value(data)).items(), _file_member)
        return FileList(dict(found), flaws)


def mesh(data: bytes) -> Mesh:
    """The answer of one mesh. Raises AnswerUnreadable."""
    return _mesh(parse_value(data))


def users(data: bytes) -> Listing[str]:
    """The answer of `users`: names, of offline users too. Raises AnswerUnreadable."""
    return _listing(data, _name)


def chats(data: bytes) -> Listing[Chat]:
    """The answer of `chats`. Raises AnswerUnreadable."""
    return _listing(data, _chat)


def group(data: bytes) -> GroupDetails:
    """The answer of a group, or the bytes of a group's `info.json`. Raises AnswerUnreadable."""
    found = _members(parse_value(data))
    return GroupDetails(
        creator=_text(found.get("creator")),
        group=_text(found.get("group")),
        name=_label(found.get("name")),
        members=tuple(_good(found.get("members"), _name)),
    )


def identity(data: bytes) -> str:
    """The agent's public key, PEM. Raises AnswerUnreadable."""
    text = data.decode("ascii", "replace")
    if _PUBLIC_KEY not in text:
        raise AnswerUnreadable("it is not a public key in PEM form")
    return text


def _listing(data: bytes, read: Callable[[object], T]) -> Listing[T]:
    return Listing(*read_list(data, read))


def _file_member(member: tuple[str, object]) -> tuple[str, FileInfo]:
    path, info = member
    return path, _convert(info, FileInfo)


def _mesh(value: object) -> Mesh:
    found = _members(value)
    return _convert(
        found
        | {
            "errors": _good(found.get("errors"), lambda error: _convert(error, MeshError)),
            "bootstraps": _good(found.get("bootstraps"), lambda address: _convert(address, str)),
        },
        Mesh,
    )


def _chat(value: object) -> Chat:
    found = _members(value)
    time = _convert(found.get("time", 0), Milliseconds)
    updated = _convert(found.get("updated", 0), Count)
    latest = next(iter(_good([found.get("latest")], raw_message)), None)
    if "peer" in found:
        return PeerChat(_name(found["peer"]), time, updated, latest)
    creator, group_id = _name(found.get("creator")), _name(found.get("group"))
    return GroupChat(creator, group_id, _label(found.get("name")), time, updated, latest)


def _good(elements: object, read: Callable[[object], T]) -> list[T]:
    """The readable elements of what should be a list inside an answer; the rest does not matter."""
    return read_each(elements, read)[0] if isinstance(elements, list) else []


def _convert(value: object, kind: type[T]) -> T:
    """The value as `kind`. The agent's numbers are doubles, ours are whole: rounded down."""
    if isinstance(value, dict):
        value = {key: _whole(inner) for key, inner in value.items()}
    return converted(_whole(value), kind)


def _whole(value: object) -> object:
    return math.floor(value) if isinstance(value, float) else value


def _members(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise AnswerUnreadable("it is not a JSON object")
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _label(value: object) -> str:
    """A name that people read, chosen by a stranger: it goes into every decision, so it is bounded,
    and UTF-8 can hold it (half a surrogate pair is `?`)."""
    name = _text(value)
    short = name if len(name) <= LABEL_CHARS else f"{name[: LABEL_CHARS - 1]}…"
    return short.encode("utf-8", "replace").decode()


def _name(value: object) -> str:
    try:
        return checked(_convert(value, str))
    except DangerousName:
        raise AnswerUnreadable("a name in it cannot exist") from None
