"""`ztm-chat audit head`: the end of the log, to be saved elsewhere."""

import click

from ztm_chat.config_option import config_option, configuration
from ztm_chat.opening import log_opened


@click.command("head")
@config_option
def head(config: str | None) -> None:
    """Print the log's head: one line that covers every event so far.

    Save it where nobody who can rewrite the log can change it. Later, `audit verify --from-head`
    proves that everything the log contained then is still there, unaltered.
    """
    settings = configuration(config)
    with log_opened(settings.store.path) as log:
        from store.verify.heads import head_of

        click.echo(str(head_of(log)))
