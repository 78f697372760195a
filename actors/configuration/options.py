"""The options as they are written in `channels.ztm-chat`, one Struct a section.

These Structs are the whole vocabulary: what exists, its type, bounds and default, and the words
that an error uses for what is allowed. A type with `parse` reads more than one way of writing.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from actors.agents.settings import AgentSettings, CommandSettings, OpenAISettings
from actors.configuration import values
from actors.configuration.document import Node
from events.policy.account_policy import (
    AccountPolicy,
    DmPolicy,
    GroupPolicy,
    SenderTools,
    ToolPolicy,
)

DEFAULT = AccountPolicy(username="")


def _parsed(allowed: str, parse: Callable[[object], object]) -> Meta:
    return Meta(description=allowed, extra={"parse": parse})


def _chosen(**hints: str) -> Meta:
    """Values that others use, each with what to write here instead."""
    return Meta(extra={"hints": hints})


Name = Annotated[str, _parsed("a name, exactly as ZTM has it", values.ztm_name)]
CreatorName = Annotated[str, _parsed("a name, exactly as ZTM has it", values.creator_name)]
ListedName = Annotated[str, _parsed("a user's name, or `*`", values.listed_name)]
PermitUrl = Annotated[
    str, _parsed("the http or https address of a permit server", values.web_address)
]
GroupKey = Annotated[
    str, _parsed("`creator/group`, neither of them blank, such as alice/team", values.group_key)
]
FilePath = Annotated[str, _parsed("the path of a file", values.path_text)]
Words = Annotated[str, Meta(max_length=2_000, description="text of at most 2,000 characters")]
Horizon = Annotated[
    int, _parsed("a duration from 1m to 30d, such as 24h", values.seconds(60, 30 * 86_400))
]
Window = Annotated[
    int, _parsed("a duration from 10s to 1d, such as 10m", values.seconds(10, 86_400))
]
Retention = Annotated[
    int,
    _parsed(
        "a duration from 14d to 3650d, such as 90d", values.seconds(14 * 86_400, 3_650 * 86_400)
    ),
]
MapSize = Annotated[
    int, _parsed("a size from 1MiB to 16TiB, such as 64GiB", values.size(1 << 20, 1 << 44))
]
Dm = Annotated[
    DmPolicy,
    _chosen(
        allowlist="use `deny`, with the names in allowFrom",
        whitelist="use `deny`, with the names in allowFrom",
        open="use `allow`",
        disabled="use `deny`",
    ),
]
Groups = Annotated[
    GroupPolicy,
    _chosen(allow="use `open`", deny="use `disabled`", whitelist="use `allowlist`"),
]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A section of the file."""


class TlsOptions(Options, frozen=True, kw_only=True):
    """`tls`: for an agent behind https. `ca_file` is trusted; the other two say who we are."""

    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None


class GroupOptions(Options, frozen=True, kw_only=True):
    """An entry of `groupPermissions`; `creator` and `group` only repeat its key."""

    creator: Name | None = None
    group: str | None = None
    group_policy: Groups | None = None
    require_mention: bool | None = None
    allow_from: tuple[ListedName, ...] = ()
    tools: ToolPolicy | None = None
    tools_by_sender: dict[ListedName, SenderTools] = {}


class AccountOptions(Options, frozen=True, kw_only=True):
    """What an account holds, or inherits from the level of `ztm-chat`."""

    enabled: bool = True
    agent_url: Annotated[
        str, _parsed('an http or https address, such as "http://localhost:7777"', values.base_url)
    ]
    permit_source: Literal["server", "file"]
    permit_url: PermitUrl | None = None
    permit_file_path: FilePath | None = None
    mesh_name: Name
    username: Name
    api_timeout: Annotated[
        int, Meta(ge=1_000, le=300_000, description="a whole number of ms from 1000 to 300000")
    ] = 30_000
    tls: TlsOptions | None = None
    heal: bool = True
    agent: AgentSettings | None = None

    dm_policy: Dm = DEFAULT.dm_policy
    allow_from: tuple[ListedName, ...] = ()
    enable_groups: bool = DEFAULT.enable_groups
    group_policy: Groups = DEFAULT.group_policy
    require_mention: bool = DEFAULT.require_mention
    creator_bypass: bool | tuple[CreatorName, ...] = DEFAULT.creator_bypass
    group_permissions: dict[GroupKey, GroupOptions] = {}
    turn_budget: Annotated[int, Meta(ge=1, le=100_000)] = DEFAULT.turn_budget
    turn_window: Window = DEFAULT.turn_window_s
    max_message_chars: Annotated[int, Meta(ge=1, le=1_000_000)] = DEFAULT.max_message_chars
    answer_horizon: Horizon = DEFAULT.answer_horizon_s
    attempts: Annotated[int, Meta(ge=1, le=20)] = DEFAULT.attempts
    apology: Words = DEFAULT.apology
    group_apology: Words = DEFAULT.group_apology


class StoreOptions(Options, frozen=True, kw_only=True):
    """`store`: where the log is, how much address space it reserves (not disk space), and for how
    long texts are kept (not given: forever)."""

    path: FilePath | None = None
    map_size: MapSize = 64 << 30
    max_map_size: MapSize = 1 << 40
    retention: Retention | None = None


class GatewayOptions(Options, frozen=True, kw_only=True):
    """`gateway`: the daemon's own socket, and how many turns the agent works on at a time."""

    socket: FilePath | None = None
    max_turns: Annotated[int, Meta(ge=1, le=256)] = 8


class ChannelOptions(AccountOptions, frozen=True, kw_only=True):
    """The section itself: what accounts inherit, the accounts, and what is the daemon's."""

    accounts: Node | None = None
    store: StoreOptions = StoreOptions()
    gateway: GatewayOptions = GatewayOptions()


HOMES: tuple[tuple[Any, str], ...] = (
    (ChannelOptions, "channels.ztm-chat"),
    (GroupOptions, "an entry of groupPermissions"),
    (ToolPolicy, "tools"),
    (SenderTools, "toolsBySender.<user>"),
    (TlsOptions, "tls"),
    (StoreOptions, "store"),
    (GatewayOptions, "gateway"),
)
"""Where an option belongs that was written somewhere else."""

COMPLETE: dict[Any, dict[str, Any]] = {
    CommandSettings: {"argv": ("true",)},
    OpenAISettings: {"base_url": "http://localhost/v1", "model": "any"},
}
"""Good values for required options, so that each other option can be tried by itself."""
