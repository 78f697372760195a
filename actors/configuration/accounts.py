"""One account: its own options over those it inherits from the level of `ztm-chat`."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path as ResolvedPath
from typing import Any

from msgspec import Struct

from actors.agents.settings import AgentSettings
from actors.configuration.document import Mapping, Node
from actors.configuration.findings import Findings, Path, show
from actors.configuration.options import AccountOptions, FilePath, PermitUrl, TlsOptions
from actors.configuration.policies import account_policy, check_repeated
from actors.configuration.reader import INVALID, Reader, is_null
from actors.configuration.settings import AccountConfig, PermitFile, PermitServer, TlsFiles
from actors.configuration.values import same_server
from actors.configuration.wording import allowed

ACCOUNT_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
NOT_INHERITED = ("enabled", "accounts", "store", "gateway")

Locate = Callable[[str], ResolvedPath]
"""A path as it is written to the path that it means."""


class AccountInFile(Struct, frozen=True):
    """An account, and where each of its options is written, be it its own or inherited."""

    config: AccountConfig
    options: AccountOptions
    path: Path
    origin: dict[str, Path]

    def where(self, field: str) -> Path:
        """Where an option is written; the account itself for one that is written nowhere."""
        return self.origin.get(field, self.path)


class Channel(Struct, frozen=True):
    """What accounts have in common: the options `read` at `path`, and who reads theirs."""

    read: dict[str, Any]
    path: Path
    agent: AgentSettings
    locate: Locate
    reader: Reader
    findings: Findings


def read_accounts(channel: Channel, node: Node | None) -> list[AccountInFile]:
    """The accounts in `node`; without any, the one account `default` of the channel's options."""
    if node is None or (isinstance(node, Mapping) and not node.pairs):
        account = _account(channel, "default", Mapping(1, 1, []), channel.path)
        return [account] if account else []
    path = (*channel.path, "accounts")
    if not isinstance(node, Mapping):
        channel.findings.error(path, "a mapping of account ids, each with its options")
        return []
    named = [
        _named(channel, name, value, (*path, name))
        for name, value in channel.reader.entries(node, path)
    ]
    accounts = [account for account in named if account]
    _refuse_twins(accounts, channel.findings)
    return accounts


def _named(channel: Channel, name: str, node: Node, path: Path) -> AccountInFile | None:
    if not ACCOUNT_ID.fullmatch(name) or name == "." or ".." in name:
        allowed_id = "an account id of 1 to 64 letters, digits, `_`, `-` and `.`, without `..`"
        channel.findings.error(path, allowed_id, found="this account id")
    if not isinstance(node, Mapping) and not is_null(node):
        channel.findings.error(path, "a mapping of the account's options")
        return None
    return _account(channel, name, node, path)


def _account(channel: Channel, name: str, node: Node, path: Path) -> AccountInFile | None:
    own = channel.reader.options(AccountOptions, node, path)
    base = {name: value for name, value in channel.read.items() if name not in NOT_INHERITED}
    read = base | own
    origin = _places(base, channel.path) | _places(own, path)
    _check_permit(read, path, channel.findings)
    _check_tls(read.get("tls"), origin.get("tls", path), channel.findings)
    if isinstance(groups := read.get("group_permissions"), dict):
        check_repeated(groups, origin["group_permissions"], channel.findings)
    options = channel.reader.build(AccountOptions, read, path)
    if options is INVALID:
        return None
    return AccountInFile(_config(channel, name, options), options, path, origin)


def _config(channel: Channel, name: str, options: AccountOptions) -> AccountConfig:
    return AccountConfig(
        id=name,
        enabled=options.enabled and channel.read.get("enabled") is not False,
        agent_url=options.agent_url,
        mesh=options.mesh_name,
        username=options.username,
        permit=_permit(options, channel.locate),
        api_timeout_ms=options.api_timeout,
        tls=_tls(options.tls, channel.locate),
        heal=options.heal,
        agent=options.agent or channel.agent,
        policy=account_policy(options),
    )


def _places(read: dict[str, Any], path: Path) -> dict[str, Path]:
    written = AccountOptions.__struct_encode_fields__
    names = dict(zip(AccountOptions.__struct_fields__, written, strict=True))
    return {name: (*path, names[name]) for name in read}


def _check_permit(read: dict[str, Any], path: Path, findings: Findings) -> None:
    needed = {
        "server": ("permit_url", "permitUrl", PermitUrl),
        "file": ("permit_file_path", "permitFilePath", FilePath),
    }
    source = read.get("permit_source")
    if source in needed:
        field, option, kind = needed[source]
        if field not in read:
            hint = f"it is required when permitSource is {source}"
            findings.error((*path, option), allowed(kind), found="nothing", hint=hint)


def _permit(options: AccountOptions, locate: Locate) -> PermitServer | PermitFile:
    if options.permit_source == "server":
        return PermitServer(options.permit_url or "")
    return PermitFile(locate(options.permit_file_path or ""))


def _check_tls(tls: Any, path: Path, findings: Findings) -> None:
    if not isinstance(tls, TlsOptions) or (tls.cert_file is None) == (tls.key_file is None):
        return
    missing = (*path, "keyFile" if tls.key_file is None else "certFile")
    if not findings.is_wrong(missing):
        hint = "certFile and keyFile belong together"
        findings.error(missing, allowed(FilePath), found="nothing", hint=hint)


def _tls(options: TlsOptions | None, locate: Locate) -> TlsFiles | None:
    if options is None:
        return None
    files = (options.ca_file, options.cert_file, options.key_file)
    return TlsFiles(*(locate(file) if file else None for file in files))


def _refuse_twins(accounts: Iterable[AccountInFile], findings: Findings) -> None:
    """Two accounts that are one ZTM user would both answer every message."""
    first: dict[object, AccountInFile] = {}
    for account in accounts:
        if not account.config.enabled:
            continue
        config = account.config
        twin = first.setdefault(
            (same_server(config.agent_url), config.mesh, config.username), account
        )
        if twin is not account:
            found = (
                f"the same agent, mesh and username in {show(twin.path)}"
                f" (line {findings.line(twin.path)}) and here (line {findings.line(account.path)})"
            )
            hint = "disable or remove one of the two"
            findings.error(account.path, "one enabled account per ZTM user", found=found, hint=hint)
