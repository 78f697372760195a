"""`ztm-chat run`: the daemon in the foreground."""

import logging
import os
from importlib.metadata import version

import click

from ztm_chat.config_option import config_option, configuration
from ztm_chat.failure import UNUSABLE, Failure
from ztm_chat.opening import log_failures


@click.command()
@config_option
def command(config: str | None) -> None:
    """Run the daemon in the foreground, until SIGTERM or SIGINT.

    Logs go to stderr: as text on a terminal, as JSON Lines otherwise. ZTM_CHAT_LOG_LEVEL sets the
    level (debug, info, warn, error).
    """
    settings = configuration(config)

    from actors.process.daemon import AccountMoved
    from actors.process.logs import set_up_logs
    from actors.process.supervisor import supervise
    from actors.ztm.errors import ZtmError
    from actors.ztm.timing import Timing

    set_up_logs(os.environ)
    for warning in settings.warnings:
        logging.getLogger(__name__).warning("%s", warning)
    timing = Timing().scaled(_time_scale(os.environ.get("ZTM_CHAT_TIME_SCALE", "1")))
    try:
        with log_failures():
            supervise(settings, release=version("ztm-chat"), timing=timing)
    except (AccountMoved, ZtmError, OSError) as error:
        raise Failure(str(error), UNUSABLE) from error


def _time_scale(written: str) -> float:
    """For the demo and tests, whose mesh ticks faster or slower than a real one."""
    try:
        scale = float(written)
    except ValueError:
        scale = 0.0
    if not 0.001 <= scale <= 10:
        msg = f"invalid ZTM_CHAT_TIME_SCALE {written[:40]!r}; it is for tests only: unset it"
        raise Failure(msg, UNUSABLE)
    return scale
