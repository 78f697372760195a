"""Breaks the recovery code on purpose, one way at a time, and shows that the tests catch each.

    .venv/bin/python -m tests.recovery.mutations

Each mutation is made in a copy of the checkout; the tests that guard it must fail there. Exits 1
when one survives.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SIMULATION = (
    "tests/actors/test_every_crash_point.py",
    "tests/actors/test_simulation.py",
    "tests/actors/runtime/test_supervision.py",
)
ROOMS = ("events", "store", "actors", "bin", "docs", "tests", "pyproject.toml")


@dataclass(frozen=True)
class Mutation:
    """What is broken: `before` becomes `after` in `file`; `tests` have to notice."""

    what: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...] = SIMULATION


MUTATIONS = [
    Mutation(
        "a message queued before a crash is posted without looking for it first",
        "actors/conversation.py",
        "doubtful = version not in self._queued_here",
        "doubtful = False",
    ),
    Mutation(
        "work left open is not resumed at the start",
        "actors/account.py",
        "for stream in self._unfinished:",
        "for stream in ():",
    ),
    Mutation(
        "what is due is not looked for when a conversation is loaded",
        "actors/conversation.py",
        "        if not drafts:\n            self._do_what_is_due()\n",
        "",
    ),
    Mutation(
        "the slots of readers that died are never freed",
        "store/disk/database.py",
        "freed = self._env.reader_check()",
        "freed = 0",
        ("tests/store/log/test_dead_readers.py",),
    ),
    Mutation(
        "a control character reaches a spreadsheet as it is",
        "bin/ztm_chat/printing/decision_rows.py",
        "[visible(cell, _KEPT) for cell in texts]",
        "list(texts)",
        ("tests/bin/test_audit_commands.py",),
    ),
    Mutation(
        "a message over its budget is listed nowhere",
        "store/read_models/dead_letters.py",
        'reason="agent" | "budget"',
        'reason="agent"',
        ("tests/store/audit/test_outcomes.py",),
    ),
    Mutation(
        "a message is not looked for behind events that lie far apart",
        "store/read_models/trail.py",
        "event = _at(log, event.stream, named) if named else None",
        "event = _at(log, event.stream, named) if named > event.version - 5_000 else None",
        ("tests/store/read_models/test_trail.py",),
    ),
    Mutation(
        "of a file that is cut off nothing is salvaged",
        "store/maintenance/salvage.py",
        "            saved = _from_pages(folder, aside, damage)",
        "            raise damage",
        ("tests/store/maintenance/test_salvage.py",),
    ),
    Mutation(
        "after a restart the status doesn't know what was last received",
        "actors/process/status.py",
        "_of(found, recorded).inbound_ms = recorded.time // 1_000_000",
        "pass",
        ("tests/actors/process/test_daemon.py",),
    ),
    Mutation(
        "a log can't be read by its folder",
        "bin/ztm_chat/config_option.py",
        "if log_path is not None:",
        "if False:",
        ("tests/bin/test_audit_commands.py",),
    ),
    Mutation(
        "after a restart a group is served before its members are known",
        "events/conversation/effects.py",
        "    if state.turn and known:",
        "    if state.turn:",
        ("tests/actors/test_account_beside.py",),
    ),
    Mutation(
        "a turn goes on though its sender is no longer let in",
        "events/conversation/decision_builder.py",
        'if reason == "erased" or not self.may_let_in(turn.sender):',
        'if reason == "erased":',
        ("tests/actors/test_whole_system_machine.py",),
    ),
    Mutation(
        "a person's key is destroyed while something may be recorded under it",
        "actors/account.py",
        "        live = self._live_conversations()\n        self._push_to_all()\n",
        "        live: list[str] = []\n        self._push_to_all()\n",
        ("tests/actors/test_forgetting.py",),
    ),
    Mutation(
        "a pairing request outlives the erasure of its code",
        "events/account/state.py",
        '        "requests": _without(state.requests, person),',
        '        "requests": state.requests,',
        ("tests/actors/test_forgetting.py",),
    ),
    Mutation(
        "what was written before an erasure is given a code while it goes on",
        "actors/account.py",
        "if self._erasures.cover(request.person, request.seq, self.state.erased):",
        "if False:",
        ("tests/actors/test_forgetting.py",),
    ),
    Mutation(
        "a revocation is called done before the conversation knows of it",
        "actors/account.py",
        "live = [stream] if done and self.system.router.is_live(stream) else []",
        "live: list[str] = []",
        ("tests/actors/test_account_beside.py",),
    ),
    Mutation(
        "a group's new members are passed on after its messages",
        "actors/account.py",
        "            self._push(GroupId(self.settings.id, seen.creator, seen.group))\n",
        "            pass\n",
        ("tests/actors/test_account_beside.py",),
    ),
    Mutation(
        "an actor is stopped though it was told more than it received",
        "actors/runtime/router.py",
        "if live is None or live.told != received:",
        "if live is None:",
        ("tests/actors/runtime/test_router.py",),
    ),
    Mutation(
        "what a failed actor had not handled is lost",
        "actors/runtime/router.py",
        "mail = [*instead, *waiting(), *live.missed]",
        "mail = [*instead, *live.missed]",
        ("tests/actors/runtime/test_router.py",),
    ),
    Mutation(
        "a task that failed is not due again",
        "actors/runtime/supervised_tasks.py",
        "        self._loop.call_later(pause_s, again)\n",
        "",
        ("tests/actors/test_edge.py",),
    ),
    Mutation(
        "what does not show in a name is left out of its label",
        "actors/agents/openai/author_label.py",
        '    return f"\\\\u{{{ord(char):x}}}"\n',
        '    return ""\n',
        ("tests/actors/agents/openai/test_author_label.py",),
    ),
    Mutation(
        "the dedup index is not asked",
        "events/conversation/arrivals.py",
        "arrival.identity in known or ",
        "",
    ),
    Mutation(
        "an answered turn stays open in the index",
        "events/projections.py",
        "    AgentReplied: lambda event: Projected(closes=(event.turn,)),\n",
        "",
    ),
    Mutation(
        "receipts are confirmed before what they are for is durable",
        "actors/conversation.py",
        "        self.append(drafts, confirm)\n",
        "        confirm(())\n        self.append(drafts)\n",
        (*SIMULATION, "tests/recovery/test_kill.py"),
    ),
    Mutation(
        "a sent message leaves the outbox only in memory",
        "events/conversation/state.py",
        "    ReplySent: _left_outbox,\n",
        "",
    ),
    Mutation(
        "a pairing code is asked for again after a crash",
        "events/conversation/outbox.py",
        "    if context.state.coded == request_seq:",
        "    if False:",
        ("tests/events",),
    ),
    Mutation(
        "an approval is announced again after a crash",
        "events/conversation/outbox.py",
        "    if context.state.announced == approval_seq:",
        "    if False:",
    ),
    Mutation(
        "who appears after the last look at the users may pass for a listed one",
        "events/conversation/policy_context.py",
        "ambiguous=sender not in self.unmistakable,",
        "ambiguous=False,",
        ("tests/events/conversation/test_arrivals.py",),
    ),
    Mutation(
        "a pattern of tool groups is passed on, and matches no tool",
        "events/policy/tools.py",
        'is_pattern = name.startswith("group:") and "*" in name',
        "is_pattern = False",
        ("tests/events/policy/test_tools.py",),
    ),
    Mutation(
        "a long answer is cut inside a flag or a conjunct",
        "events/conversation/wire_text.py",
        "    end = ends[-1] if ends else stop\n",
        "    end = stop\n",
        ("tests/events/conversation/test_wire_text.py",),
    ),
    Mutation(
        "a group key that no group fits is not named",
        "events/policy/group.py",
        "and (entry.creator, fold(entry.group)) not in names",
        "and not names",
        ("tests/events/policy/test_group.py",),
    ),
    Mutation(
        "a twin gets the tools that a sender is denied",
        "events/policy/tools.py",
        "ambiguous=ambiguous and rules == 1,",
        "ambiguous=ambiguous,",
        ("tests/events/policy/test_tools.py",),
    ),
    Mutation(
        "the path of a page's address mentions the bot",
        "events/policy/mention.py",
        'in_path = address or text.endswith("/", begin, at)',
        "in_path = False",
        ("tests/events/policy/test_mention.py",),
    ),
    Mutation(
        "a model's name that echoes the key is recorded",
        "actors/agents/openai/completion.py",
        "named and key.is_echoed_in(named)",
        "False",
        ("tests/actors/agents/openai/test_openai_agent.py",),
    ),
    Mutation(
        "an answer that was broken off is sent as a whole one",
        "actors/agents/openai/completion.py",
        'if not text or self._finish not in {"", *WHOLE, *LENGTH, *TOOLS}:',
        "if not text or self._finish in FILTERED:",
        ("tests/actors/agents/openai/test_whole_answers.py",),
    ),
    Mutation(
        "a whole answer is thrown away when the connection breaks after it",
        "actors/agents/openai/openai_agent.py",
        "            if not completion.ended:\n",
        "            if True:\n",
        ("tests/actors/agents/openai/test_whole_answers.py",),
    ),
    Mutation(
        "a model's thoughts are sent when their opening tag is missing",
        "actors/agents/openai/thoughts.py",
        "if thinks or not opened:",
        "if thinks:",
        ("tests/actors/agents/openai/test_completion.py",),
    ),
    Mutation(
        "the silence word with decoration around it is sent",
        "actors/agents/silence.py",
        "    return rest.strip(), not _says_something(rest)\n",
        "    return rest.strip(), text.strip() == SILENT\n",
        ("tests/actors/agents/test_silence.py",),
    ),
    Mutation(
        "an agent's Retry-After of a day silences the chat for a day",
        "events/conversation/turns.py",
        "        and failure.retry_after_ms <= MAX_RETRY_AFTER_MS\n",
        "",
        ("tests/events/conversation/test_turns.py",),
    ),
    Mutation(
        "a question that the model's context can't hold is not asked with less history",
        "actors/agents/openai/openai_agent.py",
        "                if not lines:\n",
        "                if True:\n",
        ("tests/actors/agents/openai/test_context_too_long.py",),
    ),
    Mutation(
        "what a command started in a session of its own survives the turn",
        "actors/agents/subprocess_turn.py",
        "                await asyncio.to_thread(kill_tree, self._mark)\n",
        "",
        ("tests/actors/agents/test_command_agent.py",),
    ),
    Mutation(
        "an answer of which nothing can be sent counts as an answer",
        "events/conversation/turns.py",
        "if not reply.silent and not leaves_text(reply.text):",
        "if False:",
        ("tests/events/conversation/test_turns.py",),
    ),
    Mutation(
        "the agent is asked the word null",
        "actors/ztm/reading/arrival_factory.py",
        "            says_nothing(message),\n",
        "            False,\n",
        ("tests/actors/ztm/reading/test_arrival_factory.py",),
    ),
    Mutation(
        "what was refused is told to the agent",
        "events/conversation/state.py",
        '    if event.action == "process":\n        _say(state, decided.seq)\n',
        '    _say(state, decided.seq)\n    if event.action == "process":\n',
        ("tests/actors/test_turn_context.py",),
    ),
    Mutation(
        "a snapshot of other code is believed",
        "store/log/snapshots.py",
        "and snapshot.fingerprint == self._fingerprint",
        "",
        ("tests/store/log/test_snapshots.py",),
    ),
    Mutation(
        "a failed commit is followed by another",
        "store/log/writer.py",
        "            if self.failed:\n                break\n",
        "",
        ("tests/store/log/test_log_room.py", "tests/store/log/test_lmdb_log.py"),
    ),
    Mutation(
        "what was posted without being seen is posted again without a look",
        "actors/ztm/sending/sender.py",
        "posts + 1, True, math.inf",
        "posts + 1, False, math.inf",
        ("tests/actors/ztm/sending/test_sender.py", "tests/recovery/test_crash_points.py"),
    ),
    Mutation(
        "a process apart goes on when its parent was killed",
        "store/maintenance/isolation.py",
        "    threading.Thread(target=_end_with_parent, daemon=True).start()\n",
        "",
        ("tests/store/maintenance/test_isolation.py",),
    ),
    Mutation(
        "an answer with half a surrogate pair in a key is no ZtmError",
        "actors/ztm/client/lenient.py",
        "        except UnicodeError:  # a key",
        "        except KeyError:  # a key",
        ("tests/actors/ztm/client/test_answers.py",),
    ),
    Mutation(
        "whatever a stranger calls the hash of a file is recorded in the clear",
        "events/conversation/identity.py",
        "if _HASH.fullmatch(found)",
        "if True",
        ("tests/events/conversation/test_identity.py",),
    ),
    Mutation(
        "what one sender's files lack delays the retries of everybody's",
        "actors/ztm/watching/feed.py",
        "count = len(catalogue.unavailable) if old else catalogue.unavailable_of(pending.sender)",
        "count = len(catalogue.unavailable)",
        ("tests/actors/ztm/watching/test_hostile_files.py",),
    ),
    Mutation(
        "a file is read to its end, however many entries it has",
        "actors/ztm/client/entries.py",
        "return read(data, _entry, most=MAX_ENTRIES)",
        "return read(data, _entry)",
        ("tests/actors/ztm/client/test_entries.py",),
    ),
    Mutation(
        "the time on record stands still while the machine's clock is behind it",
        "store/log/log_clock.py",
        "return elapsed + self._offset",
        "return max(self._wall_ns(), self._offset)",
        ("tests/store/log/test_log_clock.py", "tests/actors/test_clock_steps.py"),
    ),
    Mutation(
        "old bodies are erased by this machine's clock alone",
        "events/gateway/retention.py",
        "before = _due(min(wall_ms, mesh_ms), retention_ms)",
        "before = _due(wall_ms, retention_ms)",
        ("tests/events/gateway/test_expiry.py",),
    ),
    Mutation(
        "a message is too late by this machine's clock alone",
        "events/conversation/decision_builder.py",
        "return self.now_ms - self.unproved_ms - horizon_s * 1_000",
        "return self.now_ms - horizon_s * 1_000",
        ("tests/actors/test_clock_steps.py",),
    ),
]


def caught(mutation: Mutation, folder: Path) -> bool:
    """Whether the tests fail in a copy of the checkout with `mutation` made."""
    for room in ROOMS:
        source = ROOT / room
        if source.is_dir():
            shutil.copytree(source, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / room)
    file = folder / mutation.file
    text = file.read_text()
    file.write_text(text.replace(mutation.before, mutation.after))
    tests = [test for test in mutation.tests if (folder / test).exists()]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-m",
            "not kill",
            "-p",
            "no:cacheprovider",
            *tests,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    return done.returncode == 1


def main() -> None:
    """Try every mutation and print what became of it."""
    survived = 0
    for mutation in MUTATIONS:
        with tempfile.TemporaryDirectory() as name:
            found = caught(mutation, Path(name))
        survived += not found
        sys.stdout.write(f"{'caught  ' if found else 'SURVIVED'}  {mutation.what}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(MUTATIONS) - survived} of {len(MUTATIONS)} caught\n")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
