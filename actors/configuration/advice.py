"""Warnings: what is allowed, but an operator should know."""

from collections.abc import Iterator

from actors.agents.settings import CommandSettings, OpenAISettings
from actors.configuration.accounts import AccountInFile
from actors.configuration.findings import Findings, Path
from actors.configuration.values import group_key
from actors.http.urls import is_loopback
from events.policy.names import EVERYONE, fold
from events.policy.tools import warnings_for


def advise(account: AccountInFile, findings: Findings) -> None:
    """Adds the warnings about one account. A disabled one is checked too: it may be enabled."""
    _direct(account, findings)
    _groups(account, findings)
    _connections(account, findings)


def _direct(account: AccountInFile, findings: Findings) -> None:
    policy = account.config.policy
    if policy.dm_policy != "allow" and EVERYONE in policy.allow_from:
        place = (*account.where("allow_from"), policy.allow_from.index(EVERYONE))
        found = f"`*`: everyone is answered, although dmPolicy is {policy.dm_policy}"
        findings.warn(place, found, "list the users by name, or set dmPolicy to allow")
    if policy.dm_policy == "allow" and set(policy.allow_from) - {EVERYONE}:
        found = "allowFrom while dmPolicy is allow: everyone is answered, listed or not"
        findings.warn(
            account.where("allow_from"), found, "set dmPolicy to deny, or remove the list"
        )


def _groups(account: AccountInFile, findings: Findings) -> None:
    options = account.options
    path = account.where("group_permissions")
    if options.enable_groups and options.creator_bypass is True:
        place = account.origin.get("creator_bypass", account.where("enable_groups"))
        found = "creatorBypass true: a stranger who creates a group and adds the bot is answered"
        findings.warn(place, found, "set creatorBypass to false, or to a list of names")
    if options.group_permissions and not options.enable_groups:
        found = "groupPermissions while enableGroups is false: no group is answered"
        findings.warn(path, found, "set enableGroups to true, or remove them")
    _folded_alike(account, path, findings)
    for key in options.group_permissions:
        for place, warning in _tools(account, key, (*path, key)):
            findings.warn(place, warning)
        _without_effect(account, key, (*path, key), findings)


def _without_effect(account: AccountInFile, key: str, path: Path, findings: Findings) -> None:
    entry = account.options.group_permissions[key]
    policy = entry.group_policy or account.options.group_policy
    if policy != "allowlist" and set(entry.allow_from) - {EVERYONE}:
        found = f"allowFrom while groupPolicy is {policy}: the list is not used"
        findings.warn((*path, "allowFrom"), found, "set groupPolicy to allowlist, or remove it")
    for sender, tools in entry.tools_by_sender.items():
        if not tools.also_allow and not tools.deny:
            found = "an entry without alsoAllow and deny: it changes nothing"
            findings.warn((*path, "toolsBySender", sender), found, "fill it in, or remove it")
    agent = account.config.agent
    if isinstance(agent, CommandSettings):
        return
    kind = agent.__struct_config__.tag
    for option, written in (("tools", entry.tools), ("toolsBySender", entry.tools_by_sender)):
        if written:
            found = f"{option} while the agent is {kind}, which is not told of them"
            hint = "restrict the tools on its server" if kind == "openai" else "remove them"
            findings.warn((*path, option), found, hint)


def _folded_alike(account: AccountInFile, path: Path, findings: Findings) -> None:
    first: dict[tuple[str, str], str] = {}
    for key in account.options.group_permissions:
        creator, group = group_key(key)
        twin = first.setdefault((fold(creator), fold(group)), key)
        if twin != key:
            line = findings.line((*path, twin))
            found = f"a group that differs from {twin} (line {line}) only in case or composition"
            findings.warn((*path, key), found, "keep the one that is written as ZTM shows it")


def _tools(account: AccountInFile, key: str, path: Path) -> Iterator[tuple[Path, str]]:
    """The warnings about an entry's tools, each with its place: they begin with the option."""
    entry = account.options.group_permissions[key]
    places: dict[str, Path] = {
        "tools.allow": (*path, "tools", "allow"),
        "tools.deny": (*path, "tools", "deny"),
    }
    for sender in entry.tools_by_sender:
        for option in ("alsoAllow", "deny"):
            places[f"toolsBySender.{sender}.{option}"] = (*path, "toolsBySender", sender, option)
    for warning in warnings_for(entry.tools, entry.tools_by_sender):
        about = next((name for name in places if warning.startswith(f"{name}: ")), None)
        yield (places[about], warning.removeprefix(f"{about}: ")) if about else (path, warning)


def _connections(account: AccountInFile, findings: Findings) -> None:
    options = account.options
    for field in ("agent_url", "permit_url"):
        url: str | None = getattr(options, field)
        if url and url.startswith("http:") and not is_loopback(url):
            found = (
                "plain http to another machine: anyone in between can read and change everything"
            )
            findings.warn(account.where(field), found, "use https")
    if options.tls and options.agent_url.startswith("http:"):
        findings.warn(account.where("tls"), "tls, but agentUrl is plain http: tls is not used")
    if isinstance(options.agent, OpenAISettings):
        for warning in options.agent.warnings():
            findings.warn(account.where("agent"), warning)
