import copy
import os
import pickle
from pathlib import Path

import pytest

from actors.agents.openai.secret import Secret, key_from_env, key_from_file
from actors.agents.protocol import AgentRefused


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_shows_itself_only_on_request() -> None:
    secret = Secret("sk-whisper")
    assert secret.reveal() == "sk-whisper"
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{secret!s:>20}"):
        assert "whisper" not in shown


def test_a_secret_does_not_leave_its_process() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("sk-whisper"))
    with pytest.raises(TypeError):
        copy.deepcopy(Secret("sk-whisper"))


def test_a_key_is_read_without_the_blanks_around_it(tmp_path: Path) -> None:
    assert key_from_env("KEY", {"KEY": " sk-1\n"}).reveal() == "sk-1"
    assert key_from_file(key_file(tmp_path, b"sk-1\r\n")).reveal() == "sk-1"


def test_a_key_is_read_anew_each_time(tmp_path: Path) -> None:
    path = key_file(tmp_path, b"old")
    assert key_from_file(path).reveal() == "old"
    path.write_bytes(b"new")
    assert key_from_file(path).reveal() == "new"


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(AgentRefused, match=r"variable MY_KEY \(keyEnv\) is not set"):
        key_from_env("MY_KEY", {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentRefused, match=r"cannot open .*absent: No such file"):
        key_from_file(tmp_path / "absent")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
def test_a_key_file_that_others_can_open_is_not_used(tmp_path: Path, mode: int) -> None:
    with pytest.raises(AgentRefused, match=f"mode {mode:04o}.*chmod 600"):
        key_from_file(key_file(tmp_path, b"sk-1", mode))


def test_a_key_file_may_be_open_to_a_group(tmp_path: Path) -> None:
    assert key_from_file(key_file(tmp_path, b"sk-1", 0o640)).reveal() == "sk-1"


def test_what_is_no_file_does_not_stop_the_loop(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(AgentRefused, match="not a regular file"):
            key_from_file(path)


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"whis per", b"whisper\nx: y", "whisperé".encode(), b"whisper" * 2000]
)
def test_what_can_be_no_key_is_refused_unquoted(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(AgentRefused) as caught:
        key_from_file(key_file(tmp_path, content))
    assert "whis" not in str(caught.value)


def test_a_key_that_is_a_word_is_no_secret() -> None:
    assert not Secret("ollama").is_echoed_in("ollama/llama3")
    assert Secret("lm-studio").taken_out_of("I run in lm-studio.") == "I run in lm-studio."
