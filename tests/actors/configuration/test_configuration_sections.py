"""The sections of a file that are no plain options: accounts, agents, and the daemon's own."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.configuration import Configuration, Problem

WHERE = "channels.ztm-chat.accounts.my-bot"


@pytest.mark.parametrize(
    "name", ["my..bot", "..", ".", "a/b", "a\\\\b", " ", "", "a b", "é", "x" * 65]
)
def test_an_account_id_that_could_leave_its_folder_is_refused(
    refused: Callable[[str], list[Problem]], name: str
) -> None:
    options = "agentUrl: http://x, permitSource: file, permitFilePath: p, meshName: m, username: u"

    (problem,) = refused(f'channels: {{ztm-chat: {{accounts: {{"{name}": {{{options}}}}}}}}}')

    assert "account id" in problem.allowed


@pytest.mark.parametrize("account", ["my-bot: 1", "my-bot: []", "my-bot: text"])
def test_an_account_that_is_no_mapping_is_refused(
    refused: Callable[[str], list[Problem]], account: str
) -> None:
    (problem,) = refused(f"channels: {{ztm-chat: {{accounts: {{{account}}}}}}}")

    assert problem.option == WHERE


@pytest.mark.parametrize(
    ("section", "read", "value"),
    [
        ("store: {mapSize: 1GiB, maxMapSize: 2GiB}", lambda c: c.store.map_size, 1 << 30),
        ("store: {retention: 90d}", lambda c: c.store.retention_s, 90 * 86_400),
        ("store: {mapSize: 1GiB}", lambda c: c.store.retention_s, 0),
        ("store: {mapSize: 16777216}", lambda c: c.store.map_size, 1 << 24),
        ("store: {path: log}", lambda c: c.store.path.name, "log"),
        ("gateway: {maxTurns: 1}", lambda c: c.gateway.max_turns, 1),
        ("gateway: {socket: /run/z.sock}", lambda c: str(c.gateway.socket), "/run/z.sock"),
    ],
)
def test_the_daemons_own_sections_are_read(
    load_text: Callable[[str], Configuration],
    section: str,
    read: Callable[[Configuration], Any],
    value: Any,
) -> None:
    configuration = load_text(f"""
        channels:
          ztm-chat:
            {section}
            agentUrl: http://localhost:7777
            permitSource: file
            permitFilePath: p
            meshName: mesh
            username: my-bot
    """)

    assert read(configuration) == value


@pytest.mark.parametrize(
    ("section", "option"),
    [
        ("store: {retention: 13d}", "store.retention"),
        ("store: {retention: 0}", "store.retention"),
        ("store: {mapSize: 1}", "store.mapSize"),
        ("store: {mapSize: 64GB}", "store.mapSize"),
        ("store: {mapSize: 2TiB}", "store.mapSize"),
        ("store: {maxMapSize: 17TiB}", "store.maxMapSize"),
        ("store: []", "store"),
        ("gateway: {maxTurns: 257}", "gateway.maxTurns"),
        ("gateway: {maxTurns: '8'}", "gateway.maxTurns"),
        (f"gateway: {{socket: /{'x' * 120}}}", "gateway.socket"),
        ("accounts: [my-bot]", "accounts"),
        ("accounts: my-bot", "accounts"),
    ],
)
def test_the_daemons_own_sections_are_checked(
    refused: Callable[[str], list[Problem]], section: str, option: str
) -> None:
    problems = refused(f"""
        channels:
          ztm-chat:
            {section}
            agentUrl: http://localhost:7777
            permitSource: file
            permitFilePath: p
            meshName: mesh
            username: my-bot
    """)

    assert [problem.option for problem in problems] == [f"channels.ztm-chat.{option}"]


@pytest.mark.parametrize(
    ("agent", "option"),
    [
        ("{kind: command}", "argv"),
        ("{kind: command, argv: answer}", "argv"),
        ("{kind: command, argv: []}", "argv"),
        ("{kind: command, argv: [a], timeoutMs: 1}", "timeoutMs"),
        ("{kind: command, argv: [a], output: xml}", "output"),
        ("{kind: openai, model: x}", "baseUrl"),
        ("{kind: openai, model: x, baseUrl: 'http://u:p@x/v1'}", "baseUrl"),
        ("{kind: openai, model: x, baseUrl: 'http://x/v1', historyLines: 999}", "historyLines"),
        ("{kind: openai, model: x, baseUrl: 'http://x/v1', headers: {a: 1}}", "headers.a"),
        ("{kind: openai, model: x, baseUrl: 'http://x/v1', keyEnv: A, keyFile: /b}", "keyEnv"),
        ("{kind: echo, argv: [a]}", "argv"),
    ],
)
def test_an_agent_is_checked_by_its_kind(
    refused_account: Callable[[str], list[Problem]], agent: str, option: str
) -> None:
    problems = refused_account(f"agent: {agent}")

    assert [problem.option for problem in problems] == [f"{WHERE}.agent.{option}"]
