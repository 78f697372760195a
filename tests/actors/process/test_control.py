"""The private socket: who may open it, whose file it replaces, and what is answered on it."""

import asyncio
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.configuration import AccountConfig, load
from actors.messages import PairingDecision
from actors.process import control
from actors.process.control import Control
from actors.process.pairings import AmbiguousCode, Pending, of_code
from actors.process.private_socket import SocketUnusable, bind
from events.account.events import PairingRequested
from events.event import Body, Draft
from store.log.memory_log import MemoryLog
from ztm_chat.failure import Failure
from ztm_chat.socket_client import ask

CODE = "ABCD2345"
CONFIG = """\
channels:
  ztm-chat:
    permitSource: file
    permitFilePath: /permit.json
    meshName: mesh
    accounts:
      one: {agentUrl: "http://127.0.0.1:9", username: bot-one}
      two: {agentUrl: "http://127.0.0.1:9", username: bot-two}
"""


@pytest.fixture
def accounts(tmp_path: Path) -> tuple[AccountConfig, ...]:
    (tmp_path / "openclaw.yaml").write_text(CONFIG)
    return load(tmp_path / "openclaw.yaml", {"HOME": str(tmp_path)}).accounts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "socket"


def asked_to_pair(log: MemoryLog, account: str, person: str, code: str = CODE) -> None:
    requested = PairingRequested(person, b"d" * 32, expires_ms=2_000)
    stream = f"account/{account}"
    draft = Draft(stream, requested, bodies=(Body(person, code, b"s" * 16),))
    log.commit([draft], expected={stream: log.version(stream)})


def served(
    path: Path,
    log: MemoryLog,
    accounts: tuple[AccountConfig, ...],
    asking: Callable[[], Any],
    tell: Callable[[str, Any], None],
) -> Any:
    """What `asking` gives, on a thread, while the socket at `path` is served."""

    async def run() -> Any:
        serving = Control(path, log, accounts, status=dict, tell=tell, now_ms=lambda: 1_000)
        task = asyncio.create_task(serving.serve())
        try:
            return await asyncio.to_thread(asking)
        finally:
            task.cancel()
            await asyncio.wait([task])
            serving.close()

    return asyncio.run(run())


def approve(path: Path, code: str, account: str = "") -> Callable[[], Any]:
    return lambda: ask(path, "POST", "/pairings/approve", {"code": code, "account": account})


def test_the_account_that_gave_a_code_is_told_the_ruling(
    path: Path, accounts: tuple[AccountConfig, ...]
) -> None:
    log = MemoryLog()
    asked_to_pair(log, "two", "alice")
    told: list[tuple[str, PairingDecision]] = []

    def tell(stream: str, decision: PairingDecision) -> None:
        told.append((stream, decision))
        decision.answer.give(decision.person)

    answer = served(path, log, accounts, approve(path, f" {CODE.lower()} "), tell)
    assert answer == {"account": "two", "person": "alice"}
    ((stream, decision),) = told
    assert (stream, decision.kind, decision.person) == ("account/two", "approve", "alice")


def test_a_code_of_two_accounts_is_refused_until_one_is_named(
    path: Path, accounts: tuple[AccountConfig, ...]
) -> None:
    log = MemoryLog()
    asked_to_pair(log, "one", "alice")
    asked_to_pair(log, "two", "bob")

    def tell(_: str, decision: PairingDecision) -> None:
        decision.answer.give(decision.person)

    with pytest.raises(
        Failure, match=r"several accounts \(one, two\) have a request with this code"
    ):
        served(path, log, accounts, approve(path, CODE), tell)
    answer = served(path, log, accounts, approve(path, CODE, "two"), tell)
    assert answer == {"account": "two", "person": "bob"}


def test_a_decision_that_is_not_recorded_in_time_is_reported(
    path: Path, accounts: tuple[AccountConfig, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ANSWER_S", 0.05)
    log = MemoryLog()
    asked_to_pair(log, "one", "alice")
    with pytest.raises(Failure, match="it may still complete"):
        served(path, log, accounts, approve(path, CODE), lambda _, __: None)


@pytest.mark.parametrize("code", ["", "ABCD234", "ABCD23456", "ÄBCD2345", "*"])
def test_a_code_is_compared_whole(code: str) -> None:
    assert of_code([Pending("one", "alice", CODE, 0, 1)], code) is None


def test_one_person_with_one_code_in_two_accounts_is_ambiguous_too() -> None:
    with pytest.raises(AmbiguousCode):
        of_code([Pending(account, "alice", CODE, 0, 1) for account in ("one", "two")], CODE)


def test_the_socket_and_its_folder_are_the_owners_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        listening = bind(path)
        assert os.umask(0) == 0  # left as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    listening.close()


def test_a_socket_that_nobody_answers_on_is_replaced(path: Path) -> None:
    bind(path).close()  # its file stays
    bind(path).close()


def test_a_socket_that_somebody_answers_on_is_left_alone(path: Path) -> None:
    with bind(path):
        with pytest.raises(SocketUnusable, match="another daemon is listening"):
            bind(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_file_or_a_link_in_the_way_is_never_removed(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text("precious")
    link = path.with_name("link")
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(SocketUnusable, match="is not a socket: move it"):
            bind(name)
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_or_has_no_folder_names_the_trouble(path: Path) -> None:
    with pytest.raises(SocketUnusable, match=r"set gateway\.socket"):
        bind(path / ("x" * 110))
    path.parent.mkdir()
    path.write_text("")
    with pytest.raises(SocketUnusable, match="cannot create the daemon's socket"):
        bind(path / "socket")
