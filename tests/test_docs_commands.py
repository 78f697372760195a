"""What the documentation shows being typed, held to what it does.

python tests/test_docs_commands.py    writes the commands' help into docs/commands.md again
"""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import click
from click.testing import CliRunner

from tests.documentation_pages import DOCS, FENCE
from ztm_chat.cli import cli
from ztm_chat.mesh import Mesh, Timing

# Requests to the ZTM Agent


def test_the_examples_of_requests_are_answered() -> None:
    with Mesh("openclaw-mesh", timing=Timing().scaled(0.01)) as mesh:
        alice, bot = mesh.join("alice"), mesh.join("my-bot")
        alice.create_group("team", name="team", members=["alice", "my-bot"])
        alice.send("my-bot", "so that there is a chat to read")
        bot.wait_for(bool, sender="alice")
        bot.send("alice", "so that alice's Chat app shows both")
        alice.wait_for(bool, sender="my-bot")
        requests = list(curl_commands(DOCS / "ztm-api.md"))
        assert len(requests) > 5
        for url, method, headers, data in requests:
            there = url.replace("http://localhost:7777", alice.url)
            request = Request(there, data, headers, method=method)  # noqa: S310 - loopback
            with urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
                assert answer.status in (200, 201), url


def curl_commands(page: Path) -> Iterator[tuple[str, str, dict[str, str], bytes | None]]:
    """Address, method, headers and body of every curl command on a page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-X", dest="method", default="GET")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data")
    for block in FENCE.finditer(page.read_text()):
        script = block["content"].replace("\\\n", " ")
        for line in script.splitlines():
            if line.startswith("curl "):
                given = parser.parse_args(shlex.split(line)[1:])
                headers = dict(header.split(": ") for header in given.headers)
                yield given.url, given.method, headers, given.data and given.data.encode()


# Commands

HELP = re.compile(r"^```text\n\$ (ztm-chat[^\n]*?)(?: --help)\n.*?^```$", re.MULTILINE | re.DOTALL)


def commands(group: click.Command, *names: str) -> Iterator[tuple[str, ...]]:
    """The names that lead to each command, the group's own first."""
    yield names
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if not command.hidden:
                yield from commands(command, *names, name)


def help_block(line: str) -> str:
    """The block for the command that is run by `line`, as it stands in the page."""
    shown = CliRunner().invoke(
        cli, [*line.split()[1:], "--help"], prog_name="ztm-chat", terminal_width=80
    )
    return f"```text\n$ {line} --help\n{shown.output.rstrip()}\n```"


def test_the_help_of_every_command_is_in_its_page() -> None:
    page = (DOCS / "commands.md").read_text()
    shown = {found[1]: found[0] for found in HELP.finditer(page)}
    existing = {" ".join(("ztm-chat", *names)) for names in commands(cli)}
    assert set(shown) == existing
    stale = [line for line, block in shown.items() if block != help_block(line)]
    assert not stale, "write the help again: python tests/test_docs_commands.py"


def with_help_written_again(page: str) -> str:
    """The page with every block as it is now; commands that it lacks come at its end."""
    page = HELP.sub(lambda found: help_block(found[1]), page)
    shown = {found[1] for found in HELP.finditer(page)}
    for names in commands(cli):
        line = " ".join(("ztm-chat", *names))
        if line not in shown:
            page = (
                f"{page.rstrip()}\n\n{'#' * min(len(names) + 1, 3)} {line}\n\n{help_block(line)}\n"
            )
    return page


if __name__ == "__main__":
    commands_page = DOCS / "commands.md"
    commands_page.write_text(with_help_written_again(commands_page.read_text()))
