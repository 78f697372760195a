"""The command line: its commands by name, each imported only when it is run.

Exit codes: 0 success; 1 failure; 2 bad usage, bad configuration, or an unusable log.
"""

import os
import traceback
from importlib import import_module
from typing import Any

import click

from ztm_chat.failure import FAILED, Failure
from ztm_chat.printing.terminal import safe

COMMANDS = {
    "run": ("ztm_chat.commands.run", "Run the daemon in the foreground."),
    "status": ("ztm_chat.commands.status", "Show what the daemon and its accounts are doing."),
    "pairing": ("ztm_chat.commands.pairing", "List, approve, deny and revoke pairings."),
    "why": ("ztm_chat.commands.why", "Explain what happened to a message, and why."),
    "dead-letters": (
        "ztm_chat.commands.dead_letters",
        "List, show, retry and drop accepted messages that got no answer.",
    ),
    "audit": ("ztm_chat.audit_commands.audit", "Show, verify and re-run the decisions on record."),
    "replay": ("ztm_chat.audit_commands.replay", "Rebuild state from the log and compare it."),
    "export": ("ztm_chat.audit_commands.export", "Export conversations as JSON Lines or HTML."),
    "forget": ("ztm_chat.audit_commands.forget", "Permanently erase a person's messages."),
    "store": ("ztm_chat.commands.store", "Check, back up, restore and salvage the log."),
    "demo": ("ztm_chat.commands.demo", "Show ztm-chat at work on an embedded mesh."),
}
"""Each command's module, which holds it as `command`, and its line in the list of commands."""


class Commands(click.Group):
    """A group that imports a command when it is asked for, and reports failures in one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order of `COMMANDS`."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a failure is reported, with a traceback only at the log level debug."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own ways to end
        except Exception as error:  # noqa: BLE001 - the last place that can report it in a sentence
            if os.environ.get("ZTM_CHAT_LOG_LEVEL", "").strip().lower() == "debug":
                traceback.print_exception(error)
            click.echo(f"ztm-chat: {_message(error)}", err=True)
            ctx.exit(error.code if isinstance(error, Failure) else FAILED)


def _message(error: Exception) -> str:
    if isinstance(error, Failure):
        return str(error)
    return (
        f"internal error ({type(error).__name__}: {safe(str(error), 300)});"
        " for a traceback, set ZTM_CHAT_LOG_LEVEL=debug"
    )


@click.group(cls=Commands)
@click.version_option(package_name="ztm-chat", message="ztm-chat %(version)s")
def cli() -> None:
    """Put an AI agent on a ZTM chat network, with every decision on record."""
