"""Erasures that are on record, and whose key is still there: it goes when no conversation can
record anything under it any more.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from events.account.state import UNDER_WAY, Erasure

Callback = Callable[[str | None], None]


@dataclass
class UnderWay:
    """An erasure on record as `version` of the account. `unheard` conversations may decide by an
    older standing yet."""

    version: int
    unheard: set[str]
    answers: list[Callback]


class Erasures:
    """The persons of one account that are being forgotten."""

    def __init__(self) -> None:
        self._under_way: dict[str, UnderWay] = {}

    def __contains__(self, person: str) -> bool:
        return person in self._under_way

    def __bool__(self) -> bool:
        return bool(self._under_way)

    def begin(self, person: str, version: int, streams: Iterable[str], answer: Callback) -> None:
        """It is on record; the conversations `streams` are told."""
        self._under_way[person] = UnderWay(version, set(streams), [answer])

    def join(self, person: str, answer: Callback) -> None:
        """Somebody else wants to hear when it is done."""
        self._under_way[person].answers.append(answer)

    def heard(self, stream: str, version: int) -> None:
        """The conversation `stream` decides by a standing of at least this version from now on."""
        for one in self._under_way.values():
            if version >= one.version:
                one.unheard.discard(stream)

    def ready(self) -> list[str]:
        """Those under whose key nothing is recorded any more."""
        return [person for person, one in self._under_way.items() if not one.unheard]

    def done(self, persons: Iterable[str]) -> None:
        """Their keys are gone: answer those who wait for it."""
        for person in persons:
            for answer in self._under_way.pop(person).answers:
                answer(person)

    def covering(self, erased: Mapping[str, Erasure]) -> Mapping[str, Erasure]:
        """`erased` as conversations are to see it meanwhile."""
        under_way = {one: replace(erased[one], seq=UNDER_WAY) for one in self._under_way}
        return {**erased, **under_way} if under_way else erased
