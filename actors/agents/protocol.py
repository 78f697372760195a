"""What an agent is asked, what it answers, and how it fails.

AgentError                 transient or permanent: may asking again help?
├── AgentTimeout           transient: no answer within the time limit
├── AgentUnavailable       transient: not reachable, overloaded, cut off
├── AgentRefused           permanent: refused as asked; configuration has to change
└── AgentBroken            an answer came, but not one that can be used
"""

import re
from typing import Literal, Protocol

from msgspec import Struct

from actors.agents.silence import SILENT, without_silent_word
from events.conversation.wire_text import leaves_text

MODEL_NAME = re.compile(r"[\w./:@+-]{1,64}", re.ASCII)
MAX_TOKENS = 2**53


class Line(Struct, frozen=True, rename="camel"):
    """One message of a conversation; `time_ms` is milliseconds since 1970."""

    role: Literal["user", "assistant"]
    name: str
    text: str
    time_ms: int

    def __repr__(self) -> str:
        return f"Line(role={self.role!r}, {len(self.text)} characters)"


class Question(Struct, frozen=True, rename="camel"):
    """Everything that an agent may know of a turn.

    `key` is the idempotency key, `<stream>/<turn>/<attempt>`: the same key is the same question.
    `peer` sent the newest message; `group` is `creator/group` in a group conversation, else None.
    `messages` (at least one) are to be answered; `history` came before them; both oldest first.
    `tools` are the tool names and groups that the policy grants (None: all), less the `denied`.

    Names and texts were chosen by others, and may hold anything.
    """

    key: str
    account: str
    bot: str
    kind: Literal["peer", "group"]
    peer: str
    messages: tuple[Line, ...]
    group: str | None = None
    group_name: str | None = None
    history: tuple[Line, ...] = ()
    tools: tuple[str, ...] | None = ()
    denied: tuple[str, ...] = ()


class Answer(Struct, frozen=True):
    """What an agent said. `silent`: it chose to say nothing, and `text` is empty.

    `cut_short`: it had more to say, but reached a limit of its length.
    """

    text: str
    model: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    silent: bool = False
    cut_short: bool = False

    def __repr__(self) -> str:
        return f"Answer({len(self.text)} characters, model={self.model!r}, silent={self.silent})"


class Agent(Protocol):
    """Answers questions, any number at a time."""

    @property
    def name(self) -> str:
        """The kind of agent, as the configuration and the log name it."""

    async def ask(self, question: Question) -> Answer:
        """Answer; raise `AgentError`. Cancelling it ends what it started."""

    async def aclose(self) -> None:
        """Give back what the agent holds, once every `ask` has ended or been cancelled."""


class AgentError(Exception):
    """An agent gave no usable answer. The text says why, and quotes nobody's words.

    `transient`: asking again may help. `retry_after_s`: seconds to wait first, if it was said.
    """

    def __init__(
        self, message: str, *, transient: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after_s = retry_after_s


class AgentTimeout(AgentError):
    """There was no answer within the time limit."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True)


class AgentUnavailable(AgentError):
    """The agent can't be reached, is overloaded, or was cut off."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message, transient=True, retry_after_s=retry_after_s)


class AgentRefused(AgentError):
    """The question was refused as it stands; the configuration or the agent has to change."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=False)


class AgentBroken(AgentError):
    """An answer came that can't be used: empty, too large, or not in the agreed form.

    Transient only where another try may well go differently: a model that said nothing.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message, transient=transient)


def spoken(
    text: str,
    *,
    model: str | None = None,
    tokens_in: int | None = None,
    tokens_out: int | None = None,
    cut_short: bool = False,
) -> Answer:
    """An agent's words as an answer, `SILENT` heeded and taken out.

    Raises `AgentBroken` if there is nothing that can be sent.

    A model's name and token counts come from a stranger's program and go to the log: those that
    don't look like a name or a count are left out.
    """
    if not leaves_text(text):
        raise AgentBroken(
            f"the agent gave an empty answer; to say nothing, answer {SILENT}",
            transient=True,
        )
    text, silent = without_silent_word(text)
    return Answer(
        text="" if silent else text,
        model=model if model and MODEL_NAME.fullmatch(model) else None,
        tokens_in=_count(tokens_in),
        tokens_out=_count(tokens_out),
        silent=silent,
        cut_short=cut_short,
    )


def _count(tokens: int | None) -> int | None:
    return tokens if tokens is not None and 0 <= tokens < MAX_TOKENS else None
