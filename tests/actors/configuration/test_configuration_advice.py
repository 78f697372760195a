"""What is allowed, but warned of."""

from collections.abc import Callable

import pytest

from actors.configuration import Configuration, Problem

Warned = Callable[[str], tuple[Problem, ...]]
GROUPS = "enableGroups: true, creatorBypass: false, groupPermissions"


SENDER_TOOLS = "{a/b: {toolsBySender: {bob: {deny: [exec]}}}}"


@pytest.fixture
def warned(load_text: Callable[[str], Configuration]) -> Warned:
    """The warnings about one account with the options of the test, written in one line, the 3rd."""

    def warnings(options: str) -> tuple[Problem, ...]:
        required = {
            "agentUrl": "http://localhost:7777",
            "permitSource": "file",
            "permitFilePath": "p",
            "meshName": "mesh",
            "username": "my-bot",
            "agent": "{kind: command, argv: [answer]}",
        }
        rest = "".join(
            f", {name}: {value}" for name, value in required.items() if f"{name}:" not in options
        )
        return load_text(f"channels:\n  ztm-chat:\n    {{{options}{rest}}}\n").warnings

    return warnings


@pytest.mark.parametrize(
    ("options", "option", "words"),
    [
        ("allowFrom: ['*']", "allowFrom[0]", "everyone is answered"),
        ("dmPolicy: deny, allowFrom: [a, ' * ']", "allowFrom[1]", "dmPolicy is deny"),
        ("agentUrl: http://10.0.0.7:7777", "agentUrl", "plain http to another machine"),
        ("permitUrl: http://permits.example", "permitUrl", "plain http to another machine"),
        ("tls: {caFile: /ca}", "tls", "not used"),
        ("enableGroups: true", "enableGroups", "a stranger who creates a group"),
        ("enableGroups: true, creatorBypass: true", "creatorBypass", "a stranger"),
        ("groupPermissions: {a/b: {}}", "groupPermissions", "enableGroups is false"),
        (f"{GROUPS}: {{a/b: {{tools: {{allow: []}}}}}}",
         "groupPermissions.a/b.tools.allow", "no tool may be used"),
        (f"{GROUPS}: {{a/b: {{tools: {{deny: [exec]}}}}}}",
         "groupPermissions.a/b.tools.deny", "grants every tool"),
        (f"{GROUPS}: {{a/b: {{tools: {{allow: [exce]}}}}}}",
         "groupPermissions.a/b.tools.allow", "unknown tool 'exce'"),
        (f"{GROUPS}: {{a/b: {{toolsBySender: {{'x: y': {{alsoAllow: [exce]}}}}}}}}",
         'groupPermissions.a/b.toolsBySender["x: y"].alsoAllow', "unknown tool 'exce'"),
        ("dmPolicy: allow, allowFrom: [alice]", "allowFrom", "listed or not"),
        (f"groupPolicy: open, {GROUPS}: {{a/b: {{allowFrom: [bob]}}}}",
         "groupPermissions.a/b.allowFrom", "groupPolicy is open"),
        (f"{GROUPS}: {{a/b: {{groupPolicy: disabled, allowFrom: [bob]}}}}",
         "groupPermissions.a/b.allowFrom", "groupPolicy is disabled"),
        (f"{GROUPS}: {{a/b: {{toolsBySender: {{bob: {{}}}}}}}}",
         "groupPermissions.a/b.toolsBySender.bob", "it changes nothing"),
        (f"agent: {{kind: echo}}, {GROUPS}: {{a/b: {{tools: {{allow: [exec]}}}}}}",
         "groupPermissions.a/b.tools", "the agent is echo"),
        (f"agent: {{kind: openai, baseUrl: 'http://[::1]', model: m}}, {GROUPS}: {SENDER_TOOLS}",
         "groupPermissions.a/b.toolsBySender", "restrict the tools on its server"),
        (f"{GROUPS}: {{a/b: {{}}, A/B: {{}}}}", "groupPermissions.A/B", "differs from a/b"),
        ("agent: {kind: openai, baseUrl: 'http://llm.example/v1', model: m}",
         "agent", "plain http"),
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_an_operator_is_warned_of(warned: Warned, options: str, option: str, words: str) -> None:
    (warning,) = warned(options)

    assert warning.option == f"channels.ztm-chat.{option}"
    assert words in str(warning)
    assert warning.line == 3


@pytest.mark.parametrize(
    "options",
    [
        "dmPolicy: allow, allowFrom: ['*']",
        "allowFrom: [alice]",
        "agentUrl: https://ztm.example, tls: {caFile: /ca}",
        "agentUrl: http://127.0.0.2:7777",
        "agentUrl: 'http://[::1]:7777'",
        "enableGroups: true, creatorBypass: [alice]",
        "enableGroups: false, creatorBypass: true",
        f"{GROUPS}: {{a/b: {{}}, a/c: {{}}}}",
        f"{GROUPS}: {{a/b: {{tools: {{allow: [exec], deny: [bash]}}}}}}",
        f"{GROUPS}: {{a/b: {{allowFrom: ['*']}}}}",
        f"{GROUPS}: {{a/b: {{groupPolicy: open, allowFrom: ['*']}}}}",
        f"{GROUPS}: {{a/b: {{groupPolicy: open, allowFrom: []}}}}",
        "agent: {kind: openai, baseUrl: 'http://localhost/v1', model: m}",
    ],
)
def test_an_operator_is_not_warned_of(warned: Warned, options: str) -> None:
    assert warned(options) == ()


def test_what_several_accounts_inherit_is_warned_of_once(
    load_text: Callable[[str], Configuration],
) -> None:
    (warning,) = load_text("""
        channels:
          ztm-chat:
            agentUrl: http://ztm.example
            permitSource: file
            permitFilePath: p
            meshName: mesh
            accounts: {one: {username: one}, two: {username: two}}
    """).warnings

    assert warning.option == "channels.ztm-chat.agentUrl"
