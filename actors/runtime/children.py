"""The live children of an account: told, counted, stopped when idle, replaced when they fail."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pykka

from actors.messages import ProcessBatch, Receipt, RecordAsMalformed, RequestPassivation
from actors.runtime.dispatcher import tell

PRUNE_AT = 64
"""How many receipts a child collects before the settled ones are forgotten."""


@dataclass
class Child:
    """A live actor, how many messages it was told, and when last (ms)."""

    ref: "pykka.ActorRef[Any]"
    told: int = 0
    told_ms: int = 0
    receipts: list[Receipt] = field(default_factory=list)


class Children:
    """The live children by stream. `start` makes the actor of a stream; `now_ms` is the clock."""

    def __init__(
        self, start: Callable[[str], "pykka.ActorRef[Any]"], now_ms: Callable[[], int]
    ) -> None:
        self._start = start
        self._now_ms = now_ms
        self._live: dict[str, Child] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._live))

    def __len__(self) -> int:
        return len(self._live)

    def wake(self, stream: str) -> Child:
        """The child of `stream`, started if it isn't live; it resumes what its state calls for."""
        child = self._live.get(stream)
        if child is None:
            child = self._live[stream] = Child(self._start(stream), told_ms=self._now_ms())
        return child

    def tell(self, stream: str, message: Any) -> None:
        """Tell the child of `stream`, started if it isn't live.

        One that has just failed hears nothing any more; whoever starts it again tells it what it
        may have missed. What the operator asked of it goes unanswered.
        """
        child = self.wake(stream)
        child.told += 1
        child.told_ms = self._now_ms()
        if isinstance(message, ProcessBatch | RecordAsMalformed):
            if len(child.receipts) >= PRUNE_AT:
                child.receipts = [receipt for receipt in child.receipts if not receipt.settled]
            child.receipts.append(message.receipt)
        tell(child.ref, message)

    def tell_if_live(self, stream: str, message: Any) -> None:
        """Tell the child of `stream` only if it is live."""
        if stream in self._live:
            self.tell(stream, message)

    def may_stop(self, stream: str, received: int) -> bool:
        """Stop a child that asked to, unless it was told something that it has not received.

        Whether it was stopped. What it is told from now on goes to a new child.
        """
        child = self._live.get(stream)
        if child is None or child.told != received:
            return False
        del self._live[stream]
        child.ref.stop(block=False)
        return True

    def ask_idle_ones(self, idle_ms: int) -> None:
        """Ask those that were told nothing for `idle_ms` whether they may be stopped."""
        now = self._now_ms()
        for stream, child in tuple(self._live.items()):
            if now - child.told_ms >= idle_ms:
                self.tell(stream, RequestPassivation())

    def lost(self, stream: str) -> list[Receipt]:
        """Forget a child that failed; the receipts it leaves open."""
        child = self._live.pop(stream, None)
        return [receipt for receipt in child.receipts if not receipt.settled] if child else []

    def stop_all(self) -> None:
        """Stop every child and refuse what they leave open."""
        for stream in self:
            child = self._live[stream]
            child.ref.stop(block=False)
            for receipt in self.lost(stream):
                receipt.refuse()
