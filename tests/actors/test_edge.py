"""What the edge loop begins, replaces and ends."""

import gc
import threading
from typing import Any

from actors.edge import Edge
from events.account.state import AccountState


class Watched:
    """An account that notes who watches it, and is watched until the edge ends that."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.under_way = threading.Event()

    async def watch(self, state: AccountState) -> None:
        self.begun.append(state.cursor)
        self.under_way.set()


def test_a_watch_that_is_replaced_before_it_began_leaves_nothing_behind() -> None:
    account: Any = Watched()
    asking: Any = None

    async def close() -> None:
        pass

    edge = Edge(
        tell=lambda stream, message: None,
        open_accounts=lambda: {"bot": account},
        open_asking=lambda: asking,
        close=close,
        now_ms=lambda: 0,
    )
    edge.start()

    def watch_twice() -> None:
        edge.watch("bot", AccountState(cursor=1))
        edge.watch("bot", AccountState(cursor=2))

    edge.loop.call_soon_threadsafe(watch_twice)
    assert account.under_way.wait(10)
    edge.stop()
    gc.collect()  # a coroutine that was never awaited would be reported here
    assert account.begun == [2]
