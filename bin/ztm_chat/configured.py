"""The configuration that a command works with."""

import os
from pathlib import Path

import click

from actors.configuration import Configuration, ConfigurationError, find_config, load
from ztm_chat.failure import UNUSABLE, Failure

config_option = click.option(
    "--config",
    "config",
    metavar="FILE",
    help="The configuration; default: $ZTM_CHAT_CONFIG, ./openclaw.yaml,"
    " ~/.config/ztm-chat/openclaw.yaml.",
)


def configuration(config: str | None) -> Configuration:
    """The configuration found and checked. Raises `Failure` with all that is wrong with it."""
    try:
        return load(find_config(config, os.environ, Path.cwd()), os.environ)
    except ConfigurationError as error:
        raise Failure(str(error), UNUSABLE) from error
