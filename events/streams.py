"""Names of streams: `gateway`, `account/<id>`, `account/<id>/peer/<name>`,
`…/group/<creator>/<group>`.

The parts are names as ZTM compares them, exact. No part holds a `/`: account ids are checked by the
configuration, ZTM's names by the edge, which refuses those that would leave their folder.
"""

import msgspec

GATEWAY = "gateway"


class PeerId(msgspec.Struct, frozen=True):
    """A direct conversation of `account` with the user `name`."""

    account: str
    name: str


class GroupId(msgspec.Struct, frozen=True):
    """A group conversation; `creator` and `group` (an id, not the display name) identify it."""

    account: str
    creator: str
    group: str


ConversationId = PeerId | GroupId


def account_stream(account: str) -> str:
    """The stream of one account."""
    return f"account/{account}"


def conversation_stream(conversation: ConversationId) -> str:
    """The stream of one conversation."""
    match conversation:
        case PeerId(account, name):
            return f"account/{account}/peer/{name}"
        case GroupId(account, creator, group):
            return f"account/{account}/group/{creator}/{group}"


def parse_stream(stream: str) -> str | ConversationId | None:
    """What a stream's name names: a conversation, an account's id, or `None` for the gateway.

    Raises `ValueError` for a name that no stream has.
    """
    match stream.split("/"):
        case ["gateway"]:
            return None
        case ["account", account]:
            return account
        case ["account", account, "peer", name]:
            return PeerId(account, name)
        case ["account", account, "group", creator, group]:
            return GroupId(account, creator, group)
    msg = f"not the name of a stream: {stream!r}"
    raise ValueError(msg)
