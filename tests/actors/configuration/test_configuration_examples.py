"""Whole files: the user's two examples, defaults, inheritance, and what becomes of paths."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actors.agents.settings import CommandSettings, EchoSettings, OpenAISettings
from actors.configuration import (
    AccountConfig,
    Configuration,
    GatewaySettings,
    PermitFile,
    PermitServer,
    Problem,
    StoreSettings,
    TlsFiles,
    load,
)
from events.policy.account_policy import AccountPolicy, GroupPermission, SenderTools, ToolPolicy

HERE = Path(__file__).parent
EXAMPLE = AccountConfig(
    id="my-bot",
    enabled=True,
    agent_url="http://localhost:7777",
    mesh="production-mesh",
    username="my-bot",
    permit=PermitServer("https://clawparty.flomesh.io:7779/permit"),
    api_timeout_ms=30_000,
    tls=None,
    heal=True,
    agent=EchoSettings(),
    policy=AccountPolicy(
        username="my-bot",
        dm_policy="pairing",
        allow_from=("alice", "trusted-team"),
        enable_groups=True,
        group_policy="allowlist",
        require_mention=True,
        group_permissions=(
            GroupPermission(
                creator="alice",
                group="team",
                group_policy="open",
                require_mention=False,
                allow_from=(),
            ),
        ),
    ),
)
TWO = """
    channels:
      ztm-chat:
        agentUrl: http://localhost:7777/
        permitSource: server
        permitUrl: https://permits.example/permit
        meshName: mesh
        {common}
        accounts:
          one: {{username: one, {one}}}
          two: {{username: two, {two}}}
"""


def test_the_users_example_with_a_permit_server_loads_to_what_it_says(env: dict[str, str]) -> None:
    configuration = load(HERE / "seed_permit_server.yaml", env)

    assert configuration.accounts == (EXAMPLE,)


def test_the_users_example_with_a_permit_file_loads_to_what_it_says(env: dict[str, str]) -> None:
    (account,) = load(HERE / "seed_permit_file.yaml", env).accounts
    (group,) = account.policy.group_permissions

    assert account.permit == PermitFile(Path("/path/to/permit.json"))
    assert group.tools == ToolPolicy(allow=("group:messaging", "group:sessions", "group:runtime"))
    assert group.tools_by_sender == {"admin": SenderTools(also_allow=("exec",))}
    assert account.policy.allow_from == EXAMPLE.policy.allow_from
    assert account.policy.enable_groups


def test_the_users_examples_warn_of_the_creators_bypass_and_of_what_everybody_has(
    env: dict[str, str],
) -> None:
    (bypass,) = load(HERE / "seed_permit_server.yaml", env).warnings
    assert "creatorBypass" in bypass.found
    bypass, repeated, *untold = load(HERE / "seed_permit_file.yaml", env).warnings
    assert "creatorBypass" in bypass.found
    assert repeated.option.endswith("toolsBySender.admin.alsoAllow")
    assert "'exec' is granted to everybody already" in repeated.found
    assert [warning.option.split(".")[-1] for warning in untold] == ["tools", "toolsBySender"]
    assert all("the agent is echo" in warning.found for warning in untold)


def test_an_account_that_says_only_what_is_required_has_the_documented_defaults(
    load_text: Callable[[str], Configuration], tmp_path: Path
) -> None:
    configuration = load_text("""
        channels:
          ztm-chat:
            agentUrl: http://localhost:7777
            permitSource: file
            permitFilePath: /permit.json
            meshName: mesh
            username: my-bot
    """)

    (account,) = configuration.accounts
    assert account == AccountConfig(
        id="default",
        enabled=True,
        agent_url="http://localhost:7777",
        mesh="mesh",
        username="my-bot",
        permit=PermitFile(Path("/permit.json")),
        api_timeout_ms=30_000,
        tls=None,
        heal=True,
        agent=EchoSettings(),
        policy=AccountPolicy(
            username="my-bot",
            dm_policy="pairing",
            allow_from=(),
            enable_groups=False,
            group_policy="allowlist",
            require_mention=True,
            group_permissions=(),
        ),
    )
    assert configuration.path == tmp_path / "openclaw.yaml"
    assert configuration.agent == EchoSettings()
    assert configuration.warnings == ()
    assert configuration.store == StoreSettings(tmp_path / "state" / "log", 64 << 30, 1 << 40)
    assert configuration.gateway == GatewaySettings(tmp_path / "state" / "gateway.sock", 8)


@pytest.mark.parametrize("accounts", ["", "accounts:", "accounts: {}", "accounts: null"])
def test_a_channel_without_accounts_is_the_one_account_default(
    load_text: Callable[[str], Configuration], accounts: str
) -> None:
    configuration = load_text(f"""
        channels:
          ztm-chat:
            {accounts}
            agentUrl: http://localhost:7777
            permitSource: file
            permitFilePath: p
            meshName: mesh
            username: my-bot
    """)

    assert [account.id for account in configuration.accounts] == ["default"]


def test_an_account_inherits_what_it_does_not_say_itself(
    load_text: Callable[[str], Configuration],
) -> None:
    one, two = load_text(
        TWO.format(common="apiTimeout: 5000", one="apiTimeout: 6000", two="apiTimeout: null")
    ).accounts

    assert (one.api_timeout_ms, two.api_timeout_ms) == (6000, 5000)
    assert one.agent_url == two.agent_url == "http://localhost:7777"


def test_an_accounts_own_list_replaces_the_inherited_one(
    load_text: Callable[[str], Configuration],
) -> None:
    one, two = load_text(
        TWO.format(common="allowFrom: [alice, bob]", one="allowFrom: [carol]", two="heal: false")
    ).accounts

    assert one.policy.allow_from == ("carol",)
    assert two.policy.allow_from == ("alice", "bob")


def test_an_account_may_be_left_empty_and_inherit_everything(
    load_text: Callable[[str], Configuration],
) -> None:
    (account,) = load_text("""
        channels:
          ztm-chat:
            agentUrl: http://localhost:7777
            permitSource: file
            permitFilePath: p
            meshName: mesh
            username: my-bot
            accounts:
              my-bot:
    """).accounts

    assert (account.id, account.username) == ("my-bot", "my-bot")


@pytest.mark.parametrize(
    ("channel", "account", "enabled"),
    [
        ("true", "true", True),
        ("null", "null", True),
        ("true", "false", False),
        ("false", "true", False),
        ("false", "null", False),
    ],
)
def test_an_account_is_enabled_only_if_the_channel_is_too(
    load_text: Callable[[str], Configuration], channel: str, account: str, enabled: bool
) -> None:
    one, _ = load_text(
        TWO.format(common=f"enabled: {channel}", one=f"enabled: {account}", two="heal: true")
    ).accounts

    assert one.enabled is enabled


def test_an_accounts_agent_comes_before_the_channels(
    load_text: Callable[[str], Configuration],
) -> None:
    configuration = load_text(
        TWO.format(
            common="agent: {kind: command, argv: [answer, --brief]}",
            one='agent: {kind: openai, baseUrl: "http://127.0.0.1:11434/v1", model: llama}',
            two="heal: true",
        )
    )

    one, two = configuration.accounts
    assert one.agent == OpenAISettings(base_url="http://127.0.0.1:11434/v1", model="llama")
    assert two.agent == configuration.agent == CommandSettings(argv=("answer", "--brief"))


def test_a_group_inherits_policy_and_mention_but_never_the_list(
    load_account: Callable[[str], AccountConfig],
) -> None:
    own, inherited = load_account("""
        enableGroups: true
        groupPolicy: open
        requireMention: false
        allowFrom: [alice]
        groupPermissions:
          alice/a: {groupPolicy: disabled, requireMention: true, allowFrom: [bob]}
          alice/b:
    """).policy.group_permissions

    assert own == GroupPermission(
        creator="alice",
        group="a",
        group_policy="disabled",
        require_mention=True,
        allow_from=("bob",),
    )
    assert inherited == GroupPermission(
        creator="alice", group="b", group_policy="open", require_mention=False, allow_from=()
    )


def test_a_group_is_split_from_its_creator_at_the_first_slash(
    load_account: Callable[[str], AccountConfig],
) -> None:
    (group,) = load_account("groupPermissions: {alice/a/b: {}}").policy.group_permissions

    assert (group.creator, group.group) == ("alice", "a/b")


def test_paths_start_at_the_files_folder_and_a_tilde_is_the_home(
    load_account: Callable[[str], AccountConfig], tmp_path: Path
) -> None:
    account = load_account("""
        agentUrl: https://ztm.example
        permitFilePath: permits/my-bot.json
        tls: {caFile: ~/ca.pem, certFile: /etc/cert.pem, keyFile: ./key.pem}
    """)

    assert account.permit == PermitFile(tmp_path / "permits" / "my-bot.json")
    assert account.tls == TlsFiles(
        tmp_path / "home" / "ca.pem", Path("/etc/cert.pem"), tmp_path / "key.pem"
    )


def test_everything_of_another_program_is_left_alone(
    load_text: Callable[[str], Configuration],
) -> None:
    configuration = load_text("""
        gateway: &gateway {port: 18789, port: 18789}
        again: *gateway
        bindings: [!custom {agentId: main}]
        channels:
          irc: {<<: *gateway}
          ztm-chat:
            agentUrl: http://localhost:7777
            permitSource: file
            permitFilePath: p
            meshName: mesh
            username: my-bot
    """)

    assert len(configuration.accounts) == 1


def test_a_problem_reads_as_one_line() -> None:
    problem = Problem("a.yaml", 3, 5, "channels.x", '"y" (text)', "z", "did you mean z?")

    assert str(problem) == 'a.yaml:3:5: channels.x: found "y" (text); allowed: z (did you mean z?)'
