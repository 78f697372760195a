from collections.abc import Callable

import pytest

from actors.agents.protocol import Line, Question


def said(text: str, *, name: str = "alice", time_ms: int = 1_700_000_000_000) -> Line:
    return Line(role="user", name=name, text=text, time_ms=time_ms)


@pytest.fixture
def question() -> Callable[..., Question]:
    """Builds a question of alice to my-bot; any text or field may be given."""

    def build(text: str = "hello", **fields: object) -> Question:
        known: dict[str, object] = {
            "key": "account/my-bot/peer/alice/7/1",
            "account": "my-bot",
            "bot": "my-bot",
            "kind": "peer",
            "peer": "alice",
            "messages": (said(text),),
        }
        return Question(**(known | fields))  # type: ignore[arg-type]

    return build
