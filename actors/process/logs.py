"""The daemon's own log lines: readable on a terminal, JSON Lines otherwise, without secrets.

Whatever our modules and libraries log through `logging` passes one list of processors. Nobody's
messages are logged by us; what could still be a secret is cut out here, by its name or its
look.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any
from unicodedata import category

import structlog

from actors.configuration import log_level

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}

LONGEST = 2_000
"""Characters of one value at most."""

HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(r"(?i)key|token|secret|passw|authori|cookie|permit|credential|private")
_SECRET_LOOK = re.compile(
    r"(?is)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)"
    r"|\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"
    r"|\bsk-[A-Za-z0-9_-]{8,}"
    r"|(?<=://)[^/\s@]+@"
    r"|(?<=[?&])(?:[a-z_-]*(?:token|key|secret|sig|password)[a-z_-]*)=[^&\s]+"
    # After a telling name: what has a digit, as keys do and the words of a sentence don't.
    r"|(?:authorization|token|secret|passw(?:or)?d|(?:api|private)[_-]?key)[\"']*\s*[:=]\s*"
    r"(?:[a-z]+\s+)?[\"']?(?=[^\s\"',;&}]*\d)[^\s\"',;&}]{6,}"
)
_LINE_BREAKING = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def set_up_logs(env: Mapping[str, str]) -> None:
    """Send everything that is logged to stderr, from the level that `env` names."""
    level, warning = log_level(env)
    on_terminal = sys.stderr.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True)
        if on_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=not on_terminal),
        _exceptions_as_text,
        redact,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    for chatty in ("asyncio", "uvicorn", "uvicorn.error", "uvicorn.access", "pykka"):
        logging.getLogger(chatty).setLevel(max(LEVELS[level], logging.WARNING))
    if warning:
        logging.getLogger(__name__).warning("%s", warning)


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cut secrets out of a log line's values, and make them harmless to a terminal."""
    for name, value in event.items():
        if name.startswith("_"):
            continue
        if _SECRET_NAME.search(name):
            event[name] = HIDDEN
        elif value is not None and not isinstance(value, bool | int | float):
            event[name] = clean(str(value), keep_lines=name == "exception")
    return event


def clean(text: str, *, keep_lines: bool = False) -> str:
    """`text` without what looks like a secret, without control characters, bounded in length."""
    text = _SECRET_LOOK.sub(HIDDEN, text[: 4 * LONGEST])
    shown = "".join(
        char
        if category(char) not in _LINE_BREAKING or (keep_lines and char == "\n")
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
    return shown if len(shown) <= LONGEST or keep_lines else shown[:LONGEST] + "…"


def _exceptions_as_text(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Traces become text here, so that they are cleaned like everything else."""
    return structlog.processors.format_exc_info(logger, method, event)
