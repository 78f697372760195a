"""Faults of the HTTP API: slow, wrong and broken answers, for paths that contain a given part."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from ztm_chat.mesh.http.exchange import ApiResponse


@dataclass(slots=True)
class _Rule:
    path_part: str
    times: float
    instead: ApiResponse | None
    change: Callable[[ApiResponse], ApiResponse]


class HttpFaults:
    """The faults in force. A path part of "" matches every path; `times` may be infinite."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._delays: dict[str, float] = {}
        self._rules: list[_Rule] = []
        self.refuses_files = False
        self.ignores_wait = False

    def slow(self, path_part: str, seconds: float) -> None:
        """Delay answers by so many (unscaled) seconds; 0 ends it."""
        self._delays[path_part] = seconds

    def answer_with(
        self, answer: ApiResponse, path_part: str, times: float, *, handled: bool
    ) -> None:
        """Answer this instead; the request is carried out all the same when `handled`."""
        instead = None if handled else answer
        self._rules.append(_Rule(path_part, times, instead, lambda _: answer))

    def garble(self, body: bytes, path_part: str, times: float) -> None:
        """Put these bytes in the place of the answer's body."""
        self._rules.append(_Rule(path_part, times, None, lambda answer: replace(answer, body=body)))

    async def delay(self, path: str) -> None:
        seconds = max((s for part, s in self._delays.items() if part in path), default=0)
        if seconds:
            await asyncio.sleep(seconds)

    def take(self, path: str) -> tuple[ApiResponse | None, Callable[[ApiResponse], ApiResponse]]:
        """What to answer without asking, and how to change the answer: the first rule that fits."""
        rule = next((rule for rule in self._rules if rule.path_part in path), None)
        if rule is None:
            return None, lambda answer: answer
        rule.times -= 1
        if rule.times <= 0:
            self._rules.remove(rule)
        return rule.instead, rule.change
