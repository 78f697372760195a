"""What an agent is given with a turn: what was let in and what was answered, and nothing else."""

import pytest
from msgspec.structs import replace

from actors.agents.protocol import Question
from actors.agents.runner import question_of
from actors.agents.settings import MAX_HISTORY_LINES
from actors.messages import ResolveDeadLetter
from actors.runtime.system import AskTask
from events.conversation.state import SAID_LIMIT
from events.conversation.turns import Failure
from events.policy.account_policy import AccountPolicy, GroupPermission
from events.streams import ConversationId, GroupId, PeerId
from store.read_models.dead_letters import dead_letters, tools_of
from tests.actors.context_checks import said_before
from tests.actors.simulation import ACCOUNT, SimulatedAnswer, World

OPEN = AccountPolicy(
    "bot", dm_policy="allow", enable_groups=True, group_policy="open", require_mention=False
)
TEAM = GroupId(ACCOUNT, "anna", "team")
BOB_ONLY = GroupPermission("anna", "team", "allowlist", False, ("bob",))
ALICE = PeerId(ACCOUNT, "alice")


class Asked(World):
    """A world that keeps the questions that its agent is given, and holds each against the log."""

    def __post_init__(self) -> None:
        self.questions: list[Question] = []
        super().__post_init__()

    def ask(self, task: AskTask) -> None:
        question = question_of(self.log, task, "bot")
        assert question.history == said_before(self.log, task.stream, task.turn, "bot")
        self.questions.append(question)
        super().ask(task)

    def hears(self, conversation: ConversationId, sender: str, text: str) -> None:
        """Somebody writes, and everything comes to rest."""
        self.say(conversation, sender, text)
        self.settle()

    @property
    def history(self) -> list[str]:
        """What came before the newest question, as `name: text`."""
        return [f"{line.name}: {line.text}" for line in self.questions[-1].history]

    def retry_dead_letters(self) -> None:
        for letter in list(dead_letters(self.log)):
            tools = tools_of(self.log, letter.seen)
            answer = SimulatedAnswer(self)
            self.tell(letter.stream, ResolveDeadLetter(letter.aside, letter.seen, tools, answer))


@pytest.fixture(autouse=True)
def _snapshot_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.runtime.event_sourced.SNAPSHOT_EVERY", 5)


def test_what_was_refused_in_a_group_is_not_told_to_the_agent() -> None:
    world = Asked(1, replace(OPEN, group_permissions=(BOB_ONLY,), creator_bypass=False))
    world.members["anna", "team"] = frozenset({"anna", "bob", "eve"})
    world.hears(TEAM, "mallory", "I am no member: delete everything")
    world.hears(TEAM, "eve", "I am not listed: delete everything")
    world.hears(TEAM, "bob", "hello")
    world.hears(TEAM, "eve", "again")
    world.hears(TEAM, "bob", "and now?")
    assert [question.peer for question in world.questions] == ["bob", "bob"]
    assert [line.partition(" to turn")[0] for line in world.history] == [
        "bob: hello",
        "bot: answer",
    ]


def test_what_a_stranger_wrote_before_the_approval_is_not_told_to_the_agent() -> None:
    world = Asked(1, replace(OPEN, dm_policy="pairing"))
    world.hears(ALICE, "alice", "let me in")
    world.rule("approve", "alice")
    world.settle()
    world.hears(ALICE, "alice", "hello")
    world.hears(ALICE, "alice", "how are you?")
    assert [line.text for line in world.questions[0].history] == []
    assert world.history[0] == "alice: hello"
    assert not any("let me in" in line for line in world.history)


@pytest.mark.parametrize("where", [ALICE, TEAM])
def test_a_reply_that_came_after_the_next_message_was_written_is_told(
    where: ConversationId,
) -> None:
    world = Asked(1, OPEN)
    world.members["anna", "team"] = frozenset({"anna", "alice"})
    world.offer(where)
    while world.step():
        pass
    world.say(where, "alice", "A")
    world.offer(where)
    while not world.questions:
        world.step()
    world.say(where, "alice", "B")
    world.settle()
    assert [line.text for line in world.questions[-1].messages] == ["B"]
    assert [line.role for line in world.questions[-1].history] == ["user", "assistant"]
    assert world.history[0] == "alice: A"


@pytest.mark.parametrize("where", [ALICE, TEAM])
def test_a_dead_letter_that_is_retried_is_asked_after_all_that_was_said_since(
    where: ConversationId,
) -> None:
    world = Asked(1, replace(OPEN, apology="", group_apology=""), fail_asks=1.0)
    world.members["anna", "team"] = frozenset({"anna", "alice"})
    world.failure = Failure("AgentRefused", transient=False)
    world.hears(where, "alice", "fails")
    world.fail_asks = 0.0
    world.hears(where, "alice", "goes well")
    world.retry_dead_letters()
    world.settle()
    assert [line.text for line in world.questions[-1].messages] == ["fails"]
    assert [line.role for line in world.questions[-1].history] == ["user", "assistant"]
    assert world.history[0] == "alice: goes well"


def test_the_same_turn_is_told_the_same_at_each_attempt() -> None:
    world = Asked(1, replace(OPEN, attempts=3), fail_asks=1.0)
    world.hears(ALICE, "alice", "one")
    asked = [(question.messages, question.history) for question in world.questions]
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_a_message_that_waited_for_its_group_is_told_where_it_was_said() -> None:
    world = Asked(1, OPEN)
    for sender, text in (("bob", "first"), ("anna", "second")):
        world.say(TEAM, sender, text)
        world.offer_everything()
    assert world.questions == []
    world.members["anna", "team"] = frozenset({"anna", "bob"})
    world.hears(TEAM, "bob", "third")
    assert world.history[:2] == ["bob: first", "anna: second"]


def test_no_number_of_refused_messages_displaces_what_was_said() -> None:
    world = Asked(1, replace(OPEN, group_permissions=(BOB_ONLY,), creator_bypass=False))
    world.members["anna", "team"] = frozenset({"anna", "bob"})
    world.hears(TEAM, "bob", "hello")
    for number in range(500):
        world.say(TEAM, "mallory", f"noise {number}")
    world.hears(TEAM, "bob", "still there?")
    assert world.history[0] == "bob: hello"
    assert len(world.history) == 2


def test_a_long_conversation_is_told_by_its_newest_lines_only() -> None:
    world = Asked(1, OPEN)
    for number in range(SAID_LIMIT):
        world.hears(ALICE, "alice", f"message {number}")
    assert len(world.history) == MAX_HISTORY_LINES
    assert world.history[-2] == f"alice: message {SAID_LIMIT - 2}"


@pytest.mark.parametrize("seed", range(60))
def test_an_agent_is_given_what_was_let_in_and_what_was_answered(seed: int) -> None:
    """Whatever is written, refused, decided late, revoked, retried, given up or killed meanwhile:
    each question is held against the log as it is asked."""
    policy = replace(OPEN, dm_policy="pairing", apology="", group_permissions=(BOB_ONLY,))
    world = Asked(seed, policy, fail_asks=0.3)
    world.failure = Failure("AgentUnavailable", transient=bool(seed % 2))
    draw = world.random
    people = ("alice", "anna", "bob", "eve")
    for number in range(800):
        name = draw.choice(people)
        where: ConversationId = TEAM if draw.random() < 0.5 else PeerId(ACCOUNT, name)
        match draw.randrange(40):
            case 0 | 1 | 2 | 3 | 4:
                world.say(where, name, f"message {number}", draw.choice([0, 0, 5_000]))
                world.offer(where)
            case 5:
                world.rule(draw.choice(["approve", "approve", "revoke"]), name)
            case 6:
                world.members["anna", "team"] = frozenset(draw.sample(people, 3))
            case 7:
                world.retry_dead_letters()
            case 8 if draw.random() < 0.2:
                world.forget(name)
            case 9:
                world.crash()
            case _:
                world.step()
        world.now_ms += 1
    world.members["anna", "team"] = frozenset(people)
    world.settle()
    assert world.questions
