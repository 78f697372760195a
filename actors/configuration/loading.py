"""The whole way from the file to a `Configuration`."""

import os
import stat
from collections.abc import Mapping as MappingABC
from functools import partial
from pathlib import Path as FilePath

from actors.agents.settings import EchoSettings
from actors.configuration.accounts import Channel, Locate, read_accounts
from actors.configuration.advice import advise
from actors.configuration.document import MAX_BYTES, Mapping, Node, Scalar, parse
from actors.configuration.environment import home, state_dir
from actors.configuration.findings import Findings, Path
from actors.configuration.options import ChannelOptions, GatewayOptions, StoreOptions
from actors.configuration.problems import ConfigurationInvalid, Problem
from actors.configuration.reader import INVALID, Reader, is_null
from actors.configuration.settings import Configuration, GatewaySettings, StoreSettings
from actors.configuration.values import absolute
from actors.configuration.wording import closest

CHANNEL = "ztm-chat"
SECTION: Path = ("channels", CHANNEL)
MAX_SOCKET_BYTES = 103


def load(path: FilePath, env: MappingABC[str, str]) -> Configuration:
    """Reads and checks the configuration at `path`.

    `env` says where the state is and what `~` means. Relative paths in the file start at its own
    folder. Raises `ConfigurationInvalid` with everything that is wrong, and nothing else.
    """
    path = path.absolute()
    file = str(path)
    findings = Findings(file)
    root = parse(_content(path), file)
    section = _section(root, findings)
    locate = partial(absolute, folder=path.parent, home=home(env))
    return _configuration(path, section, findings, locate, state_dir(env))


def _configuration(
    path: FilePath, section: Node, findings: Findings, locate: Locate, state: FilePath
) -> Configuration:
    reader = Reader(findings)
    read = reader.options(ChannelOptions, section, SECTION)
    good = {name: value for name, value in read.items() if value is not INVALID}
    agent = good.get("agent", EchoSettings())
    channel = Channel(read, SECTION, agent, locate, reader, findings)
    accounts = read_accounts(channel, good.get("accounts"))
    store = _store(good.get("store", StoreOptions()), locate, state, findings)
    gateway = _gateway(good.get("gateway", GatewayOptions()), locate, state, findings)
    findings.raise_errors()
    for account in accounts:
        advise(account, findings)
    return Configuration(
        path=path,
        accounts=tuple(account.config for account in accounts),
        agent=agent,
        store=store,
        gateway=gateway,
        warnings=findings.warnings,
    )


def _content(path: FilePath) -> bytes:
    """The file's bytes, one more than allowed at most."""
    try:
        # Not blocking: a pipe in the file's place must not stop the program.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unreadable(path, "something other than a regular file")
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, f"a file that can't be read: {error.strerror}") from None
    except ValueError:
        raise _unreadable(path, "a path with a NUL character") from None


def _unreadable(path: FilePath, found: str) -> ConfigurationInvalid:
    return ConfigurationInvalid([Problem(str(path), 0, 0, "", found, "a readable YAML file")])


def _section(root: Node, findings: Findings) -> Node:
    """The node of `channels.ztm-chat`. Its siblings belong to other programs."""
    findings.saw((), root, root)
    channels = _child(root, (), "channels", findings)
    section = _child(channels, ("channels",), CHANNEL, findings)
    if not isinstance(section, Mapping):
        missing = section is None or is_null(section)
        hint = _misplaced(root, channels) if missing else None
        found = "nothing" if missing else None
        findings.error(SECTION, "a mapping with the options of ztm-chat", found=found, hint=hint)
    findings.raise_errors()
    return section or root


def _child(node: Node | None, path: Path, key: str, findings: Findings) -> Node | None:
    """The value of `key`; an error if it is there twice."""
    if not isinstance(node, Mapping):
        return None
    own = [pair for pair in node.pairs if isinstance(pair[0], Scalar) and pair[0].text == key]
    entries = Reader(findings).entries(Mapping(node.line, node.column, own), path)
    return next((value for _, value in list(entries)), None)


def _misplaced(root: Node, channels: Node | None) -> str | None:
    """What may have become of the section."""
    for name in _words(root):
        if name.text == CHANNEL:
            return f"line {name.line} has it at the top level; indent it below `channels:`"
    words = {word.text: word for word in _words(channels)}
    close = closest(CHANNEL, [*words]) or ("ztm" if "ztm" in words else None)
    return f"did you mean {close} in line {words[close].line}?" if close else None


def _words(node: Node | None) -> list[Scalar]:
    pairs = node.pairs if isinstance(node, Mapping) else []
    return [name for name, _ in pairs if isinstance(name, Scalar)]


def _store(
    options: StoreOptions, locate: Locate, state: FilePath, findings: Findings
) -> StoreSettings:
    if options.map_size > options.max_map_size:
        hint = "it must not exceed maxMapSize"
        findings.error((*SECTION, "store", "mapSize"), f"{options.max_map_size} bytes", hint=hint)
    path = locate(options.path) if options.path else state / "log"
    retention_s = options.retention or 0
    return StoreSettings(path, options.map_size, options.max_map_size, retention_s)


def _gateway(
    options: GatewayOptions, locate: Locate, state: FilePath, findings: Findings
) -> GatewaySettings:
    socket = locate(options.socket) if options.socket else state / "gateway.sock"
    if options.socket and len(os.fsencode(socket)) > MAX_SOCKET_BYTES:
        allowed = f"a path of at most {MAX_SOCKET_BYTES} bytes, the limit for sockets"
        findings.error((*SECTION, "gateway", "socket"), allowed)
    return GatewaySettings(socket, options.max_turns)
