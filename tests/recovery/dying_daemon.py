"""The daemon's command line, dying by its own SIGKILL at a named point.

    python -P -m tests.recovery.dying_daemon POINT COUNT run --config …

POINT is one of `POINTS`; the process is killed when it gets there for the COUNT-th time. Points lie
before and after every effect, and on both sides of a commit.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from actors.agents.runner import AgentRunner
from actors.edge import Edge
from actors.ztm.sending.sender import Sender
from store.log.committer import Committer
from store.log.lmdb_log import LmdbLog

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def dies(point: str, wanted: str, count: int) -> Callable[[], None]:
    """What to call at `point`: it returns, until it has been called `count` times."""
    left = count

    def arrive() -> None:
        nonlocal left
        left -= point == wanted
        if left == 0 and point == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return arrive


def around(owner: type, name: str, before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call `before` and `after` around a method."""
    original = getattr(owner, name)

    @wraps(original)
    def plain(*args: Any, **kwargs: Any) -> Any:
        before()
        result = original(*args, **kwargs)
        after()
        return result

    @wraps(original)
    async def awaiting(*args: Any, **kwargs: Any) -> Any:
        before()
        result = await original(*args, **kwargs)
        after()
        return result

    is_async = original.__code__.co_flags & 0x80
    setattr(owner, name, awaiting if is_async else plain)


WRAPPED: dict[str, tuple[type, str]] = {
    "append": (LmdbLog, "append"),
    "commit": (Committer, "commit"),
    "ask": (AgentRunner, "ask"),
    "post": (Sender, "_post"),
    "confirm": (Sender, "_confirmed"),
    "settle": (Sender, "_settled"),
    "tell": (Edge, "_answer"),
}

POINTS = [f"{name}:{side}" for name in WRAPPED for side in ("before", "after")]


def main(arguments: Sequence[str]) -> None:
    """Install the point, and run the command line."""
    wanted, count, *rest = arguments
    for name, (owner, method) in WRAPPED.items():
        around(
            owner,
            method,
            dies(f"{name}:before", wanted, int(count)),
            dies(f"{name}:after", wanted, int(count)),
        )
    sys.argv = ["ztm-chat", *rest]
    from ztm_chat.__main__ import main as run

    run()


if __name__ == "__main__":
    main(sys.argv[1:])
