"""What is wrong is said at once, in the right place, in words that help, and without secrets."""

from collections.abc import Callable

import pytest

from actors.configuration import Configuration, ConfigurationInvalid, Problem

MANY = """\
channels:
  ztm-chat:
    apiTimeout: "5000"
    gatway: {}
    store: {mapSize: 3}
    accounts:
      one:
        agentUrl: localhost
        permitSource: server
        username: on
        tls: {certFile: /c}
        groupPermissions:
          alice-team: {}
          alice/team:
            creator: bob
            tools: {allow: exec}
            allowFrom: [1, 2]
      two:
        agentUrl: http://localhost
        agent: {kind: command, argv: [], timeoutMs: 5}
"""


def test_all_errors_are_reported_at_once_in_the_files_order(
    refused: Callable[[str], list[Problem]],
) -> None:
    found = [(problem.line, problem.option) for problem in refused(MANY)]

    base, one = "channels.ztm-chat", "channels.ztm-chat.accounts.one"
    two = "channels.ztm-chat.accounts.two"
    assert found == sorted(found, key=lambda place: place[0])
    assert set(found) == {
        (3, f"{base}.apiTimeout"),
        (4, f"{base}.gatway"),
        (5, f"{base}.store.mapSize"),
        (7, f"{one}.permitUrl"),
        (7, f"{one}.meshName"),
        (8, f"{one}.agentUrl"),
        (10, f"{one}.username"),
        (11, f"{one}.tls.keyFile"),
        (13, f"{one}.groupPermissions.alice-team"),
        (15, f"{one}.groupPermissions.alice/team.creator"),
        (16, f"{one}.groupPermissions.alice/team.tools.allow"),
        (17, f"{one}.groupPermissions.alice/team.allowFrom[0]"),
        (17, f"{one}.groupPermissions.alice/team.allowFrom[1]"),
        (18, f"{two}.permitSource"),
        (18, f"{two}.meshName"),
        (18, f"{two}.username"),
        (20, f"{two}.agent.argv"),
        (20, f"{two}.agent.timeoutMs"),
    }


def test_the_error_itself_reads_as_one_line_a_problem(load_text: Callable[[str], object]) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        load_text(MANY)

    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]


def test_what_several_accounts_inherit_is_wrong_once(
    refused: Callable[[str], list[Problem]],
) -> None:
    problems = refused("""
        channels:
          ztm-chat:
            agentUrl: nowhere
            permitSource: file
            permitFilePath: p
            meshName: mesh
            accounts: {one: {username: one}, two: {username: two}}
    """)

    assert [problem.option for problem in problems] == ["channels.ztm-chat.agentUrl"]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ("dmPolicy: allowlist", "use `deny`, with the names in allowFrom"),
        ("dmPolicy: pairng", "did you mean pairing?"),
        ("groupPolicy: deny", "use `disabled`"),
        ("permitSource: Server", "did you mean server?"),
        ("agent_url: http://x", "did you mean agentUrl?"),
        ("store: {}", "store belongs in channels.ztm-chat"),
        ("maxTurns: 3", "maxTurns belongs in gateway"),
        ("groupPermissions: {a/b: {dmPolicy: deny}}", "dmPolicy belongs in channels.ztm-chat"),
        (
            "groupPermissions: {a/b: {tools: {toolsBySender: {}}}}",
            "toolsBySender belongs in an entry of groupPermissions",
        ),
        ("<<: {heal: true}", "merge keys are not supported; write the options out"),
        ('apiTimeout: "5000"', "write it without quotes"),
        ('heal: "yes"', "write it without quotes"),
        ("username: 123", "write it in quotes"),
        ("allowFrom: alice", "a list is written as [one, two]"),
        ("groupPermissions: {a/b: {group: c}}", "it must equal the key, or be left out"),
        ("tls: {keyFile: /k}", "certFile and keyFile belong together"),
        ("agentUrl: http://u:p@x", "leave out the part before @"),
        ("answerHorizon: a day", "write it like 24h, 90m or 1h30m, or as a number of seconds"),
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_a_hint_says_what_to_write_instead(
    refused_account: Callable[[str], list[Problem]], options: str, hint: str
) -> None:
    (problem,) = refused_account(options)

    assert problem.hint == hint


def test_an_option_that_is_there_twice_names_both_lines(
    refused_account: Callable[[str], list[Problem]],
) -> None:
    (problem,) = refused_account("heal: true\napiTimeout: 1000\nheal: false")

    assert problem.line == 7
    assert problem.found == '"heal" twice, in line 5 and in line 7'


def test_an_account_that_is_there_twice_names_both_lines(
    refused: Callable[[str], list[Problem]],
) -> None:
    options = "agentUrl: http://x, permitSource: file, permitFilePath: p, meshName: m, username: u"
    problems = refused(f"""
        channels:
          ztm-chat:
            accounts:
              a: {{{options}}}
              a: {{}}
    """)

    assert [problem.found for problem in problems] == ['"a" twice, in line 5 and in line 6']


TWINS = """\
channels:
  ztm-chat:
    permitSource: file
    permitFilePath: p
    meshName: mesh
    username: my-bot
    accounts:
      one:
        agentUrl: {one}
      two:
        agentUrl: {two}
        {options}
"""


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("http://localhost:7777", "http://localhost:7777/"),
        ("http://localhost:7777", "http://127.0.0.1:7777"),
        ("http://localhost", "http://LOCALHOST:80"),
        ('"http://[::1]:7777"', "http://localhost:7777"),
        ("https://Ztm.Example", "https://ztm.example:443/"),
    ],
)
def test_two_accounts_of_one_ztm_user_are_an_error_that_names_both_lines(
    refused: Callable[[str], list[Problem]], one: str, two: str
) -> None:
    (problem,) = refused(TWINS.format(one=one, two=two, options="heal: true"))

    assert problem.option == "channels.ztm-chat.accounts.two"
    assert "channels.ztm-chat.accounts.one (line 8) and here (line 10)" in problem.found


@pytest.mark.parametrize(
    ("two", "options"),
    [
        ("http://localhost:7778", "heal: true"),
        ("https://localhost:7777", "heal: true"),
        ("http://localhost:7777", "enabled: false"),
        ("http://localhost:7777", "username: My-Bot"),
        ("http://localhost:7777", "meshName: other"),
    ],
)
def test_two_accounts_that_differ_or_are_not_both_enabled_are_allowed(
    load_text: Callable[[str], Configuration], two: str, options: str
) -> None:
    text = TWINS.format(one="http://localhost:7777", two=two, options=options)

    assert len(load_text(text).accounts) == 2


SECRET = "hunter2"


@pytest.mark.parametrize(
    "options",
    [
        f"agentUrl: ftp://me:{SECRET}@host",
        f"agentUrl: http://me:{SECRET}@host",
        f"agentUrl: http://host/?token={SECRET}",
        f"agentUrl: ftp://host/?token={SECRET}",
        f"permitSource: server\npermitUrl: ftp://host/?token={SECRET}",
        f"permitSource: server\npermitUrl: ftp://me:{SECRET}@host",
        f"apiKey: {SECRET}",
        f"password: [{SECRET}]",
        f"token: {{{SECRET}: {SECRET}}}",
        f"agent: {SECRET}",
        f"tls: {SECRET}",
        f"tls: {{keyFile: ~{SECRET}, certFile: /c}}",
        f"agent: {{kind: openai, baseUrl: 'http://x/v1', model: m, keyEnv: 'sk-{SECRET}'}}",
        f"agent: {{kind: openai, baseUrl: 'http://x/v1', model: m, keyFile: '{SECRET}'}}",
        f"agent: {{kind: openai, baseUrl: 'http://x/v1', model: m, apiKey: '{SECRET}'}}",
        f"agent: {{kind: openai, baseUrl: 'http://me:{SECRET}@x/v1', model: m}}",
        f"agent: {{kind: openai, baseUrl: 'http://x/v1', model: m, headers: {{Cookie: {SECRET}}}}}",
        f"agent: {{kind: openai, baseUrl: 'http://x/v1', model: m, headers: {{a: !x {SECRET}}}}}",
        f"agent: {{kind: command, argv: [a, !x {SECRET}]}}",
        f"agent: {{kind: command, argv: {SECRET}}}",
    ],
)  # fmt: skip
def test_a_secret_is_in_no_error(
    refused_account: Callable[[str], list[Problem]], options: str
) -> None:
    problems = refused_account(options)

    assert problems
    for problem in problems:
        assert SECRET not in str(problem)
        assert SECRET not in repr(problem)


def test_a_long_or_invisible_value_is_shown_short_and_on_one_line(
    refused_account: Callable[[str], list[Problem]],
) -> None:
    (problem,) = refused_account(f'dmPolicy: "a\\n\\u202e\\x1b[31m{"b" * 999}"')

    assert problem.found.startswith(r'"a\n\u202e\x1b[31mbbb')
    assert str(problem).isprintable()
    assert len(problem.found) < 100


def test_a_name_with_dots_or_blanks_is_quoted_in_the_options_path(
    refused_account: Callable[[str], list[Problem]],
) -> None:
    (problem,) = refused_account("groupPermissions: {'alice/my team': {heal: 1}}")

    assert problem.option.endswith('.groupPermissions["alice/my team"].heal')


def test_a_file_with_nothing_but_errors_is_cut_off(
    refused: Callable[[str], list[Problem]],
) -> None:
    lines = "".join(f"    unknown{i}: {i}\n" for i in range(20_000))

    problems = refused(f"channels:\n  ztm-chat:\n{lines}")

    assert 100 < len(problems) <= 500


@pytest.mark.parametrize(
    ("option", "place", "instead"),
    [
        ('creatorBypass: ["*"]', "creatorBypass[0]", "write creatorBypass: true"),
        ("allowFrom: [team-*]", "allowFrom[0]", "write * for everyone"),
        ('groupPermissions: {"alice/*": {}}', "groupPermissions.alice/*", "one entry per group"),
        ('groupPermissions: {"*/team": {}}', "groupPermissions.*/team", "one entry per group"),
    ],
)
def test_a_pattern_where_none_is_matched_is_refused_with_what_to_write_instead(
    refused: Callable[[str], list[Problem]], option: str, place: str, instead: str
) -> None:
    [problem] = refused(f"""
channels:
  ztm-chat:
    agentUrl: http://localhost:7777
    permitSource: file
    permitFilePath: p
    meshName: m
    username: bot
    {option}
""")
    assert problem.option == f"channels.ztm-chat.{place}"
    assert instead in (problem.hint or "")
