"""`ztm-chat audit`: the group of commands that show, prove and re-run decisions."""

import click

from ztm_chat.audit_commands.head import head
from ztm_chat.audit_commands.trail import trail
from ztm_chat.audit_commands.verify import verify
from ztm_chat.audit_commands.what_if import what_if


@click.group()
def command() -> None:
    """Show, prove and re-run every decision on record."""


for one in (trail, verify, head, what_if):
    command.add_command(one)
