"""Lets the children of tests react to signals, however the tests themselves were started.

A shell starts a background job with SIGINT ignored, `nohup` with SIGHUP ignored, and children
inherit what is ignored: they would sleep through the signals that tests send them. `conftest.py`
calls this once, so a test starts its children as it likes.
"""

import signal
from types import FrameType

SENT = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def give_children_default_signals() -> None:
    """Have what this process ignores reach its children, while it goes on ignoring it itself.

    A handler that does nothing is as good as ignoring, and unlike that it is not inherited: a new
    program starts with the signal's default.
    """
    for number in SENT:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, ignore)


def ignore(number: int, frame: FrameType | None) -> None:
    """Take a signal without doing anything."""
