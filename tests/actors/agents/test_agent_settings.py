import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from actors.agents.command import CommandAgent
from actors.agents.configured import build_agent
from actors.agents.echo import EchoAgent
from actors.agents.openai.openai_agent import OpenAIAgent
from actors.agents.settings import AgentSettings, CommandSettings, EchoSettings, OpenAISettings

SERVER: dict[str, object] = {"kind": "openai", "baseUrl": "http://127.0.0.1:11434/v1", "model": "m"}


def parse(section: dict[str, object]) -> AgentSettings:
    settings: AgentSettings = msgspec.convert(section, AgentSettings)
    return settings


def test_the_kind_tells_which_agent_is_meant() -> None:
    assert parse({"kind": "echo"}) == EchoSettings()
    assert parse({"kind": "command", "argv": ["answer", "-x"]}) == CommandSettings(("answer", "-x"))
    assert parse(SERVER) == OpenAISettings(base_url="http://127.0.0.1:11434/v1", model="m")


def test_every_option_is_written_in_camel_case() -> None:
    found = parse(
        SERVER
        | {
            "keyFile": "~/key",
            "timeoutMs": 5000,
            "systemPrompt": "Be brief.",
            "historyLines": 0,
            "stream": False,
            "maxReplyBytes": 2048,
            "headers": {"x-openclaw-message-channel": "ztm-chat"},
            "omit": ["user"],
        }
    )
    assert isinstance(found, OpenAISettings)
    assert (found.timeout_ms, found.history_lines, found.omit) == (5000, 0, ("user",))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "kind"),
        ({"kind": "oracle"}, "oracle"),
        ({"kind": "echo", "model": "m"}, "model"),
        ({"kind": "echo", "delayMs": -1}, "delayMs must be between 0 and 600000 .found -1."),
        ({"kind": "command"}, "argv"),
        ({"kind": "command", "argv": []}, "argv must name a program"),
        ({"kind": "command", "argv": [" "]}, "argv must name a program"),
        ({"kind": "command", "argv": ["x\0"]}, "NUL"),
        ({"kind": "command", "argv": ["x"], "timeoutMs": 10}, "between 1000 and 3600000"),
        ({"kind": "command", "argv": ["x"], "maxReplyBytes": 1}, "maxReplyBytes"),
        ({"kind": "command", "argv": ["x"], "cwd": "here"}, "cwd must be an absolute path"),
        ({"kind": "command", "argv": ["x"], "env": ["A=whisper"]}, "env must name"),
        ({"kind": "command", "argv": ["x"], "output": "xml"}, "xml"),
        (SERVER | {"model": " "}, "model must be"),
        (SERVER | {"key": "whisper"}, "unknown field `key`"),
        (SERVER | {"keyEnv": "sk-whisper"}, "keyEnv must name"),
        (SERVER | {"keyFile": "key"}, "keyFile must be an absolute path"),
        (SERVER | {"keyEnv": "A", "keyFile": "/k"}, "both be set"),
        (SERVER | {"historyLines": 41}, "historyLines must be between 0 and 40"),
        (SERVER | {"timeoutMs": 0}, "timeoutMs"),
        (SERVER | {"maxReplyBytes": 2**40}, "maxReplyBytes"),
        (SERVER | {"omit": ["messages"]}, "omit"),
        (SERVER | {"headers": {"Authorization": "Bearer whisper"}}, "use keyEnv or keyFile"),
        (SERVER | {"headers": {"X-Api-Key": "whisper"}}, "use keyEnv or keyFile"),
        (SERVER | {"headers": {"Host": "x"}}, "set by ztm-chat itself"),
        (SERVER | {"headers": {"a b": "x"}}, "letters, digits"),
        (SERVER | {"headers": {"x-a": "whisper\r\nx-b: c"}}, "printable ASCII"),
    ],
)
def test_a_wrong_section_is_refused_with_what_is_allowed(
    section: dict[str, object], said: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=said) as caught:
        parse(section)
    assert "whisper" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:11434/v1",
        "ftp://x/v1",
        "http:///v1",
        "http://[::1/v1",
        "http://x:99999/v1",
        "http://x/v 1",
        "http://x/\n",
        "https://alice:whisper@x/v1",
        "https://x/v1?key=whisper",
        "https://x/v1#whisper",
    ],
)
def test_an_address_is_only_a_place(url: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="baseUrl") as caught:
        parse(SERVER | {"baseUrl": url})
    assert "whisper" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "[::1]:1"])
def test_plain_http_on_this_machine_is_fine(host: str) -> None:
    assert OpenAISettings(f"http://{host}/v1", "m").warnings() == ()


def test_plain_http_to_another_machine_is_warned_of() -> None:
    [warning] = OpenAISettings("http://10.0.0.7/v1", "m", key_env="KEY").warnings()
    assert "the key and every message" in warning
    assert OpenAISettings("https://10.0.0.7/v1", "m").warnings() == ()


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (EchoSettings(), EchoAgent),
        (CommandSettings(("answer",), cwd="~/here"), CommandAgent),
        (OpenAISettings("http://127.0.0.1:1", "m", key_file="~/key"), OpenAIAgent),
    ],
)
def test_each_section_makes_its_agent(settings: AgentSettings, kind: type) -> None:
    agent = build_agent(settings, environ={})
    assert isinstance(agent, kind)
    assert agent.name == {EchoAgent: "echo", CommandAgent: "command"}.get(kind, "openai")


def test_an_echo_needs_no_http_client() -> None:
    root = Path(__file__).parents[3]
    source = (
        "import sys; from actors.agents.configured import build_agent; "
        "from actors.agents.settings import EchoSettings; build_agent(EchoSettings()); "
        "sys.exit('httpx' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", source], cwd=root, check=True, timeout=30)
