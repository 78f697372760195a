"""Whatever ends a commit, or a listener: everybody who waits gets an answer."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from store.log.append import Append, prepare
from store.log.event_log import CommitFailed, Committed, LogFailed, Outcome
from store.log.lmdb_log import LmdbLog
from store.log.writer import Writer
from tests.store.builders import ALICE, BOB, add, drafts, tick


class Panic(BaseException):
    """What a library in Rust raises: no `Exception`."""


FAULTS = (OSError("no"), MemoryError(), Panic("no"), SystemExit(1), KeyboardInterrupt())


@pytest.fixture(params=FAULTS, ids=lambda fault: type(fault).__name__)
def fault(request: pytest.FixtureRequest) -> BaseException:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def failures() -> list[str]:
    return []


@pytest.fixture
def log(tmp_path: Path, failures: list[str]) -> Iterator[LmdbLog]:
    log = LmdbLog.open(tmp_path / "log", on_failure=failures.append)
    yield log
    log.close()


def raising(fault: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise fault

    return fail


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("_database", "writing"),
        ("_keyring", "ciphers"),
        ("", "_clock_ns"),
        ("", "_remember"),
        ("", "commit"),
    ],
)
def test_a_commit_that_fails_in_any_way_fails_the_log_with_the_reason(
    log: LmdbLog,
    failures: list[str],
    fault: BaseException,
    part: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(log, ALICE, tick())
    committer = log._committer
    monkeypatch.setattr(getattr(committer, part) if part else committer, name, raising(fault))
    heard: SimpleQueue[Outcome] = SimpleQueue()
    for number in range(3):
        log.append(drafts(BOB, tick(number)), expected={BOB: number}, then=heard.put)
    outcomes = [heard.get(timeout=10) for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [CommitFailed] * 3
    monkeypatch.undo()
    with pytest.raises(LogFailed, match=type(fault).__name__):
        add(log, ALICE, tick())
    assert failures == [log.stats().failed]
    assert type(fault).__name__ in failures[0]


def test_a_listener_that_fails_in_any_way_ends_nothing(log: LmdbLog, fault: BaseException) -> None:
    log.append(drafts(ALICE, tick()), expected={ALICE: 0}, then=raising(fault))
    assert add(log, BOB, tick())
    assert log.stats().failed is None


def writer(
    commit: Callable[[list[Append]], list[Outcome]],
    on_failure: Callable[[str], None],
    explain: Callable[[BaseException], str] = str,
) -> Writer:
    return Writer(commit, explain=explain, on_failure=on_failure, pause_s=0.001)


def append(number: int = 0) -> Append:
    return prepare(drafts(ALICE, tick(number)), {ALICE: number})


@pytest.mark.parametrize("outcomes", [[], [Committed(())] * 9], ids=["too few", "too many"])
def test_a_writer_with_a_bug_of_its_own_answers_everybody(outcomes: list[Outcome]) -> None:
    """Outcomes that do not match the appends stand for any mistake on the writer's thread."""
    told: list[str] = []
    faulty = writer(lambda _: outcomes, told.append)
    heard: SimpleQueue[Outcome] = SimpleQueue()
    for number in range(5):
        faulty.submit(append(number), heard.put)
    answers = [heard.get(timeout=10) for _ in range(5)]
    assert isinstance(answers[-1], CommitFailed)
    assert faulty.is_alive()
    assert faulty.failed
    assert told == [faulty.failed]
    faulty.submit(append(), heard.put)
    faulty.close()
    assert isinstance(heard.get(timeout=10), CommitFailed)
    assert not faulty.is_alive()


def test_an_error_that_can_not_be_explained_is_told_all_the_same(fault: BaseException) -> None:
    told: list[str] = []
    failing = writer(raising(fault), told.append, explain=raising(Panic("not even that")))  # type: ignore[arg-type]
    heard: SimpleQueue[Outcome] = SimpleQueue()
    failing.submit(append(), heard.put)
    assert isinstance(heard.get(timeout=10), CommitFailed)
    failing.close()
    assert type(fault).__name__ in told[0]


def test_a_supervisor_that_fails_when_it_is_told_ends_nothing(fault: BaseException) -> None:
    failing = writer(raising(OSError("no")), raising(fault))  # type: ignore[arg-type]
    heard: SimpleQueue[Outcome] = SimpleQueue()
    for number in range(2):
        failing.submit(append(number), heard.put)
        assert isinstance(heard.get(timeout=10), CommitFailed)
    failing.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_waits_for_a_commit_is_told_when_the_writer_has_ended(
    log: LmdbLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known to end it; if something does, nobody waits for ever."""
    monkeypatch.setattr(log._writer, "_settle", raising(Panic("first")))
    monkeypatch.setattr(log._writer, "_refuse_the_rest", raising(Panic("second")))
    answered = threading.Event()

    def wait() -> None:
        with pytest.raises(LogFailed, match="ended without an answer"):
            add(log, ALICE, tick())
        answered.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert answered.wait(10)
    waiting.join()
    assert not log._writer.is_alive()
