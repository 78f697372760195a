"""The options `--config` and `--log`, and the configuration or log they lead to."""

import os
from pathlib import Path

import click

from actors.configuration import Configuration, ConfigurationError, find_config, load
from actors.configuration.environment import state_dir
from actors.configuration.problems import ConfigurationNotFound
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


log_option = click.option(
    "--log",
    "log_path",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="The log's folder; then no configuration is needed.",
)


def log_folder(config: str | None, log_path: Path | None) -> Path:
    """The log that is to be read: `log_path`, else the configuration's; without a configuration,
    the one in `$ZTM_CHAT_STATE_DIR`. Raises `Failure`."""
    if log_path is not None:
        return log_path
    try:
        find_config(config, os.environ, Path.cwd())
    except ConfigurationNotFound:
        if os.environ.get("ZTM_CHAT_STATE_DIR"):
            return state_dir(os.environ) / "log"
    except ConfigurationError:
        pass  # told below
    return configuration(config).store.path
