"""`ztm-chat audit what-if`: past messages under another configuration."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ztm_chat.audit_commands.selection_options import selected, selection_options
from ztm_chat.config_option import config_option, configuration
from ztm_chat.failure import FAILED, UNUSABLE, Failure
from ztm_chat.opening import log_opened
from ztm_chat.printing.terminal import as_json_line, safe

if TYPE_CHECKING:
    from events.policy.account_policy import AccountPolicy
    from store.audit.what_if import Change, Outcome, Pattern, WhatIf


@click.command("what-if")
@click.argument("new", metavar="NEW.yaml")
@config_option
@selection_options
@click.option(
    "--fail-if",
    "unwanted",
    multiple=True,
    metavar="CHANGE",
    help="Exit with code 1 if there is such a change: 'denied->process', 'process->*', …",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def what_if(
    ctx: click.Context,
    /,
    new: str,
    config: str | None,
    unwanted: tuple[str, ...],
    as_json: bool,
    **wanted: Any,
) -> None:
    """Decide past messages again under the configuration NEW.yaml; list what would change.

    Nothing is modified. Pairings, group members and mentions are taken as they were at the time.
    The log is that of the current configuration (--config).
    """
    from store.audit.what_if import what_if as decide_again

    patterns = _patterns(unwanted)
    policies = _policies(new)
    with log_opened(configuration(config).store.path) as log:
        found = decide_again(log, policies, selected(wanted))
    fatal = [
        change
        for change in found.largest_first()
        if any(pattern.fits(change) for pattern in patterns)
    ]
    if as_json:
        click.echo(as_json_line(_plain(found, fatal)))
    else:
        click.echo("\n".join(_lines(found, fatal)))
    if fatal:
        ctx.exit(FAILED)


def _policies(path: str) -> "dict[str, AccountPolicy]":
    from actors.configuration import ConfigurationError, load

    try:
        new = load(Path(path), os.environ)
    except ConfigurationError as error:
        raise Failure(str(error), UNUSABLE) from error
    return {account.id: account.policy for account in new.accounts}


def _patterns(texts: tuple[str, ...]) -> "list[Pattern]":
    from store.audit.what_if import MalformedPattern, parse_pattern

    try:
        return [parse_pattern(text) for text in texts]
    except MalformedPattern as error:
        raise click.UsageError(safe(str(error))) from error


def _lines(found: "WhatIf", fatal: "list[Change]") -> list[str]:
    changes = found.largest_first()
    changed = sum(change.count for change in changes)
    lines = [f"{found.messages:,} messages decided again; {changed:,} would change."]
    lines += [
        f"{count:,} messages skipped: account {safe(account)} is missing from the new"
        " configuration, or has another username there."
        for account, count in sorted(found.left_out.items())
    ]
    for change in changes:
        mark = "  <- --fail-if" if change in fatal else ""
        examples = ", ".join(str(seq) for seq in change.examples)
        lines += [
            "",
            f"{change.count:,} of account {safe(change.account)}: {_change_line(change)}{mark}",
            f"  for example events {examples} (see ztm-chat why)",
        ]
    return lines


def _change_line(change: "Change") -> str:
    if change.after.tools:
        return f"{_outcome(change.before)}, with other tools"
    return f"{_outcome(change.before)} -> {_outcome(change.after)}"


def _outcome(outcome: "Outcome") -> str:
    done = {"process": "answered", "ignore": "ignored", "pairing": "asked to pair"}
    return f"{done.get(outcome.action, outcome.action)} ({outcome.reason}, {outcome.rule})"


def _plain(found: "WhatIf", fatal: "list[Change]") -> dict[str, Any]:
    import msgspec

    changes = [
        {**msgspec.to_builtins(change), "unwanted": change in fatal}
        for change in found.largest_first()
    ]
    return {"messages": found.messages, "leftOut": found.left_out, "changes": changes}
