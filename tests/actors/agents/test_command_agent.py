import asyncio
import json
import os
import select
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from actors.agents import subprocess_turn
from actors.agents.command import CommandAgent
from actors.agents.protocol import (
    AgentBroken,
    AgentRefused,
    AgentTimeout,
    AgentUnavailable,
    Answer,
    Question,
)

Ask = Callable[..., Answer]
Build = Callable[..., Question]


@pytest.fixture
def ask(tmp_path: Path, question: Build) -> Ask:
    """Runs a Python program as the agent, and asks it once."""

    def run(source: str, *, asked: Question | None = None, **options: object) -> Answer:
        agent = python_agent(tmp_path, source, **options)
        return asyncio.run(agent.ask(asked or question()))

    return run


def python_agent(folder: Path, source: str, **options: object) -> CommandAgent:
    program = folder / "program.py"
    program.write_text(textwrap.dedent(source))
    known: dict[str, object] = {"timeout_s": 20.0, "cwd": str(folder)}
    argv = (sys.executable, "-I", "-S", str(program))
    return CommandAgent(argv, **(known | options))  # type: ignore[arg-type]


class Presence:
    """Tells of processes that opened `path` to write: a FIFO ends when the last of them has."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def wait_for(self, expected: bytes) -> None:
        ready, _, _ = select.select([self.fd], [], [], 10)
        assert ready, "nothing happened within 10 s"
        assert os.read(self.fd, 1) == expected


@pytest.fixture
def presence(tmp_path: Path) -> Iterator[Presence]:
    presence = Presence(tmp_path / "presence")
    yield presence
    os.close(presence.fd)


def was_reaped(pid: int) -> bool:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


PRESENT = """
import os, signal, subprocess, sys, time
presence = os.open("presence", os.O_WRONLY)
os.set_inheritable(presence, True)
os.write(presence, b".")
def grandchild(code, **options):
    argv = [sys.executable, "-I", "-S", "-c", "import os, signal, time\\n" + code]
    return subprocess.Popen(argv, close_fds=False, **options)
"""


def test_what_a_program_writes_is_the_answer(ask: Ask) -> None:
    assert ask("print('Hello.\\n\\n  Bye.\\n')") == Answer("Hello.\n\n  Bye.")


def test_the_question_is_one_json_document_on_standard_input(
    tmp_path: Path, question: Build
) -> None:
    asked = question("你好 \N{GRINNING FACE}\n\0", group="alice/team", kind="group")
    agent = CommandAgent([shutil.which("cat") or "cat"], timeout_s=20)
    answer = asyncio.run(agent.ask(asked))
    assert msgspec.json.decode(answer.text, type=Question) == asked
    document = json.loads(answer.text)
    assert document["key"] == "account/my-bot/peer/alice/7/1"
    assert document["messages"][0]["timeMs"] == 1_700_000_000_000


def test_a_json_answer_may_tell_its_model_and_tokens(ask: Ask) -> None:
    answer = ask(
        """print('{"text": "Hi", "model": "m-1", "tokensIn": 3, "tokensOut": 4, "other": []}')""",
        output="json",
    )
    assert answer == Answer("Hi", model="m-1", tokens_in=3, tokens_out=4)


def test_a_made_up_model_name_or_count_is_left_out(ask: Ask) -> None:
    source = """print('{"text": "Hi", "model": "two words\\\\n", "tokensIn": -3}')"""
    assert ask(source, output="json") == Answer("Hi")


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("print('ZTM_SILENT')", "text"),
        ("""print('{"silent": true}')""", "json"),
        ("""print('{"text": " ZTM_SILENT "}')""", "json"),
    ],
)
def test_a_program_may_choose_to_say_nothing(ask: Ask, source: str, output: str) -> None:
    assert ask(source, output=output) == Answer("", silent=True)


def test_writing_nothing_is_an_error_that_names_the_cure(ask: Ask) -> None:
    with pytest.raises(AgentBroken, match="ZTM_SILENT") as caught:
        ask("print()")
    assert caught.value.transient


@pytest.mark.parametrize("written", ["not json: whisper", '["whisper"]', '{"text": 5}', ""])
def test_what_is_not_the_agreed_json_is_refused_unquoted(ask: Ask, written: str) -> None:
    with pytest.raises(AgentBroken, match="did not write JSON") as caught:
        ask(f"print({written!r})", output="json")
    assert not caught.value.transient
    assert "whisper" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_other_bytes_than_utf8_are_an_error(ask: Ask) -> None:
    with pytest.raises(AgentBroken, match=r"did not write UTF-8 \(byte 3\)"):
        ask(r"import sys; sys.stdout.buffer.write(b'caf\xe9 \xff')")


@pytest.mark.parametrize("status", [1, 2, 75, 63, 79, 137, 255])
def test_a_failure_may_pass(ask: Ask, status: int) -> None:
    with pytest.raises(AgentUnavailable, match=f"exited with status {status} ") as caught:
        ask(f"print('half an answer', flush=True); raise SystemExit({status})")
    assert caught.value.transient
    assert "half" not in str(caught.value)


@pytest.mark.parametrize("status", [64, 70, 74, 76, 78, 126, 127])
def test_a_failure_may_be_for_good(ask: Ask, status: int) -> None:
    with pytest.raises(AgentRefused, match=f"exited with status {status} ") as caught:
        ask(f"raise SystemExit({status})")
    assert not caught.value.transient


def test_a_signal_may_pass(ask: Ask) -> None:
    with pytest.raises(AgentUnavailable, match="was killed by SIGSEGV"):
        ask("import os; os.kill(os.getpid(), 11)")


def test_what_a_program_writes_to_standard_error_is_counted_and_not_kept(ask: Ask) -> None:
    with pytest.raises(AgentUnavailable, match="7 bytes on its standard error") as caught:
        ask("import sys; sys.stderr.write('whisper'); sys.exit(1)")
    assert "whisper" not in str(caught.value)


def test_standard_error_does_not_spoil_an_answer(ask: Ask) -> None:
    assert ask("import sys; sys.stderr.write('x' * 500_000); print('fine')").text == "fine"


def test_a_missing_program_is_for_good_and_says_what_to_do(question: Build) -> None:
    agent = CommandAgent(["no-such-program", "--token=whisper"], timeout_s=20)
    with pytest.raises(AgentRefused, match=r"'no-such-program'.*absolute path") as caught:
        asyncio.run(agent.ask(question()))
    assert "whisper" not in str(caught.value)


def test_a_program_that_is_not_executable_is_for_good(tmp_path: Path, question: Build) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(AgentRefused, match="chmod"):
        asyncio.run(CommandAgent([str(program)], timeout_s=20).ask(question()))


def test_a_script_without_an_interpreter_is_for_good(tmp_path: Path, question: Build) -> None:
    program = tmp_path / "program"
    program.write_text("echo hello\n")
    program.chmod(0o700)
    with pytest.raises(AgentRefused, match="first line"):
        asyncio.run(CommandAgent([str(program)], timeout_s=20).ask(question()))


def test_a_missing_folder_is_for_good(tmp_path: Path, question: Build) -> None:
    agent = CommandAgent(["/bin/cat"], timeout_s=20, cwd=str(tmp_path / "gone"))
    with pytest.raises(AgentRefused, match=r"\(cwd\) is missing"):
        asyncio.run(agent.ask(question()))


def test_a_program_sees_only_the_safe_variables_and_the_named_ones(ask: Ask) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "LC_TIME": "C",
        "OPENAI_API_KEY": "whisper",
        "ZTM_CHAT_STATE_DIR": "/nowhere",
        "MY_TOOL": "yes",
    }
    answer = ask(
        "import os; print(sorted(os.environ))", environ=environ, env_names=["MY_TOOL", "ABSENT"]
    )
    seen = set(json.loads(answer.text.replace("'", '"'))) - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"}
    assert seen == {"PATH", "LANG", "LC_TIME", "MY_TOOL", "ZTM_CHAT_TURN"}


def test_no_file_of_the_daemon_is_open_in_the_program(ask: Ask, tmp_path: Path) -> None:
    with (tmp_path / "log.mdb").open("wb") as log:
        os.set_inheritable(log.fileno(), True)
        answer = ask(
            f"""
            import os
            try: print(os.fstat({log.fileno()}))
            except OSError: print("closed")
            """
        )
    assert answer.text == "closed"


@pytest.mark.parametrize(
    "source",
    [
        "import os; os.close(0); print('fine')",
        "import sys; sys.stdin.buffer.read(10); print('fine')",
        "print('fine')",
    ],
)
def test_a_program_need_not_read_its_question(ask: Ask, question: Build, source: str) -> None:
    assert ask(source, asked=question("x" * 3_000_000)).text == "fine"


def test_a_long_question_and_a_long_answer_do_not_block_each_other(
    ask: Ask, question: Build
) -> None:
    source = """
    import sys
    while part := sys.stdin.buffer.read(4096):
        sys.stdout.buffer.write(part)
    """
    answer = ask(source, asked=question("x" * 3_000_000), max_reply_bytes=4_000_000)
    assert len(answer.text) > 3_000_000


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_endless_output_is_cut_off(ask: Ask, presence: Presence, stream: str) -> None:
    with pytest.raises(AgentBroken, match="wrote too much") as caught:
        ask(PRESENT + f"while True: sys.{stream}.write('whisper ' * 1000)")
    assert not caught.value.transient
    assert "whisper" not in str(caught.value)
    presence.wait_for(b".")
    presence.wait_for(b"")


def test_an_answer_of_just_the_allowed_size_is_taken(ask: Ask) -> None:
    assert len(ask("print('x' * 2000, end='')", max_reply_bytes=2000).text) == 2000
    with pytest.raises(AgentBroken):
        ask("print('x' * 2001, end='')", max_reply_bytes=2000)


def test_the_time_limit_ends_the_program_and_what_it_started(
    ask: Ask, presence: Presence, tmp_path: Path
) -> None:
    source = PRESENT + (
        "open('pid', 'w').write(str(os.getpid()))\n"
        "grandchild('time.sleep(600)'); print('half'); time.sleep(600)"
    )
    with pytest.raises(AgentTimeout, match=r"within 1\.5 s") as caught:
        ask(source, timeout_s=1.5)
    assert caught.value.transient
    presence.wait_for(b".")
    presence.wait_for(b"")
    assert was_reaped(int((tmp_path / "pid").read_text()))


def cancel_when(presence: Presence, agent: CommandAgent, question: Question) -> bool:
    """Asks, and cancels once the program has written `!`; whether it was cancelled."""

    async def cancel() -> bool:
        task = asyncio.create_task(agent.ask(question))
        await asyncio.to_thread(presence.wait_for, b".")
        await asyncio.to_thread(presence.wait_for, b"!")
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    return asyncio.run(cancel())


def test_cancelling_ends_the_program_and_what_it_started(
    tmp_path: Path, presence: Presence, question: Build
) -> None:
    source = PRESENT + "grandchild('time.sleep(600)'); os.write(presence, b'!'); time.sleep(600)"
    assert cancel_when(presence, python_agent(tmp_path, source), question())
    presence.wait_for(b"")


def test_a_program_has_a_moment_to_tidy_up_before_it_is_killed(
    tmp_path: Path, presence: Presence, question: Build
) -> None:
    source = PRESENT + (
        "def tidy_up(*_):\n"
        "    open('tidy', 'w').close()\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, tidy_up)\n"
        "os.write(presence, b'!'); time.sleep(600)"
    )
    assert cancel_when(presence, python_agent(tmp_path, source), question())
    assert (tmp_path / "tidy").exists()


def test_a_program_that_ignores_sigterm_is_killed(
    tmp_path: Path, presence: Presence, question: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_turn, "TERMINATE_GRACE_S", 0.2)
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    mark = "os.write(int({presence}), b'!'); time.sleep(600)"
    source = PRESENT + (f'{ignore}\ngrandchild(f"{ignore}; {mark}")\ntime.sleep(600)')
    assert cancel_when(presence, python_agent(tmp_path, source), question())
    presence.wait_for(b"")


def test_a_grandchild_that_outlives_the_program_is_ended_with_the_turn(
    ask: Ask, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_turn, "DRAIN_S", 600)
    assert ask(PRESENT + "grandchild('time.sleep(600)'); print('fine')").text == "fine"
    presence.wait_for(b".")
    presence.wait_for(b"")


def test_output_is_read_until_it_is_closed(ask: Ask, presence: Presence) -> None:
    source = PRESENT + (
        "print('Hello', end='', flush=True)\n"
        "grandchild(f'while os.getppid() == {os.getpid()}: time.sleep(0.01)\\n'"
        """ 'time.sleep(0.1); os.write(1, b", and the end")', start_new_session=True)"""
    )
    assert ask(source).text == "Hello, and the end"
    presence.wait_for(b".")
    presence.wait_for(b"")


def test_nothing_more_is_kept_of_a_program_that_wrote_too_much() -> None:
    turn = subprocess_turn.SubprocessTurn(max_output_bytes=10)
    for _ in range(3):
        turn.pipe_data_received(subprocess_turn.STDOUT, b"x" * 20)
    assert (turn.too_much, len(turn.output)) == (True, 20)


def test_a_grandchild_in_a_session_of_its_own_holds_nothing_up(
    ask: Ask, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_turn, "DRAIN_S", 0.2)
    source = PRESENT + ("print(grandchild('time.sleep(600)', start_new_session=True, env={}).pid)")
    escaped = int(ask(source).text)
    presence.wait_for(b".")
    os.kill(escaped, signal.SIGKILL)
    presence.wait_for(b"")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the environment of others")
@pytest.mark.parametrize("after", ["print('fine')", "time.sleep(600)"], ids=["ends", "hangs"])
def test_a_grandchild_in_a_session_of_its_own_is_ended_with_the_turn(
    ask: Ask, presence: Presence, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    monkeypatch.setattr(subprocess_turn, "DRAIN_S", 0.2)
    source = PRESENT + f"grandchild('time.sleep(600)', start_new_session=True); {after}"
    with suppress(AgentTimeout):
        ask(source, timeout_s=20.0 if "fine" in after else 2.0)
    presence.wait_for(b".")
    presence.wait_for(b"")


def test_cancelling_twice_kills_at_once(
    tmp_path: Path, presence: Presence, question: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_turn, "TERMINATE_GRACE_S", 600)
    source = PRESENT + (
        "signal.signal(signal.SIGTERM, lambda *_: os.write(presence, b'!'))\n"
        "os.write(presence, b'!')\n"
        "while True: time.sleep(600)"
    )

    async def cancel_twice() -> None:
        task = asyncio.create_task(python_agent(tmp_path, source).ask(question()))
        for expected in (b".", b"!", b"!"):
            await asyncio.to_thread(presence.wait_for, expected)
            if expected == b"!":
                task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        await asyncio.to_thread(presence.wait_for, b"")

    asyncio.run(cancel_twice())


@pytest.mark.parametrize("ending", ["", "; sys.exit(1)", "; os.abort()"])
def test_no_zombie_stays(ask: Ask, tmp_path: Path, ending: str) -> None:
    source = "import os, sys; open('pid', 'w').write(str(os.getpid())); print('x')" + ending
    if ending:
        with pytest.raises(AgentUnavailable):
            ask(source)
    else:
        ask(source)
    assert was_reaped(int((tmp_path / "pid").read_text()))


def test_many_programs_run_at_a_time_on_a_loop_that_is_not_the_main_threads(
    question: Build,
) -> None:
    agent = CommandAgent(["/bin/cat"], timeout_s=20)

    async def all_of_them() -> list[Answer]:
        return await asyncio.gather(*(agent.ask(question(f"<{n}>")) for n in range(20)))

    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asyncio.run, all_of_them()).result()
    assert all(f"<{n}>" in answer.text for n, answer in enumerate(answers))
