"""`ztm-chat audit`: the group of commands that show, verify and re-run decisions."""

import click

from ztm_chat.audit_commands.head import head
from ztm_chat.audit_commands.trail import trail
from ztm_chat.audit_commands.verify import verify
from ztm_chat.audit_commands.what_if import what_if


@click.group()
def command() -> None:
    """Show, verify and re-run the decisions on record."""


for subcommand in (trail, verify, head, what_if):
    command.add_command(subcommand)
