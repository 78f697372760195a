"""Where the configuration and the state lie, and the log level."""

from pathlib import Path

import pytest

from actors.configuration import ConfigurationNotFound, find_config, load, log_level, state_dir


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Every place that a configuration may lie, each with a file."""
    files = {
        "option": tmp_path / "given.yaml",
        "variable": tmp_path / "named.yaml",
        "here": tmp_path / "cwd" / "openclaw.yaml",
        "xdg": tmp_path / "xdg" / "ztm-chat" / "openclaw.yaml",
        "home": tmp_path / "home" / ".config" / "ztm-chat" / "openclaw.yaml",
    }
    for file in files.values():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return files


def test_the_option_comes_first_then_the_variable_the_folder_and_the_users_own(
    tmp_path: Path, places: dict[str, Path]
) -> None:
    cwd = tmp_path / "cwd"
    env = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "ZTM_CHAT_CONFIG": str(places["variable"]),
    }

    assert find_config(str(places["option"]), env, cwd) == places["option"]
    assert find_config(None, env, cwd) == places["variable"]
    del env["ZTM_CHAT_CONFIG"]
    assert find_config(None, env, cwd) == places["here"]
    places["here"].unlink()
    assert find_config(None, env, cwd) == places["xdg"]
    del env["XDG_CONFIG_HOME"]
    assert find_config(None, env, cwd) == places["home"]


def test_an_empty_variable_and_a_relative_xdg_folder_do_not_count(
    tmp_path: Path, places: dict[str, Path]
) -> None:
    env = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": "xdg", "ZTM_CHAT_CONFIG": ""}

    assert find_config(None, env, tmp_path) == places["home"]


def test_a_named_file_may_be_relative_or_in_the_home(
    tmp_path: Path, places: dict[str, Path]
) -> None:
    env = {"HOME": str(tmp_path / "home"), "ZTM_CHAT_CONFIG": "~/.config/ztm-chat/openclaw.yaml"}

    assert find_config("given.yaml", env, tmp_path) == places["option"]
    assert find_config(None, env, tmp_path) == places["home"]


def test_no_configuration_names_every_place_that_was_looked_at(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path / "home")}

    with pytest.raises(ConfigurationNotFound) as caught:
        find_config(None, env, tmp_path)

    looked_at = (
        tmp_path / "openclaw.yaml",
        tmp_path / "home" / ".config" / "ztm-chat" / "openclaw.yaml",
    )
    assert caught.value.looked_at == looked_at
    assert all(str(place) in str(caught.value) for place in looked_at)


@pytest.mark.parametrize("env", [{}, {"ZTM_CHAT_CONFIG": "elsewhere.yaml"}])
def test_a_named_file_that_is_not_there_is_not_replaced_by_another(
    tmp_path: Path, places: dict[str, Path], env: dict[str, str]
) -> None:
    option = None if env else "elsewhere.yaml"

    with pytest.raises(ConfigurationNotFound) as caught:
        find_config(option, env, places["here"].parent)

    assert caught.value.looked_at == (places["here"].parent / "elsewhere.yaml",)


def test_a_configuration_is_read_from_where_it_was_found(
    tmp_path: Path, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    places["here"].write_text(
        "channels: {ztm-chat: {agentUrl: http://x, permitSource: file,"
        " permitFilePath: p, meshName: m, username: u}}"
    )
    monkeypatch.chdir(places["here"].parent)

    configuration = load(Path("openclaw.yaml"), {"HOME": str(tmp_path)})

    assert configuration.path == places["here"]
    assert configuration.store.path == tmp_path / ".local" / "state" / "ztm-chat" / "log"


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"ZTM_CHAT_STATE_DIR": "/var/lib/ztm-chat", "XDG_STATE_HOME": "/x"}, "/var/lib/ztm-chat"),
        ({"ZTM_CHAT_STATE_DIR": "~/state"}, "/home/me/state"),
        ({"ZTM_CHAT_STATE_DIR": "state"}, "/cwd/state"),
        ({"XDG_STATE_HOME": "/x"}, "/x/ztm-chat"),
        ({"XDG_STATE_HOME": "x", "ZTM_CHAT_STATE_DIR": ""}, "/home/me/.local/state/ztm-chat"),
        ({}, "/home/me/.local/state/ztm-chat"),
    ],
)
def test_the_state_lies_in(env: dict[str, str], folder: str) -> None:
    assert state_dir({"HOME": "/home/me"} | env, Path("/cwd")) == Path(folder)


@pytest.mark.parametrize(
    ("written", "level"),
    [
        ("debug", "debug"),
        ("info", "info"),
        ("warn", "warn"),
        ("error", "error"),
        (" DEBUG ", "debug"),
    ],
)
def test_a_log_level_is_taken_without_a_warning(written: str, level: str) -> None:
    assert log_level({"ZTM_CHAT_LOG_LEVEL": written}) == (level, None)


def test_without_a_log_level_it_is_info() -> None:
    assert log_level({}) == log_level({"ZTM_CHAT_LOG_LEVEL": ""}) == ("info", None)


def test_a_bad_log_level_is_info_with_a_warning() -> None:
    level, warning = log_level({"ZTM_CHAT_LOG_LEVEL": "verbose"})

    assert level == "info"
    assert warning is not None
    assert "'verbose'" in warning
    assert "debug, info, warn, error" in warning
