"""What the environment decides: where the configuration and the state lie, and the log level.

An empty variable counts as unset, and a relative `XDG_…` too, as that standard says.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from actors.configuration.problems import ConfigurationNotFound

LogLevel = Literal["debug", "info", "warn", "error"]

FILE_NAME = "openclaw.yaml"
OWN_FOLDER = "ztm-chat"


def home(env: Mapping[str, str]) -> Path:
    """The user's own folder, which `~` means."""
    return Path(env["HOME"]) if env.get("HOME") else Path.home()


def find_config(option: str | None, env: Mapping[str, str], cwd: Path) -> Path:
    """The configuration: `option` (`--config`), else `$ZTM_CHAT_CONFIG`, else the first that exists
    of `openclaw.yaml` in `cwd` and in `ztm-chat` under `$XDG_CONFIG_HOME` or `~/.config`.

    Raises `ConfigurationNotFound`, which names every place searched.
    """
    named = option or env.get("ZTM_CHAT_CONFIG")
    if named:
        places = [_expanded(named, env, cwd)]
    else:
        own = _xdg("XDG_CONFIG_HOME", ".config", env) / OWN_FOLDER
        places = [cwd / FILE_NAME, own / FILE_NAME]
    for place in places:
        if _is_there(place):
            return place
    raise ConfigurationNotFound(places)


def state_dir(env: Mapping[str, str], cwd: Path | None = None) -> Path:
    """The folder of the log, keys, socket and permits: `$ZTM_CHAT_STATE_DIR`, else `ztm-chat`
    under `$XDG_STATE_HOME` or `~/.local/state`. A relative one starts at `cwd`."""
    if named := env.get("ZTM_CHAT_STATE_DIR"):
        return _expanded(named, env, cwd or Path.cwd())
    return _xdg("XDG_STATE_HOME", ".local/state", env) / OWN_FOLDER


def log_level(env: Mapping[str, str]) -> tuple[LogLevel, str | None]:
    """`$ZTM_CHAT_LOG_LEVEL`, default `info`; and a warning if it holds something else."""
    written = env.get("ZTM_CHAT_LOG_LEVEL", "").strip()
    for level in get_args(LogLevel):
        if written.lower() == level:
            return level, None
    if not written:
        return "info", None
    return "info", (
        f"ZTM_CHAT_LOG_LEVEL is {written[:40]!r}; allowed: debug, info, warn, error. Using info"
    )


def _is_there(place: Path) -> bool:
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # It can't be looked at; reading it will say why, which beats "not found".
        return True
    return True


def _xdg(variable: str, default: str, env: Mapping[str, str]) -> Path:
    folder = Path(env.get(variable) or "")
    return folder if folder.is_absolute() else home(env) / default


def _expanded(written: str, env: Mapping[str, str], cwd: Path) -> Path:
    if written == "~" or written.startswith("~/"):
        return home(env) / written[2:]
    return cwd / written
