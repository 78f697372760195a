"""Who is in a group is known to its conversation before what they write, by either source."""

from contextlib import suppress

import pytest

from actors.messages import GroupSeen, IncomingBatch
from tests.actors.ztm.conftest import Watch
from tests.actors.ztm.watched_mesh import Recorder, group
from ztm_chat.mesh import Mesh, MeshAgent, MessageRefused

TEAM = group("alice", "g")


@pytest.fixture(params=["feed", "chat"])
def source(request: pytest.FixtureRequest, bot: MeshAgent) -> str:
    """What shows the mesh: an agent that gives its files, or an older one."""
    if request.param == "chat":
        bot.refuse_files()
    return str(request.param)


@pytest.fixture
def team(alice: MeshAgent, mesh: Mesh) -> MeshAgent:
    """A group of alice and the bot; carol, who is returned, is not in it yet."""
    carol = mesh.join("carol")
    alice.create_group("g", name="Team", members=["alice", "my-bot"])
    return carol


def knows(recorder: Recorder, *members: str) -> bool:
    return recorder.members.get(TEAM) == frozenset(members)


def told_of_members(recorder: Recorder) -> int:
    """How often the account was told who is in a group."""
    return sum(isinstance(told, GroupSeen) for told in recorder.told)


def _has_sent(member: MeshAgent, text: str) -> bool | None:
    """Whether the group took the message; an agent that has not heard of the group refuses it."""
    with suppress(MessageRefused):
        member.send_to_group("alice", "g", text)
        return True
    return None


@pytest.mark.usefixtures("source")
def test_a_new_member_is_told_before_their_first_message(
    watch: Watch, recorder: Recorder, alice: MeshAgent, team: MeshAgent
) -> None:
    watch()
    alice.send_to_group("alice", "g", "before carol came")
    recorder.wait_for_texts("before carol came")
    alice.create_group("g", name="Team", members=["alice", "my-bot", "carol"])
    team.mesh.wait_for(lambda: _has_sent(team, "hello, I am new"), timeout_s=10)
    recorder.wait_for_texts("before carol came", "hello, I am new")
    with_carol = next(
        place
        for place, told in enumerate(recorder.told)
        if isinstance(told, GroupSeen) and "carol" in (told.facts.members or ())
    )
    first = next(
        place
        for place, told in enumerate(recorder.told)
        if isinstance(told, IncomingBatch)
        and any(arrival.sender == "carol" for arrival in told.arrivals)
    )
    assert with_carol < first


@pytest.mark.usefixtures("source", "team")
def test_while_members_are_refused_nothing_of_the_group_is_delivered(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent
) -> None:
    alice.send_to_group("alice", "g", "who am I?")
    bot.wait_for(lambda found: len(found) == 1, group=("alice", "g"))
    recorder.refuse_members.add(TEAM)
    watch(wait=False)
    recorder.wait_for(lambda: told_of_members(recorder) >= 2)
    assert recorder.texts(TEAM) == []
    recorder.refuse_members.clear()
    recorder.wait_for_texts("who am I?", conversation=TEAM)
    assert knows(recorder, "alice", "my-bot")


@pytest.mark.usefixtures("source")
def test_while_a_change_of_members_is_refused_nothing_of_the_group_is_delivered(
    watch: Watch, recorder: Recorder, alice: MeshAgent, bot: MeshAgent, team: MeshAgent
) -> None:
    watch()
    alice.send_to_group("alice", "g", "before carol came")
    recorder.wait_for_texts("before carol came")
    watch(watching=False)
    alice.create_group("g", name="Team", members=["alice", "my-bot", "carol"])
    team.mesh.wait_for(lambda: _has_sent(team, "hello, I am new"), timeout_s=10)
    bot.wait_for(lambda found: len(found) == 1, sender="carol", group=("alice", "g"))
    recorder.refuse_members.add(TEAM)
    told_before = told_of_members(recorder)
    watch(wait=False)
    recorder.wait_for(lambda: told_of_members(recorder) >= told_before + 2)
    assert recorder.texts(TEAM) == ["before carol came"]
    recorder.refuse_members.clear()
    recorder.wait_for_texts("before carol came", "hello, I am new")


@pytest.mark.usefixtures("source", "team")
def test_members_that_are_known_are_not_told_again(
    watch: Watch, recorder: Recorder, alice: MeshAgent
) -> None:
    watch()
    for number in range(5):
        alice.send_to_group("alice", "g", f"number {number}")
        recorder.wait_for_texts(*(f"number {sent}" for sent in range(number + 1)))
    assert told_of_members(recorder) == 1
    recorder.members.clear()
    watch()
    recorder.wait_for(lambda: knows(recorder, "alice", "my-bot"))
