"""Whatever call to the system fails while keys are made or destroyed: memory and file agree."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from store.errors import LogUnusable
from store.keys.bodies import SecretKey
from store.keys.keyring import Keyring

CALLS = ("open", "write", "fsync", "rename", "pwrite", "ftruncate", "fstat", "stat", "close")
WEEK = 2_900

Fault = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]


def refuse(_: str, __: Callable[..., Any], ___: tuple[Any, ...]) -> None:
    """The call does nothing, and fails."""
    raise OSError(errno.ENOSPC, "No space left on device")


def fail_late(_: str, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """The call does its work, and fails all the same."""
    call(*args)
    raise OSError(errno.EIO, "Input/output error")


def write_half(name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """A write stops in the middle, as on a disk that is full; any other call does nothing."""
    if name in {"write", "pwrite"}:
        fd, data, *where = args
        call(fd, bytes(data)[: len(data) // 2], *where)
    raise OSError(errno.ENOSPC, "No space left on device")


class Faults:
    """Lets the call with the number `at` fail (from 0), and with `lasting` all later ones too."""

    def __init__(self, fault: Fault, at: int, *, lasting: bool) -> None:
        self._fault = fault
        self._at = at
        self._lasting = lasting
        self.calls: list[str] = []

    @property
    def struck(self) -> bool:
        return len(self.calls) > self._at

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            number = len(self.calls)
            self.calls.append(name)
            if number == self._at or (self._lasting and number > self._at):
                return self._fault(name, lambda *given: call(*given, **kwargs), args)
            return call(*args, **kwargs)

        return wrapped

    @contextmanager
    def injected(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self.wrap(name, getattr(os, name)))
            yield


@pytest.fixture(params=[refuse, fail_late, write_half])
def fault(request: pytest.FixtureRequest) -> Fault:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[False, True], ids=["once", "lasting"])
def lasting(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def opened(path: Path) -> Keyring:
    return Keyring(path, entropy=os.urandom, writable=True)


def filled(folder: Path) -> tuple[Path, Keyring, dict[str, SecretKey]]:
    """A ring with three people and a week, in a folder of its own."""
    folder.mkdir()
    path = folder / "keys"
    path.touch(mode=0o600)
    ring = opened(path)
    keys = {name: ring.key(name) for name in ("alice", "bob", "carol")}
    ring.ciphers(["alice"], WEEK)
    return path, ring, keys


def held(ring: Keyring, keys: dict[str, SecretKey]) -> dict[str, bytes | None]:
    return {name: ring.key_id(name) for name in keys}


def later_keys(ring: Keyring) -> dict[str, SecretKey]:
    """Keys made once the fault is over; none if the ring refuses, which it then says."""
    try:
        return {"dave": ring.key("dave"), "erin": ring.key("erin")}
    except LogUnusable:
        # Nor are bodies sealed under keys that may be gone.
        with pytest.raises(LogUnusable, match="Restart the daemon"):
            ring.ciphers(["alice"], WEEK)
        return {}


def struck_at_every_call(
    tmp_path: Path, fault: Fault, work: Callable[[Keyring], object], *, lasting: bool
) -> Iterator[tuple[Path, Keyring, dict[str, SecretKey]]]:
    """Rings that were at `work` when a call failed: the first, then the second, and so on."""
    for at in count():
        path, ring, keys = filled(tmp_path / str(at))
        faults = Faults(fault, at, lasting=lasting)
        with faults.injected(), suppress(OSError, LogUnusable):
            work(ring)
        if not faults.struck:
            ring.close()
            assert at >= 3
            return
        yield path, ring, keys


def check_agreement(path: Path, ring: Keyring, keys: dict[str, SecretKey]) -> None:
    """What the ring has now, and what it makes from now on, is what the next start finds."""
    before = held(ring, keys)
    made = later_keys(ring)
    ring.close()
    again = opened(path)
    if made:
        assert held(again, keys) == before
    assert {name: again.key_id(name) for name in made} == {n: k.id for n, k in made.items()}
    for name, key in keys.items():
        if again.key_id(name) is not None:
            assert again.key(name) == key  # identities are what they were
    assert again.has_week(WEEK)
    assert len(again.key("frank").secret) == 32
    again.close()


def test_a_key_that_could_not_be_made_harms_no_other(
    tmp_path: Path, fault: Fault, lasting: bool
) -> None:
    work = struck_at_every_call(tmp_path, fault, lambda ring: ring.key("new"), lasting=lasting)
    for path, ring, keys in work:
        assert None not in held(ring, keys).values()
        check_agreement(path, ring, keys)


def test_a_destroyed_key_is_gone_or_is_there_and_nothing_else_changes(
    tmp_path: Path, fault: Fault, lasting: bool
) -> None:
    outcomes = set()
    work = struck_at_every_call(tmp_path, fault, lambda ring: ring.destroy("bob"), lasting=lasting)
    for path, ring, keys in work:
        gone = ring.key_id("bob") is None
        outcomes.add(gone)
        assert None not in held(ring, {"alice": keys["alice"], "carol": keys["carol"]}).values()
        check_agreement(path, ring, keys)
        if gone:
            for left in path.parent.iterdir():
                assert keys["bob"].secret.hex() not in left.read_text()
    assert outcomes == {True, False}


def test_what_failed_can_be_done_again(tmp_path: Path, fault: Fault, lasting: bool) -> None:
    work = struck_at_every_call(tmp_path, fault, lambda ring: ring.destroy("bob"), lasting=lasting)
    for path, ring, keys in work:
        with suppress(LogUnusable):
            ring.destroy("bob")
            ring.destroy("carol")
            assert held(ring, keys) == {"alice": keys["alice"].id, "bob": None, "carol": None}
        ring.close()
        again = opened(path)
        assert again.key("alice") == keys["alice"]
        again.close()


def test_opening_that_fails_changes_no_key(tmp_path: Path, fault: Fault, lasting: bool) -> None:
    for at in count():
        path, ring, keys = filled(tmp_path / str(at))
        ring.close()
        path.write_bytes(path.read_bytes() + b'{"person": "half')
        faults = Faults(fault, at, lasting=lasting)
        with faults.injected(), suppress(LogUnusable):
            opened(path).close()
        again = opened(path)
        assert {name: again.key(name) for name in keys} == keys
        again.close()
        if not faults.struck:
            return


def test_half_a_line_that_can_not_be_cut_off_is_never_written_on(tmp_path: Path) -> None:
    path, ring, keys = filled(tmp_path / "log")
    whole = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        write = os.write
        patch.setattr(os, "ftruncate", lambda *_: refuse("", write, ()))
        patch.setattr(os, "write", lambda fd, data: write_half("write", write, (fd, data)))
        with pytest.raises(OSError, match="No space"):
            ring.key("dave")
        patch.setattr(os, "write", write)
        with pytest.raises(OSError, match="No space"):
            ring.key("erin")
        assert path.read_bytes().startswith(whole)
        assert path.read_bytes().count(b"\n") == len(keys) + 1
    dave = ring.key("dave")
    ring.close()
    assert opened(path).key("dave") == dave


def test_the_old_file_is_wiped_only_when_the_new_ones_name_is_durable(tmp_path: Path) -> None:
    """A power cut before that brings the old file back, which must then have its keys."""
    path, ring, keys = filled(tmp_path / "log")
    old = tmp_path / "old"
    old.hardlink_to(path)
    before = old.read_bytes()
    fsync = os.fsync
    with pytest.MonkeyPatch.context() as patch:
        folder = path.parent.stat().st_ino

        def fail_for_the_folder(fd: int) -> None:
            if os.fstat(fd).st_ino == folder:
                refuse("fsync", fsync, (fd,))
            fsync(fd)

        patch.setattr(os, "fsync", fail_for_the_folder)
        with pytest.raises(OSError, match="No space"):
            ring.destroy("bob")
        assert old.read_bytes() == before
        with pytest.raises(OSError, match="No space"):  # it might be lost with the new name
            ring.key("dave")
    assert ring.key("dave")
    assert set(old.read_bytes()) == {0}
    assert ring.key_id("bob") is None
    assert ring.key("alice") == keys["alice"]


def test_keys_are_not_made_in_a_file_that_has_lost_its_name(tmp_path: Path) -> None:
    path, ring, keys = filled(tmp_path / "log")
    path.with_name("other").write_bytes(path.read_bytes())
    path.with_name("other").rename(path)
    with pytest.raises(LogUnusable, match=r"another file has taken its name.*Restart the daemon"):
        ring.key("dave")
    ring.close()
    assert opened(path).key("alice") == keys["alice"]
