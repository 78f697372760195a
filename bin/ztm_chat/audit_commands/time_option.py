"""Points in time as people type them."""

import re
import time
from datetime import datetime

import click

_AGO = re.compile(r"(\d+)\s*([smhd])(?: ago)?")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Time(click.ParamType[int]):
    """A time in ms since 1970: `2026-11-24`, `2026-11-24 09:30` (local, unless it names its zone),
    or `2h` for two hours ago."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The time in ms."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        if ago := _AGO.fullmatch(text):
            return int(time.time() - int(ago[1]) * _SECONDS[ago[2]]) * 1_000
        try:
            return round(datetime.fromisoformat(text).timestamp() * 1_000)
        except (ValueError, OverflowError):
            self.fail(
                f"{text!r} is not a time; use 2026-11-24, 2026-11-24T09:30, or 2h (two hours ago)",
                param,
                ctx,
            )


TIME = Time()
