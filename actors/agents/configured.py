"""From an `agent` section of the configuration to the agent."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from actors.agents.openai.secret import Secret, key_from_env, key_from_file
from actors.agents.protocol import Agent
from actors.agents.settings import AgentSettings, CommandSettings, EchoSettings, OpenAISettings


def build_agent(settings: AgentSettings, *, environ: Mapping[str, str] = os.environ) -> Agent:
    """The agent that `settings` describes; close it with `aclose`.

    `environ` is where keys and a command's variables come from. Nothing is read or started yet:
    a missing program or key shows when the agent is first asked.
    """
    match settings:
        case EchoSettings():
            return _echo(settings)
        case CommandSettings():
            return _command(settings, environ)
        case OpenAISettings():
            return _openai(settings, environ)


# Each is imported only where it is used: most daemons need one of them, and an HTTP client is slow
# to import.


def _echo(settings: EchoSettings) -> Agent:
    from actors.agents.echo import EchoAgent

    return EchoAgent(delay_s=settings.delay_ms / 1000)


def _command(settings: CommandSettings, environ: Mapping[str, str]) -> Agent:
    from actors.agents.command import CommandAgent

    program, *arguments = settings.argv
    return CommandAgent(
        (_at_home(program), *arguments),
        timeout_s=settings.timeout_ms / 1000,
        max_reply_bytes=settings.max_reply_bytes,
        env_names=settings.env,
        environ=environ,
        cwd=None if settings.cwd is None else _at_home(settings.cwd),
        output=settings.output,
    )


def _at_home(path: str) -> str:
    # Not always through Path, which would turn ./answer into a name to be looked up on the PATH.
    return str(Path(path).expanduser()) if path.startswith("~/") else path


def _openai(settings: OpenAISettings, environ: Mapping[str, str]) -> Agent:
    from actors.agents.openai.openai_agent import OpenAIAgent
    from actors.http.client import HttpClient

    return OpenAIAgent(settings, client=HttpClient(), key=_key(settings, environ))


def _key(settings: OpenAISettings, environ: Mapping[str, str]) -> Callable[[], Secret] | None:
    if settings.key_env is not None:
        return partial(key_from_env, settings.key_env, environ)
    if settings.key_file is not None:
        return partial(key_from_file, Path(_at_home(settings.key_file)))
    return None
