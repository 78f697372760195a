"""`ztm-chat audit`: the group of commands that show, prove and re-run decisions."""

import click

from ztm_chat.audit_commands.head import head
from ztm_chat.audit_commands.verify import verify


@click.group()
def command() -> None:
    """Show, prove and re-run every decision on record."""


for one in (verify, head):
    command.add_command(one)
