"""What to tell a restarted actor instead of the message that it failed on.

A first failure may be chance: what failed is told again, one message at a time, to find the one
that does it. A second failure on the same message sets that message aside. So one poisonous message
costs itself, never its conversation.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from actors.messages import AgentAnswered, AgentErred, IncomingBatch, Receipt, RecordAsMalformed
from events.conversation.turns import Failure


class SharedReceipt:
    """A receipt in `parts`: confirmed when all parts are, refused when one is."""

    def __init__(self, receipt: Receipt, parts: int) -> None:
        self._whole = receipt
        self._parts = parts

    @property
    def settled(self) -> bool:
        """Whether the whole was settled, or this has no part left to confirm."""
        return self._whole.settled

    def confirm(self) -> None:
        """One part is durably decided."""
        self._parts -= 1
        if self._parts == 0:
            self._whole.confirm()

    def refuse(self) -> None:
        """One part was not, so the whole was not."""
        self._whole.refuse()


class PoisonMessages:
    """How often messages broke the actor they were told to."""

    def __init__(self) -> None:
        self._arrivals: Counter[bytes] = Counter()
        self._answers: Counter[tuple[str, int, int]] = Counter()

    def instead(self, stream: str, failed: Any) -> Iterator[Any]:
        """What to tell the next actor of `stream` in place of `failed`.

        Nothing, when the restart itself is enough: what was under way is called for again by the
        state that is loaded.
        """
        match failed:
            case IncomingBatch():
                yield from self._one_by_one(failed)
            case [*batches]:
                for batch in batches:
                    yield from self._one_by_one(batch)
            case AgentAnswered(turn, attempt, _):
                self._answers[stream, turn, attempt] += 1
                if self._answers[stream, turn, attempt] > 1:
                    yield AgentErred(turn, attempt, Failure("unusable-answer", transient=False))

    def _one_by_one(self, batch: IncomingBatch) -> Iterator[IncomingBatch | RecordAsMalformed]:
        if batch.receipt.settled:
            return
        if not batch.arrivals or batch.baseline:
            batch.receipt.refuse()
            return
        if batch.alone:
            self._arrivals[batch.arrivals[0].identity] += 1
        receipt = SharedReceipt(batch.receipt, len(batch.arrivals))
        for arrival in batch.arrivals:
            if self._arrivals[arrival.identity] > 1:
                yield RecordAsMalformed((arrival,), receipt)
            else:
                yield IncomingBatch((arrival,), receipt, alone=True)
