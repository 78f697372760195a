"""The built-in agent: says back what it was told.

It needs nothing installed, gives the same answer to the same question, and so shows that a bot is
reachable and that its policies do what was meant, before any model is involved.
"""

import asyncio

from actors.agents.protocol import Answer, Question


class EchoAgent:
    """Answers `You said: ` and the texts of the turn's messages; after `delay_s` seconds."""

    name = "echo"

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s

    async def ask(self, question: Question) -> Answer:
        """The same answer to the same question."""
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        texts = "\n".join(line.text for line in question.messages)
        return Answer(f"You said: {texts}", model=self.name)

    async def aclose(self) -> None:
        """Nothing is held."""
