"""`ztm-chat audit head`: the end of the log, to be kept elsewhere."""

import click

from ztm_chat.audit_commands.opening import log_opened
from ztm_chat.configured import config_option, configuration


@click.command("head")
@config_option
def head(config: str | None) -> None:
    """Print the log's head: one line that covers every event so far.

    Keep it where nobody who could rewrite the log can change it. Later `audit verify --from-head`
    proves that the log still holds, unaltered, all that it held then.
    """
    settings = configuration(config)
    with log_opened(settings.store.path) as log:
        from store.verify.heads import head_of

        click.echo(str(head_of(log)))
