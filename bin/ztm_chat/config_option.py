"""The option `--config`, and the configuration it leads to."""

import os
from pathlib import Path

import click

from actors.configuration import Configuration, ConfigurationError, find_config, load
from ztm_chat.failure import UNUSABLE, Failure

config_option = click.option(
    "--config",
    "config",
    metavar="FILE",
    help="Configuration file; default: $ZTM_CHAT_CONFIG, ./openclaw.yaml,"
    " ~/.config/ztm-chat/openclaw.yaml.",
)


def configuration(config: str | None) -> Configuration:
    """The configuration, found and checked. Raises `Failure` with all of its problems."""
    try:
        return load(find_config(config, os.environ, Path.cwd()), os.environ)
    except ConfigurationError as error:
        raise Failure(str(error), UNUSABLE) from error
