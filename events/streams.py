"""Names of streams: `gateway`, `account/<id>`, `account/<id>/peer/<name>`,
`…/group/<creator>/<group>`.

The parts are names as ZTM compares them, exact. No part holds a `/`: account ids are checked by the
configuration, ZTM's names by the edge, which refuses those that would leave their folder.
"""

import msgspec

GATEWAY = "gateway"


class Peer(msgspec.Struct, frozen=True):
    """A direct conversation of `account` with the user `name`."""

    account: str
    name: str


class Group(msgspec.Struct, frozen=True):
    """A group conversation; `creator` and `group` (an id, not the display name) identify it."""

    account: str
    creator: str
    group: str


Conversation = Peer | Group


def account_stream(account: str) -> str:
    """The stream of one account."""
    return f"account/{account}"


def conversation_stream(conversation: Conversation) -> str:
    """The stream of one conversation."""
    match conversation:
        case Peer(account, name):
            return f"account/{account}/peer/{name}"
        case Group(account, creator, group):
            return f"account/{account}/group/{creator}/{group}"


def parse_stream(stream: str) -> str | Conversation | None:
    """What a stream's name names: a conversation, an account's id, or `None` for the gateway.

    Raises `ValueError` for a name that no stream has.
    """
    match stream.split("/"):
        case ["gateway"]:
            return None
        case ["account", account]:
            return account
        case ["account", account, "peer", name]:
            return Peer(account, name)
        case ["account", account, "group", creator, group]:
            return Group(account, creator, group)
    msg = f"not the name of a stream: {stream!r}"
    raise ValueError(msg)
