"""A mesh as a process of its own: `python -m ztm_chat.mesh --users alice,my-bot`.

Prints one line of JSON with the agents' URLs when all are connected, and runs until SIGTERM.
"""

import argparse
import json
import signal
from collections.abc import Sequence
from itertools import zip_longest

from ztm_chat.mesh import Mesh, Timing


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the mesh, stop at SIGTERM or SIGINT."""
    options = _options(arguments)
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    with Mesh(options.name, timing=Timing().scaled(options.scale)) as mesh:
        for user, port in zip_longest(options.users, options.ports):
            mesh.join(user, port=port or 0)
        for creator, group, members in options.group:
            mesh.agents[creator].create_group(group, name=group, members=members)
        urls = {user: agent.url for user, agent in mesh.agents.items()}
        print(json.dumps({"mesh": mesh.name, "urls": urls}), flush=True)
        signal.sigwait(stop_signals)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    users = options.users
    if len(set(users)) < len(users):
        parser.error(f"--users names somebody twice: {', '.join(users)}")
    if len(options.ports) > len(users):
        parser.error(f"--ports has {len(options.ports)} ports for {len(users)} users")
    if strangers := {creator for creator, _, _ in options.group} - set(users):
        parser.error(f"--group is created by {', '.join(sorted(strangers))}, not one of --users")
    if not options.scale > 0:
        parser.error(f"--scale is {options.scale}; it must be above 0")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ztm_chat.mesh", description=__doc__)
    parser.add_argument("--name", default="demo-mesh", help="the mesh's name")
    parser.add_argument("--users", type=_names, required=True, help="users, as alice,my-bot")
    parser.add_argument("--ports", type=_ports, default=[], help="their ports, as 7781,7782")
    parser.add_argument(
        "--group",
        type=_group,
        action="append",
        default=[],
        help="a group, as alice/team=alice,my-bot; may be given again",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: ten times faster")
    return parser


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _ports(text: str) -> list[int]:
    return [int(port) for port in _names(text)]


def _group(text: str) -> tuple[str, str, list[str]]:
    address, _, members = text.partition("=")
    creator, slash, group = address.partition("/")
    if not (creator and slash and group):
        raise argparse.ArgumentTypeError(f"{text!r} is not creator/group=member,member")
    return creator, group, _names(members)


if __name__ == "__main__":
    main()
