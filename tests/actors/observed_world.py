"""A simulated world in which the actors are held against the books as they act."""

import logging
import math
from typing import Any

from actors.agents.runner import question_of
from actors.runtime.system import AskTask
from events.account import state as account
from events.conversation import state as conversation
from events.event import Recorded
from events.gateway import state as life
from events.streams import ConversationId, GroupId, parse_stream
from tests.actors.conservation_checks import Books
from tests.actors.context_checks import said_before
from tests.actors.simulation import ACCOUNT, SimulatedReceipt, World

TEAM = GroupId(ACCOUNT, "anna", "team")


class Failures(logging.Handler):
    """Actors that failed: their parents restart them, so that nothing else would show it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


class ObservedWorld(World):
    """A world that keeps books, and holds what the actors do against them as they do it."""

    books: Books
    failures: Failures
    keeps_snapshots = True
    steps_left = math.inf

    def step(self) -> bool:
        assert not self.failures.found, self.failures.found[0]
        self.steps_left -= 1
        assert self.steps_left > 0, "it does not come to rest"
        return super().step()

    def publish(self, members: frozenset[str] | None) -> None:
        """The group's members become known, or unknown."""
        self.members.pop((TEAM.creator, TEAM.group), None)
        if members is not None:
            self.members[TEAM.creator, TEAM.group] = members
            self.books.ever_members |= members

    def boot(self) -> None:
        if hasattr(self, "books"):
            self.books.catch_up()
            self.books.told = set()
        super().boot()

    def offer(self, conversation: ConversationId) -> SimulatedReceipt:
        members = self.members.get((TEAM.creator, TEAM.group))
        if conversation == TEAM and members is not None:
            self.books.told |= members | {TEAM.creator}
        return super().offer(conversation)

    def ask(self, task: AskTask) -> None:
        books = self.books
        books.catch_up()
        page, attempt = books.pages[task.stream], (task.turn, task.attempt)
        assert attempt not in page.over, "asked again, with the answer on record"
        assert page.turn == attempt
        turn = page.turns[task.turn]
        assert books.may_be_served(page.address, turn.sender), "asked for one not let in"
        words = [books.text(task.stream, message) for message in turn.messages]
        assert None not in words, "asked about words that were given up"
        told = question_of(self.log, task, "bot").history
        assert told == said_before(self.log, task.stream, task.turn, "bot"), "told something else"
        super().ask(task)

    def keep(self, last: Recorded, state: Any) -> None:
        match parse_stream(last.stream):
            case None:
                fold: Any = life.fold
            case str():
                fold = account.fold
            case _:
                fold = conversation.fold
        assert fold(self.log.read_stream(last.stream)) == state, "a live state is not the fold"
        if self.keeps_snapshots:
            super().keep(last, state)
