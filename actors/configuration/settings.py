"""What comes out of a configuration: checked values, every default and inheritance resolved."""

from pathlib import Path

from msgspec import Struct

from actors.agents.settings import AgentSettings
from actors.configuration.problems import Problem
from events.policy.account_policy import AccountPolicy


class PermitServer(Struct, frozen=True, tag="server"):
    """The permit is asked of a permit server at `url`."""

    url: str


class PermitFile(Struct, frozen=True, tag="file"):
    """The permit is in a file. Whether it exists is not checked here: it may come later."""

    path: Path


class TlsFiles(Struct, frozen=True):
    """For an agent behind https: what it is trusted by, and who we are to it (both or neither)."""

    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None


class AccountConfig(Struct, frozen=True, kw_only=True):
    """One account: which ZTM user the bot is, where, and how it behaves.

    `mesh` and `username` are exact. `agent_url` has no slash at its end. `enabled` is true only if
    the channel is enabled too. `heal`: a deaf Chat app may be restarted.
    """

    id: str
    enabled: bool
    agent_url: str
    mesh: str
    username: str
    permit: PermitServer | PermitFile
    api_timeout_ms: int
    tls: TlsFiles | None
    heal: bool
    agent: AgentSettings
    policy: AccountPolicy


class StoreSettings(Struct, frozen=True):
    """Where the log is, the address space it reserves at first and at most, in bytes, and for how
    long (s) texts are kept at most; 0: forever."""

    path: Path
    map_size: int
    max_map_size: int
    retention_s: int = 0


class GatewaySettings(Struct, frozen=True):
    """The daemon's own socket, and how many turns may be with the agents at a time."""

    socket: Path
    max_turns: int


class Configuration(Struct, frozen=True, kw_only=True):
    """A whole, valid configuration. `accounts` holds disabled ones too.

    `agent` answers for accounts that name no agent of their own; each account's `agent` is resolved
    already. `warnings` is what an operator should know.
    """

    path: Path
    accounts: tuple[AccountConfig, ...]
    agent: AgentSettings
    store: StoreSettings
    gateway: GatewaySettings
    warnings: tuple[Problem, ...]
