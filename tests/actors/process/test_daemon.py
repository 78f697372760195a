"""The whole daemon against the embedded mesh, in one process: what a user can see."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from actors.messages import PairingDecision
from actors.process.daemon import AccountMoved, Daemon
from events.account.state import fold
from events.conversation.events import AgentFailed, MessageIgnored, MessageSeen, ReplySent
from events.streams import account_stream
from tests.actors.daemon_runs import Start, events, replies, seen, texts
from tests.actors.http_servers import Model, tls_proxy
from tests.actors.ztm.certificates import Authority, demanding
from tests.store.processes import child, heard
from ztm_chat.mesh import Mesh, MeshAgent


def test_a_model_is_asked_over_http_with_the_history_of_the_conversation(
    start: Start, alice: MeshAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_KEY", "sk-secret-of-the-operator")
    with Model(lambda messages: f"answer to {messages[-1]['content']}") as model:
        agent = {"kind": "openai", "baseUrl": model.url, "model": "m", "keyEnv": "MODEL_KEY"}
        with start(agent=agent):
            alice.send("my-bot", "first")
            alice.wait_for(replies(1), sender="my-bot")
            alice.send("my-bot", "second")
            entries = alice.wait_for(replies(2), sender="my-bot")
    assert texts(entries) == ["answer to first", "answer to second"]
    said = [(request["role"], request["content"]) for request in model.requests[1]["messages"][1:]]
    assert said == [("user", "first"), ("assistant", "answer to first"), ("user", "second")]
    assert model.headers[0]["authorization"] == "Bearer sk-secret-of-the-operator"


def test_a_model_that_is_down_for_a_moment_is_asked_again(
    start: Start, alice: MeshAgent, tmp_path: Path
) -> None:
    with Model(lambda _: "here I am") as model:
        model.fail_next = 1
        with start(agent={"kind": "openai", "baseUrl": model.url, "model": "m"}):
            alice.send("my-bot", "anybody there?")
            entries = alice.wait_for(replies(1), sender="my-bot")
    assert texts(entries) == ["here I am"]
    (failed,) = events(tmp_path, "account/bot/peer/alice", AgentFailed)
    assert (failed.attempt, failed.transient, failed.error) == (1, True, "AgentUnavailable")
    keys = [headers["idempotency-key"] for headers in model.headers]
    assert len(set(keys)) == 2, "a known failure makes a new attempt, with a key of its own"


def test_a_program_answers(start: Start, alice: MeshAgent, tmp_path: Path) -> None:
    program = tmp_path / "answer"
    program.write_text(
        "#!/usr/bin/env python3\n"
        "import json, sys\n"
        "question = json.load(sys.stdin)\n"
        "print(question['messages'][0]['text'].upper())\n"
    )
    program.chmod(0o755)
    with start(agent={"kind": "command", "argv": [str(program)]}):
        alice.send("my-bot", "quietly")
        entries = alice.wait_for(replies(1), sender="my-bot")
    assert texts(entries) == ["QUIETLY"]


def test_an_agent_behind_mutual_tls_is_reached_with_our_certificate(
    start: Start, alice: MeshAgent, bot: MeshAgent, tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path, "clients"), Authority(tmp_path, "servers")
    server, client = theirs.issue("server"), ours.issue("bot")
    context = demanding(server, clients_of=ours)
    tls = {
        "caFile": str(theirs.file),
        "certFile": str(client.cert),
        "keyFile": str(client.key),
    }
    with tls_proxy(context, bot.port) as url, start(agentUrl=url, tls=tls):
        alice.send("my-bot", "over tls")
        entries = alice.wait_for(replies(1), sender="my-bot")
    assert texts(entries) == ["You said: over tls"]


def test_two_accounts_keep_to_themselves(
    mesh: Mesh, start: Start, alice: MeshAgent, tmp_path: Path
) -> None:
    other = mesh.join("other-bot")
    second = {
        "agentUrl": other.url,
        "permitSource": "file",
        "permitFilePath": str(tmp_path / "permit.json"),
        "meshName": "demo-mesh",
        "username": "other-bot",
        "dmPolicy": "deny",
    }
    with start(accounts={"other": second}) as daemon:
        alice.send("other-bot", "hello other")
        alice.send("my-bot", "hello bot")
        alice.wait_for(replies(1), sender="my-bot")
        mesh.wait_for(lambda: daemon.log.version("account/other/peer/alice"), timeout_s=30)
    assert alice.inbox("other-bot") == []
    assert len(events(tmp_path, "account/other/peer/alice", MessageSeen)) == 1
    assert len(events(tmp_path, "account/bot/peer/alice", MessageSeen)) == 1


def test_a_bad_certificate_file_is_the_trouble_of_its_account_alone(
    mesh: Mesh, start: Start, alice: MeshAgent, tmp_path: Path
) -> None:
    other = mesh.join("other-bot")
    second = {
        "agentUrl": other.url.replace("http:", "https:"),
        "permitSource": "file",
        "permitFilePath": str(tmp_path / "permit.json"),
        "meshName": "demo-mesh",
        "username": "other-bot",
        "tls": {"caFile": str(tmp_path / "gone.pem")},
    }
    unused = {"caFile": str(tmp_path / "not used without https.pem")}
    with start(accounts={"other": second}, tls=unused) as daemon:
        alice.send("my-bot", "hello bot")
        alice.wait_for(replies(1), sender="my-bot")
        mesh.wait_for(
            lambda: "gone.pem" in status_of(daemon, "other")["health"]["error"], timeout_s=10
        )
        assert status_of(daemon, "bot")["health"]["error"] == ""


def status_of(daemon: Daemon, account: str) -> Any:
    accounts = daemon.status()["accounts"]
    return next(status for status in accounts if status["id"] == account)


def test_a_restart_goes_on_and_repeats_nothing(start: Start, alice: MeshAgent) -> None:
    with start():
        alice.send("my-bot", "one")
        alice.wait_for(replies(1), sender="my-bot")
    alice.send("my-bot", "two")
    with start():
        alice.wait_for(replies(2), sender="my-bot")
        alice.send("my-bot", "three")
        entries = alice.wait_for(replies(3), sender="my-bot")
    assert texts(entries) == ["You said: one", "You said: two", "You said: three"]


def test_what_a_person_says_with_the_bots_account_is_recorded_as_theirs(
    start: Start, bot: MeshAgent, alice: MeshAgent, tmp_path: Path
) -> None:
    with start():
        alice.send("my-bot", "who is it?")
        alice.wait_for(replies(1), sender="my-bot")
        bot.send("alice", "it is me, the operator")
        alice.send("my-bot", "ah")
        alice.wait_for(replies(3), sender="my-bot")
    ignored = events(tmp_path, "account/bot/peer/alice", MessageIgnored)
    assert [(event.sender, event.reason) for event in ignored] == [("my-bot", "self")]
    assert all(event.sender == "alice" for event in seen(tmp_path))


class Noted:
    """Notes what the operator is answered."""

    def __init__(self) -> None:
        self.given: list[str | None] = []

    def give(self, value: str | None) -> None:
        self.given.append(value)

    def fail(self, reason: str) -> None:
        raise AssertionError(reason)


def test_an_approval_lets_in_and_outlives_a_restart(start: Start, alice: MeshAgent) -> None:
    answer = Noted()
    with start(dmPolicy="pairing") as daemon:
        alice.send("my-bot", "let me in")
        (asked,) = alice.wait_for(replies(1), sender="my-bot")
        assert "ztm-chat pairing approve ztm-chat" in asked.text
        daemon.tell(account_stream("bot"), PairingDecision("approve", "alice", "test", answer))
        alice.wait_for(replies(2), sender="my-bot")
        assert answer.given == ["alice"]
    with start(dmPolicy="pairing") as daemon:
        alice.send("my-bot", "now?")
        entries = alice.wait_for(replies(3), sender="my-bot")
        assert fold(daemon.log.read_stream(account_stream("bot"))).pairing("alice", 0) == "approved"
    assert texts(entries)[1:] == ["You are approved; please write again.", "You said: now?"]


def test_an_account_that_became_somebody_else_is_refused(
    mesh: Mesh, start: Start, alice: MeshAgent
) -> None:
    with start():
        alice.send("my-bot", "hello")
        alice.wait_for(replies(1), sender="my-bot")
    mesh.join("imposter")
    with (
        pytest.raises(AccountMoved, match="account bot was my-bot on mesh demo-mesh"),
        start(username="imposter"),
    ):
        pass
    with start():
        alice.send("my-bot", "still you?")
        alice.wait_for(replies(2), sender="my-bot")


def test_colours_of_a_terminal_never_reach_the_wire(
    start: Start, alice: MeshAgent, tmp_path: Path
) -> None:
    program = tmp_path / "colourful"
    program.write_text("#!/bin/sh\nprintf '\\033[31mred\\033[0m \\000\\007alert'\n")
    program.chmod(0o755)
    with start(agent={"kind": "command", "argv": [str(program)]}):
        alice.send("my-bot", "what colour?")
        entries = alice.wait_for(replies(1), sender="my-bot")
    assert texts(entries) == ["red alert"]


def test_readers_are_shown_and_the_slots_of_dead_ones_are_freed_on_the_tick(start: Start) -> None:
    with start() as daemon:
        with child("stay_in_a_read", daemon.config.store.path) as reader:
            assert heard(reader) == {"reading": True}
            daemon._tick()
            assert daemon.status()["log"]["readers"] == 1
            assert daemon.status()["log"]["freedSlots"] == 0
        daemon._tick()
        assert daemon.status()["log"]["readers"] == 0
        assert daemon.status()["log"]["freedSlots"] == 1


def test_after_a_restart_the_status_knows_when_something_last_came_and_went(
    start: Start, alice: MeshAgent
) -> None:
    with start() as daemon:
        assert daemon.status()["accounts"][0]["inboundAt"] == 0
        alice.send("my-bot", "hello")
        recorded = daemon.log.follow(0, threading.Event())
        assert any(isinstance(record.event, ReplySent) for record in recorded)
    with start() as daemon:
        account = daemon.status()["accounts"][0]
        assert 0 < account["inboundAt"] < daemon.started_ms
        assert account["inboundAt"] <= account["outboundAt"] < daemon.started_ms


def test_a_group_key_that_no_group_fits_is_named_once_the_groups_are_known(
    start: Start, alice: MeshAgent
) -> None:
    alice.create_group("g1", name="Team", members=["my-bot"])
    keys = ("alice/team", "alice/g1", "alice/taem", "bob/team")
    with start(enableGroups=True, groupPermissions={key: {} for key in keys}) as daemon:
        alice.send("my-bot", "hello")
        alice.wait_for(replies(1), sender="my-bot")
        until = time.monotonic() + 20
        while daemon.status()["accounts"][0]["unmatchedGroups"] != ("alice/taem", "bob/team"):
            assert time.monotonic() < until, daemon.status()["accounts"][0]
            time.sleep(0.05)
