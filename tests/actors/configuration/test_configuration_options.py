"""Every option: its value, its absence, and what is wrong with it."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.agents.settings import EchoSettings
from actors.configuration import AccountConfig, PermitFile, PermitServer, Problem
from actors.configuration.options import (
    AccountOptions,
    ChannelOptions,
    GatewayOptions,
    GroupOptions,
    StoreOptions,
    TlsOptions,
)
from actors.configuration.wording import option_names
from events.policy.account_policy import AccountPolicy

DEFAULT = AccountPolicy(username="my-bot")
WHERE = "channels.ztm-chat.accounts.my-bot"

# Option, a value as it is written, what it becomes, what its absence becomes, wrong values.
OPTIONAL: list[tuple[str, str, Callable[[AccountConfig], Any], Any, Any, list[str]]] = [
    ("enabled", "false", lambda a: a.enabled, False, True, ["1", '"true"', "[]", "maybe"]),
    ("apiTimeout", "1000", lambda a: a.api_timeout_ms, 1000, 30_000,
     ['"5000"', "999", "300001", "5000.5", "-1", "true", "[5000]", "1e4", ".inf", "1:00"]),
    ("heal", "no", lambda a: a.heal, False, True, ['"no"', "0"]),
    ("dmPolicy", "deny", lambda a: a.policy.dm_policy, "deny", "pairing",
     ["allowlist", "Pairing", "true", "[pairing]", '""']),
    ("allowFrom", '[" alice ", "*"]', lambda a: a.policy.allow_from, ("alice", "*"), (),
     ["alice", "[1]", "[null]", '[""]', "[a/b]", "{a: b}", '["a\\nb"]', "[..]", "[[a]]"]),
    ("enableGroups", "true", lambda a: a.policy.enable_groups, True, False, ['"false"', "2"]),
    ("groupPolicy", "open", lambda a: a.policy.group_policy, "open", "allowlist",
     ["allow", "false", "1"]),
    ("requireMention", "false", lambda a: a.policy.require_mention, False, True, ["0", "never"]),
    ("creatorBypass", "[alice]", lambda a: a.policy.creator_bypass, ("alice",), True,
     ["alice", "[1]", "1", "{}"]),
    ("groupPermissions", "{a/b: {}}", lambda a: len(a.policy.group_permissions), 1, 0,
     ["[a/b]", "{a: {}}", "{/b: {}}", "{a/: {}}", "{a/b: []}", "open", "{'a/ b': {}}"]),
    ("turnBudget", "1", lambda a: a.policy.turn_budget, 1, 30, ["0", "100001", '"30"', "1.5"]),
    ("turnWindow", "1h", lambda a: a.policy.turn_window_s, 3600, 600, ["9s", "2d", "x", "true"]),
    ("maxMessageChars", "1", lambda a: a.policy.max_message_chars, 1, 10_000, ["0", "1000001"]),
    ("answerHorizon", "1h30m", lambda a: a.policy.answer_horizon_s, 5400, 86_400,
     ["59", "31d", "24 hours", '""', "-1", "1.5", "[24h]", "9999999999999h"]),
    ("attempts", "20", lambda a: a.policy.attempts, 20, 5, ["0", "21", "five"]),
    ("apology", '""', lambda a: a.policy.apology, "", DEFAULT.apology,
     ["no", "1", f'"{"x" * 2001}"']),
    ("groupApology", "Sorry", lambda a: a.policy.group_apology, "Sorry", "", ["[]", "3"]),
    ("agent", "{kind: echo, delayMs: 5}", lambda a: a.agent, EchoSettings(5), EchoSettings(),
     ["echo", "{}", "{kind: ehco}", "{kind: 1}", "{kind: null}", "{kind: echo, delayMs: -1}"]),
    ("tls", "{caFile: /ca}", lambda a: a.tls is not None, True, False,
     ["true", "{caFile: 1}", "{certFile: /c}", "{keyFile: /k}", '{caFile: ""}', "{caFile: ~x}"]),
]  # fmt: skip
REQUIRED: list[tuple[str, list[str]]] = [
    ("agentUrl", ["7777", '"localhost:7777"', "ftp://x", '"http://"', '"http://x:99999"',
                  '"http:// "', '"http://../x:7777"', "http://.", "http://a..b",
                  "http://x/?a=b", '"http://x/#a"', "http://u@x", "[http://x]", "http://x:0"]),
    ("permitSource", ["Server", "url", "true", "1"]),
    ("meshName", ['""', "1", ".", "..", "a/b", '" a"', '"a\\u0007b"', f'"{"é" * 128}"', "{}"]),
    ("username", ['" "', "no", "a\\b", '"a\\u202eb"', "[a]", '"a "']),
    ("permitFilePath", ['""', "5", "[p]", '"a\\0b"', "~alice/p"]),
]  # fmt: skip

wrong = [(case[0], value) for case in OPTIONAL for value in case[5]]
wrong += [(option, value) for option, values in REQUIRED for value in values]


@pytest.mark.parametrize("case", OPTIONAL, ids=lambda case: case[0])
def test_an_option_is_taken_as_it_is_written(
    load_account: Callable[[str], AccountConfig], case: tuple[Any, ...]
) -> None:
    option, written, read, value, _, _ = case

    assert read(load_account(f"{option}: {written}")) == value


@pytest.mark.parametrize("case", OPTIONAL, ids=lambda case: case[0])
@pytest.mark.parametrize(
    "absent", ["heal: true", "{}: null", "{}:"], ids=["missing", "null", "bare"]
)
def test_an_option_that_is_absent_or_null_has_its_default(
    load_account: Callable[[str], AccountConfig], case: tuple[Any, ...], absent: str
) -> None:
    option, _, read, _, default, _ = case

    assert read(load_account(absent.format(option))) == default


@pytest.mark.parametrize(("option", "written"), wrong, ids=lambda text: text[:20])
def test_a_wrong_value_is_one_error_that_names_file_line_and_option(
    refused_account: Callable[[str], list[Problem]], option: str, written: str
) -> None:
    (problem,) = refused_account(f"{option}: {written}")

    assert problem.file.endswith("openclaw.yaml")
    assert problem.line == 5
    assert problem.column > 8
    assert problem.option.startswith(f"{WHERE}.{option}")
    assert problem.found
    assert problem.allowed
    assert f"openclaw.yaml:5:{problem.column}: {WHERE}.{option}" in str(problem)


@pytest.mark.parametrize("option", [option for option, _ in REQUIRED])
@pytest.mark.parametrize("absent", [None, "null"])
def test_a_required_option_that_is_absent_or_null_is_an_error(
    refused: Callable[[str], list[Problem]], option: str, absent: str | None
) -> None:
    written = {
        "agentUrl": "http://localhost:7777",
        "permitSource": "file",
        "permitFilePath": "p",
        "meshName": "mesh",
        "username": "my-bot",
    } | {option: absent}
    body = "".join(f"    {name}: {value}\n" for name, value in written.items() if value)

    (problem,) = refused(f"channels:\n  ztm-chat:\n{body}")

    assert problem.option == f"channels.ztm-chat.{option}"
    assert problem.found == "nothing"
    assert "required" in (problem.hint or "")


def test_a_permit_server_needs_its_address(refused_account: Callable[[str], list[Problem]]) -> None:
    (problem,) = refused_account("permitSource: server")

    assert problem.option == f"{WHERE}.permitUrl"
    assert "permitSource is server" in (problem.hint or "")


@pytest.mark.parametrize("url", ["permits.example", "1", "http://u:p@x", "http://x#y"])
def test_the_address_of_a_permit_server_is_a_web_address(
    refused_account: Callable[[str], list[Problem]], url: str
) -> None:
    (problem,) = refused_account(f"permitSource: server\npermitUrl: {url}")

    assert problem.option == f"{WHERE}.permitUrl"


def test_the_permit_that_is_not_asked_for_may_be_named_too(
    load_account: Callable[[str], AccountConfig],
) -> None:
    both = "permitUrl: https://x/permit?for=bot\npermitFilePath: /p\npermitSource: "

    assert isinstance(load_account(both + "file").permit, PermitFile)
    assert load_account(both + "server").permit == PermitServer("https://x/permit?for=bot")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("http://localhost:7777/", "http://localhost:7777"),
        ("https://ztm.example/agent/", "https://ztm.example/agent"),
        ('"http://[::1]:7777"', "http://[::1]:7777"),
    ],
)
def test_an_agents_address_ends_without_a_slash(
    load_account: Callable[[str], AccountConfig], written: str, kept: str
) -> None:
    assert load_account(f"agentUrl: {written}").agent_url == kept


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("24h", 86_400), ("90m", 5_400), ("3600", 3_600), ("1d12h", 129_600), ('" 60s "', 60)],
)
def test_a_duration_is_seconds_or_units(
    load_account: Callable[[str], AccountConfig], written: str, seconds: int
) -> None:
    assert load_account(f"answerHorizon: {written}").policy.answer_horizon_s == seconds


@pytest.mark.parametrize("name", ["王小明", "Team é", "a.b", "O'Neill", "x" * 255, "*"])
def test_a_name_may_be_anything_that_does_no_harm(
    load_account: Callable[[str], AccountConfig], name: str
) -> None:
    account = load_account(f'username: "{name}"\nmeshName: "{name}"')

    assert (account.username, account.mesh, account.policy.username) == (name, name, name)


SECTIONS = [
    ("{}: 1", AccountOptions, ""),
    ("tls: {{{}: 1}}", TlsOptions, "tls."),
    ("groupPermissions: {{a/b: {{{}: 1}}}}", GroupOptions, "groupPermissions.a/b."),
]


@pytest.mark.parametrize(("text", "section", "prefix"), SECTIONS, ids=["account", "tls", "group"])
def test_an_unknown_option_is_an_error_that_suggests_the_near_one(
    refused_account: Callable[[str], list[Problem]],
    text: str,
    section: Any,
    prefix: str,
) -> None:
    for option in option_names(section):
        slip = f"{option}x"
        (problem,) = refused_account(text.format(slip))
        assert problem.option == f"{WHERE}.{prefix}{slip}"
        assert problem.found == "an unknown option"
        assert problem.hint == f"did you mean {option}?"


def test_every_option_of_the_vocabulary_is_tested_here() -> None:
    tested = {case[0] for case in OPTIONAL} | {option for option, _ in REQUIRED} | {"permitUrl"}

    assert tested == set(option_names(AccountOptions))
    assert set(option_names(ChannelOptions)) - tested == {"accounts", "store", "gateway"}
    assert option_names(StoreOptions) == ["path", "mapSize", "maxMapSize", "retention"]
    assert option_names(GatewayOptions) == ["socket", "maxTurns"]
