"""Ways to load a configuration in a test: a text, one account, or one account that is wrong."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import pytest

from actors.configuration import (
    AccountConfig,
    Configuration,
    ConfigurationInvalid,
    Problem,
    load,
)

REQUIRED = {
    "agentUrl": "http://localhost:7777",
    "permitSource": "file",
    "permitFilePath": "permit.json",
    "meshName": "mesh",
    "username": "my-bot",
}

Load = Callable[[str], Configuration]
Refused = Callable[[str], list[Problem]]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A user whose home and state lie apart from the configuration."""
    return {"HOME": str(tmp_path / "home"), "ZTM_CHAT_STATE_DIR": str(tmp_path / "state")}


@pytest.fixture
def load_text(tmp_path: Path, env: dict[str, str]) -> Load:
    """Loads a whole file."""

    def loads(text: str) -> Configuration:
        path = tmp_path / "openclaw.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return load(path, env)

    return loads


@pytest.fixture
def load_account(load_text: Load) -> Callable[[str], AccountConfig]:
    """Loads the account `my-bot`: what is required, and the options of the test over it."""

    def loads(options: str) -> AccountConfig:
        (account,) = load_text(account_text(options)).accounts
        return account

    return loads


@pytest.fixture
def refused(load_text: Load) -> Refused:
    """The problems of a whole file."""

    def problems(text: str) -> list[Problem]:
        with pytest.raises(ConfigurationInvalid) as caught:
            load_text(text)
        return caught.value.problems

    return problems


@pytest.fixture
def refused_account(refused: Refused) -> Refused:
    """The problems of the account `my-bot`, as `load_account` has it."""

    def problems(options: str) -> list[Problem]:
        return refused(account_text(options))

    return problems


def account_text(options: str) -> str:
    """A whole file with one account. Its own options begin in line 5 (the required ones follow)."""
    own = dedent(options).strip("\n")
    written = {line.partition(":")[0] for line in own.splitlines()}
    rest = [f"{name}: {value}" for name, value in REQUIRED.items() if name not in written]
    body = indent("\n".join([own, *rest]), " " * 8)
    return f"channels:\n  ztm-chat:\n    accounts:\n      my-bot:\n{body}\n"
