"""The audit as an operator uses it: real processes on a real log, with a daemon and without."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.account.events import PersonErased
from events.event import Body, Draft
from store.log.lmdb_log import LmdbLog
from tests.bench.audit_log import write_log
from tests.bin.test_command_line import ROOT, SCALE, Operator, replies, stop
from tests.store.builders import add_all, seen
from ztm_chat.mesh import Mesh, Timing

CONFIG = """\
channels:
  ztm-chat:
    store: {{path: {folder}/log}}
    gateway: {{socket: {folder}/socket}}
    accounts:
      main:
        agentUrl: http://127.0.0.1:9
        permitSource: file
        permitFilePath: {folder}/permit.json
        meshName: mesh
        username: my-bot
        {options}
"""

HOSTILE = "<script>alert(1)</script> =1+1 \x1b[31m \u202e & \"q\" 'q'"


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    write_log(folder / "log", 1_500, seed=3, people=30)
    configure(folder, folder / "openclaw.yaml")
    log = LmdbLog.open(folder / "log")
    stream = "account/main/peer/<b>mallory"
    words = Body("main/<b>mallory", HOSTILE, b"salt" * 4)
    hostile = seen("hostile", sender="<b>mallory")
    hostile = type(hostile)(hostile.identity, "<b>mallory", 1, words.digest, len(HOSTILE), "feed")
    add_all(log, Draft(stream, hostile, bodies=(words,)))
    log.close()
    return folder


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    shutil.copytree(written / "log", tmp_path / "log")
    configure(tmp_path, tmp_path / "openclaw.yaml")
    return tmp_path


def configure(folder: Path, path: Path, options: str = "dmPolicy: pairing") -> Path:
    path.write_text(CONFIG.format(folder=folder, options=options))
    return path


def run(folder: Path, *words: str, code: int = 0) -> str:
    """What a command prints; it has to end with `code`."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ztm_chat", *words],
        cwd=ROOT,
        env={**os.environ, "ZTM_CHAT_CONFIG": str(folder / "openclaw.yaml")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr if code else done.stdout


# verify and head


def test_a_log_is_verified_against_a_head_that_was_kept(written: Path, tmp_path: Path) -> None:
    kept = tmp_path / "heads"
    kept.write_text(run(written, "audit", "head"))
    shown = run(written, "audit", "verify", "--from-head", str(kept))
    assert "Log verified." in shown
    assert f"Extends head {kept.read_text().strip()}." in shown
    found = json.loads(run(written, "audit", "verify", "--no-bodies", "--jobs", "2", "--json"))
    assert found["verified"]
    assert found["decisionsWithoutText"] == found["decisions"] > 100


def test_an_altered_log_is_not_verified_and_the_place_is_named(copy: Path) -> None:
    data = (copy / "log" / "data.mdb").read_bytes()
    at = data.index(b"user1/team")
    (copy / "log" / "data.mdb").write_bytes(data[:at] + b"user2" + data[at + 5 :])
    shown = run(copy, "audit", "verify", code=1)
    assert "Verification failed at event " in shown
    assert "the batch is not what was written" in shown
    found = run(copy, "audit", "verify", "--json", code=1)
    assert json.loads(found)["findings"][0]["seq"] > 0


def test_what_is_not_a_head_or_not_a_log_is_refused(written: Path, tmp_path: Path) -> None:
    assert "not a head" in run(written, "audit", "verify", "--from-head", "a:b", code=2)
    assert "No such file" in run(written, "audit", "verify", "--from-head", "absent", code=2)
    configure(tmp_path, tmp_path / "openclaw.yaml")
    for words in (("verify",), ("head",), ("trail",)):
        assert "there is no log here" in run(tmp_path, "audit", *words, code=2)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "data.mdb").write_bytes(b"something else" * 1_000)
    assert "not a data file" in run(tmp_path, "audit", "verify", code=2)


# trail


def test_the_trail_in_lines_json_and_csv_is_the_same(written: Path) -> None:
    wanted = ("audit", "trail", "--limit", "30")
    rows = [json.loads(line) for line in run(written, *wanted, "--json").splitlines()]
    records = list(csv.DictReader(io.StringIO(run(written, *wanted, "--csv"))))
    lines = run(written, *wanted).splitlines()
    assert len(rows) == len(records) == len(lines) == 30
    for row, record, line in zip(rows, records, lines, strict=True):
        assert str(row["seq"]) == record["seq"] == line.split()[0]
        assert row["action"] == record["action"] == line.split()[3]
        assert row["sender"] in line


def test_the_trail_goes_back_page_by_page(written: Path) -> None:
    rows = [json.loads(line) for line in run_trail(written, "--limit", "0")]
    last = [json.loads(line) for line in run_trail(written, "--limit", "10")]
    before = [
        json.loads(line)
        for line in run_trail(written, "--limit", "10", "--before", str(last[0]["seq"]))
    ]
    assert before + last == rows[-20:]


def run_trail(folder: Path, *words: str) -> list[str]:
    return run(folder, "audit", "trail", "--json", *words).splitlines()


def test_options_narrow_the_trail(written: Path) -> None:
    found = [json.loads(line) for line in run_trail(written, "--peer", "user1", "--limit", "0")]
    assert {row["conversation"]["peer"] for row in found} == {"user1"}
    found = [json.loads(line) for line in run_trail(written, "--action", "pairing")]
    assert {row["action"] for row in found} == {"pairing"}
    assert run_trail(written, "--since", "1s") == []
    assert "is not a time" in run(written, "audit", "trail", "--since", "whenever", code=2)


def test_the_trail_follows_until_it_is_interrupted(copy: Path) -> None:
    following = subprocess.Popen(
        [sys.executable, "-P", "-m", "ztm_chat", "audit", "trail", "--follow", "--limit", "1"],
        cwd=ROOT,
        env={**os.environ, "ZTM_CHAT_CONFIG": str(copy / "openclaw.yaml")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    following.stdout.readline()
    log = LmdbLog.open(copy / "log")
    from events.conversation.events import MessageIgnored

    ignored = MessageIgnored(b"i" * 16, "newcomer", 1, "blank", "feed")
    (record,) = add_all(log, Draft("account/main/peer/newcomer", ignored))
    assert following.stdout.readline().split()[0] == str(record.seq)
    log.close()
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=10)
    assert following.returncode == 0


# why


def test_why_tells_what_the_current_policy_would_decide(written: Path) -> None:
    rows = [json.loads(line) for line in run_trail(written, "--limit", "0")]
    asked = [row for row in rows if row["policy"]]
    assert "It would " in run(written, "why", str(asked[0]["seq"]))
    shown = run(written, "why", str(asked[-1]["seq"]))
    assert "The policy has not changed since." in shown


# what-if, replay


def test_what_if_lists_changes_and_fails_on_unwanted_ones(written: Path, tmp_path: Path) -> None:
    new = configure(tmp_path, tmp_path / "new.yaml", "dmPolicy: allow")
    shown = run(written, "audit", "what-if", str(new))
    assert " would change." in shown
    found = json.loads(run(written, "audit", "what-if", str(new), "--json"))
    assert sum(change["count"] for change in found["changes"]) > 0
    words = ("audit", "what-if", str(new), "--fail-if", "pairing->process")
    assert "<- --fail-if" in run(written, *words, code=1)
    run(written, "audit", "what-if", str(new), "--fail-if", "mention->exec")
    assert "not a change" in run(written, "audit", "what-if", str(new), "--fail-if", "x", code=2)
    new.write_text("channels: {ztm-chat: {dmPolicy: perhaps}}")
    assert "perhaps" in run(written, "audit", "what-if", str(new), code=2)


def test_replay_compares_and_shows_any_state(written: Path) -> None:
    shown = run(written, "replay")
    assert "Derived indexes match the events." in shown
    assert "allowFrom: user1, user2, user3" in shown
    found = json.loads(run(written, "replay", "--json"))
    assert found["compared"]["differences"] == []
    assert found["state"]["accounts"][0]["paired"]
    then = json.loads(run(written, "replay", "--until", "2026-01-01", "--json"))
    assert then == {
        "compared": None,
        "state": {"seq": 0, "time": 0, "running": "", "accounts": []},
    }


# export


def test_an_export_holds_every_event_and_can_be_verified_by_others(
    written: Path, tmp_path: Path
) -> None:
    key, public, out = tmp_path / "key.pem", tmp_path / "public.pem", tmp_path / "out.jsonl"
    openssl("genpkey", "-algorithm", "ed25519", "-out", str(key))
    openssl("pkey", "-in", str(key), "-pubout", "-out", str(public))
    run(written, "export", "--output", str(out), "--sign", str(key))
    about, *events = map(json.loads, out.read_text().splitlines())
    assert about["head"] == run(written, "audit", "head").strip()
    log = LmdbLog.open_reader(written / "log")
    conversations = [record.seq for record in log.read() if record.stream.count("/") > 1]
    assert sorted(record["seq"] for record in events) == conversations
    assert {record["seq"]: record["text"] for record in events} == {
        seq: log.body(seq) for seq in conversations
    }
    log.close()
    assert out.stat().st_mode & 0o777 == 0o600
    verify = ("pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin")
    signature = ("-in", str(out), "-sigfile", f"{out}.sig")
    assert "Success" in openssl(*verify, *signature)
    assert "not an Ed25519 private key" in run(
        written, "export", "--output", str(out), "--sign", str(public), code=2
    )


def openssl(*words: str) -> str:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_an_html_export_runs_nothing_and_hides_nothing(written: Path) -> None:
    page = run(written, "export", "--html")
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "\\u202e" in page
    for part in ("src=", "href=", "url(", "@import", "http://", "https://"):
        assert part not in page


def test_no_csv_cell_is_a_formula(copy: Path) -> None:
    from ztm_chat.printing.decision_rows import csv_record

    for cell in (*"=+-@", "=1+1", "\tx", "\n=1+1", "=1\n2", "＝1", "＋1", "－1", "＠x"):
        (parsed,) = next(csv.reader(io.StringIO(csv_record([cell]), newline="")))
        assert parsed == f"'{cell}"
    assert next(csv.reader(io.StringIO(csv_record(['a"b', "c,d", None])))) == ['a"b', "c,d", ""]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\x00b\x07c\x7f\x9b", "a\\x00b\\x07c\\x7f\\x9b"),
        ("\u202egpj.exe\u2066\u200b\u2028", "\\u202egpj.exe\\u2066\\u200b\\u2028"),
        ("right\rwrong", "right\\rwrong"),
        ("\r=1+1", "\\r=1+1"),
        ("\ud800", "\\ud800"),
        ("two\nlines\tand a tab, 你好 é", "two\nlines\tand a tab, 你好 é"),
        ("\x00=1+1", "\\x00=1+1"),
    ],
)
def test_no_csv_cell_moves_a_cursor_or_hides_anything(raw: str, shown: str) -> None:
    from ztm_chat.printing.decision_rows import csv_record

    (parsed,) = next(csv.reader(io.StringIO(csv_record([raw]), newline="")))
    assert parsed == shown


# forget


def test_a_person_is_forgotten_without_a_daemon(copy: Path) -> None:
    assert "Erased all messages of user1 (account main)." in run(copy, "forget", "user1", "--yes")
    shown = run(copy, "audit", "verify")
    assert "Log verified." in shown
    assert " 0 were erased" not in shown
    rows = [json.loads(row) for row in run_trail(copy, "--sender", "user1", "--limit", "0")]
    assert rows
    assert {row["text"] for row in rows} == {None}
    told = run(copy, "forget", "usr1", "--yes", code=1)
    assert "no messages of 'usr1' are stored; similar names: " in told
    assert "user1" in told


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(timing=Timing().scaled(SCALE)) as mesh:
        yield mesh


def test_a_person_is_forgotten_while_the_daemon_runs(mesh: Mesh, tmp_path: Path) -> None:
    """What the mesh still shows of them is not taken in again; what is new is answered."""
    bot, alice = mesh.join("my-bot"), mesh.join("alice")
    operator = Operator(tmp_path)
    operator.configure(bot.url, "dmPolicy: allow")
    daemon = operator.start()
    alice.send("my-bot", "my secret is xyzzy")
    alice.wait_for(replies(1), sender="my-bot")
    log = LmdbLog.open_reader(tmp_path / "state" / "log")
    key = log.key("bot/alice").secret
    log.close()
    told = operator.run("forget", "alic", "--yes", code=1)
    assert "no messages of 'alic' are stored; similar names: 'alice'" in told
    erased = operator.run("forget", "alice", "--yes")
    assert erased == "Erased all messages of alice (account bot).\n"
    assert "Text: erased." in operator.run("why", "--peer", "alice")
    for path in (tmp_path / "state" / "log").rglob("*"):
        assert path.is_dir() or key.hex().encode() not in path.read_bytes()
    stop(daemon)
    daemon = operator.start()  # which reads the whole mesh again, under another key
    alice.send("my-bot", "hello again")
    entries = alice.wait_for(replies(2), sender="my-bot")
    assert [entry.text for entry in entries][-1] == "You said: hello again"
    assert len(entries) == 2
    rows = operator.run("audit", "trail", "--json", "--limit", "0").splitlines()
    assert [json.loads(row)["text"] for row in rows] == [None, "hello again"]
    assert "Log verified." in operator.run("audit", "verify")
    stop(daemon)


def test_an_erasure_that_a_crash_cut_short_is_finished_at_the_next_start(
    mesh: Mesh, tmp_path: Path
) -> None:
    bot, alice = mesh.join("my-bot"), mesh.join("alice")
    operator = Operator(tmp_path)
    operator.configure(bot.url, "dmPolicy: allow")
    daemon = operator.start()
    alice.send("my-bot", "my secret is xyzzy")
    alice.wait_for(replies(1), sender="my-bot")
    stop(daemon)
    log = LmdbLog.open(tmp_path / "state" / "log")
    key_id, key = log.key("bot/alice")
    add_all(log, Draft("account/bot", PersonErased("alice", key_id, 1 << 42, "operator")))
    log.close()
    daemon = operator.start()
    while key.hex() in (tmp_path / "state" / "log" / "keys").read_text():
        assert daemon.poll() is None
    stop(daemon)
    assert "Log verified." in operator.run("audit", "verify")
    assert "Text: erased." in operator.run("why", "--peer", "alice")


# A log by its folder


def auditor(tmp_path: Path, *words: str, **env: str) -> str:
    """What a command prints for somebody without a configuration."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("ZTM_CHAT_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ztm_chat", *words],
        cwd=tmp_path,
        env={**own, "PYTHONPATH": f"{ROOT}:{ROOT / 'bin'}", "HOME": str(tmp_path), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "trail", "--json"),
        ("audit", "verify"),
        ("dead-letters", "list"),
        ("export", "--peer", "user1"),
        ("store", "check", "--quick"),
    ],
)
def test_a_log_is_read_by_its_folder_without_a_configuration(
    copy: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "openclaw.yaml").unlink()
    by_folder = auditor(tmp_path, *words, "--log", str(copy / "log"))
    assert by_folder
    if words[0] != "export":
        assert auditor(tmp_path, *words, ZTM_CHAT_STATE_DIR=str(copy)) == by_folder
