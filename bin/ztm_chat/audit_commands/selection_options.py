"""The options that select decisions, the same for every command."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ztm_chat.audit_commands.time_option import TIME

if TYPE_CHECKING:
    from store.audit.selection import Selection

ACTIONS = ("process", "ignore", "pairing")

_OPTIONS = (
    click.option("--account", metavar="ID", help="Only this account."),
    click.option("--peer", metavar="NAME", help="Only direct messages of NAME (exact)."),
    click.option("--group", metavar="[CREATOR/]GROUP", help="Only this group, by its id."),
    click.option("--sender", metavar="NAME", help="Only messages of NAME (exact), anywhere."),
    click.option(
        "--action", "actions", multiple=True, type=click.Choice(ACTIONS), help="Only this action."
    ),
    click.option(
        "--reason",
        "reasons",
        multiple=True,
        metavar="REASON",
        help="Only this reason (allowed, denied, mention_required, too-late, …).",
    ),
    click.option("--since", "since_ms", type=TIME, help="Only decisions since TIME."),
    click.option("--until", "until_ms", type=TIME, help="Only decisions until TIME."),
    click.option("--text", metavar="WORDS", help="Only messages whose text contains this."),
)


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that `selected` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def selected(wanted: dict[str, Any]) -> "Selection":
    """The selection that the options make."""
    from store.audit.selection import Selection

    given = {name: value for name, value in wanted.items() if value}
    for name in ("actions", "reasons"):
        if name in given:
            given[name] = frozenset(given[name])
    return Selection(**given)
