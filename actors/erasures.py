"""Erasures that are on record, and whose key is still there.

An erasure goes through these steps: it is on record; every live conversation decides by a policy
context that knows of it; how far it reaches is found, and recorded as its end; the key is
destroyed, last. Until then nothing of the person is taken in.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from actors.messages import Answer
from events.account.state import UNDER_WAY, Erasure


class Erasures:
    """The persons of one account whose words are being erased, and who waits for the end."""

    def __init__(self) -> None:
        self._pending: dict[str, list[Answer]] = {}

    def __contains__(self, person: str) -> bool:
        return person in self._pending

    def begin(self, person: str, *answers: Answer) -> None:
        """It is on record."""
        self._pending[person] = [*answers]

    def join(self, person: str, answer: Answer) -> None:
        """Somebody else wants to hear when it is done."""
        self._pending[person].append(answer)

    def done(self, person: str) -> None:
        """The key is gone: answer those who wait for it."""
        for answer in self._pending.pop(person):
            answer.give(person)

    def fail(self, reason: str) -> None:
        """Whoever waits hears that it is not done yet."""
        for answers in self._pending.values():
            for answer in answers:
                answer.fail(reason)

    def cover(self, person: str, seq: int, erased: Mapping[str, Erasure]) -> bool:
        """Whether what `person` wrote, recorded as the event `seq`, is given up: it is not
        answered any more."""
        erasure = self.as_seen(erased).get(person)
        return erasure is not None and seq <= erasure.seq

    def as_seen(self, erased: Mapping[str, Erasure]) -> Mapping[str, Erasure]:
        """`erased` as conversations are to see it meanwhile."""
        pending = {person: replace(erased[person], seq=UNDER_WAY) for person in self._pending}
        return {**erased, **pending} if pending else erased
