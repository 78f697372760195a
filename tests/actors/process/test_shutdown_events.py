"""No signal is lost, wherever and whenever it arrives."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.process.shutdown_events import (
    DUMPING,
    STOPPING,
    DumpState,
    RunFailed,
    ShutdownEvents,
    Stop,
)

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def a_thread(work: Callable[[], object]) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_that_another_thread_receives_ends_the_wait(number: signal.Signals) -> None:
    """The main thread's wait is not interrupted by it: only the byte on the socket ends it."""
    done = threading.Event()
    with ShutdownEvents() as events, a_thread(done.wait) as other:
        try:
            with a_thread(lambda: signal.pthread_kill(other.ident or 0, number)):
                assert events.wait(10) == Stop(number.name)
        finally:
            done.set()


def test_signals_at_any_moment_end_the_wait() -> None:
    for _ in range(200):
        with ShutdownEvents() as events, a_thread(lambda: os.kill(os.getpid(), signal.SIGTERM)):
            assert events.wait(10) == Stop("SIGTERM")


def test_asking_for_the_state_ends_nothing_however_often() -> None:
    with ShutdownEvents() as events:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert events.wait(10) == DumpState()
        os.kill(os.getpid(), signal.SIGTERM)
        assert events.wait(10) == Stop("SIGTERM")
        os.kill(os.getpid(), signal.SIGUSR1)
        assert events.wait(10) == DumpState()


def test_a_failure_told_by_a_thread_ends_the_wait() -> None:
    with ShutdownEvents() as events, a_thread(lambda: events.tell(RunFailed("disk"))):
        assert events.wait(10) == RunFailed("disk")


def test_what_was_told_before_is_heard_in_order_and_once() -> None:
    with ShutdownEvents() as events:
        for number in range(300):
            events.tell(RunFailed(str(number)))
        assert [events.wait(0) for _ in range(300)] == [
            RunFailed(str(number)) for number in range(300)
        ]
        assert events.wait(0) is None


def test_a_wait_has_an_end() -> None:
    with ShutdownEvents() as events:
        assert events.wait(0.01) is None


def test_what_nobody_can_hear_any_more_is_no_error() -> None:
    with ShutdownEvents() as events:
        pass
    events.tell(RunFailed("late"))


def test_signals_do_again_what_they_did_before() -> None:
    heard = (*STOPPING, DUMPING)
    before = [signal.getsignal(number) for number in heard]
    with ShutdownEvents():
        assert [signal.getsignal(number) for number in heard] != before
    assert [signal.getsignal(number) for number in heard] == before


def test_a_second_signal_ends_the_process_at_once() -> None:
    code = """
from actors.process.shutdown_events import ShutdownEvents
with ShutdownEvents() as events:
    print("ready", flush=True)
    print(events.wait(), flush=True)
    import time
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "Stop(signal='SIGINT')\n"
        assert select.select([process.stdout], [], [], 0)[0] == []  # it still stops in good order
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
