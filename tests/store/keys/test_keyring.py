"""The file of keys: what a crash may leave of it, and how a key is lost for good."""

import json
import os
import stat
from pathlib import Path

import pytest

from store.errors import LogDamaged, LogUnusable
from store.keys.keyring import Keyring


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    return path


def opened(path: Path, *, writable: bool = True) -> Keyring:
    return Keyring(path, entropy=os.urandom, writable=writable)


def test_keys_are_the_same_after_reopening(path: Path) -> None:
    ring = opened(path)
    keys = {name: ring.key(name) for name in ("alice", "bob", 'q"uote\n', "\ud800", "爱丽丝")}
    ring.close()
    ring = opened(path)
    assert {name: ring.key(name) for name in keys} == keys
    assert len(path.read_text().splitlines()) == len(keys)


def test_a_line_that_a_crash_cut_off_is_dropped(path: Path) -> None:
    ring = opened(path)
    alice = ring.key("alice")
    ring.key("bob")
    ring.close()
    whole = path.read_bytes()
    for length in range(whole.index(b"\n") + 1, len(whole)):
        path.write_bytes(whole[:length])
        ring = opened(path)
        assert ring.key("alice") == alice
        assert len(ring.key("carol").secret) == 32
        ring.close()
        rows = [json.loads(line)["person"] for line in path.read_text().splitlines()]
        assert rows == ["alice", "carol"]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"person": "bob"}',
        '{"person": "bob", "key": "00"}',
        '{"person": 1, "key": ""}',
        '{"person": 1, "key": "%s"}' % ("00" * 32),
        '{"week": "1", "key": "%s"}' % ("00" * 32),
        "[]",
    ],
)
def test_a_damaged_line_is_named(path: Path, line: str) -> None:
    ring = opened(path)
    ring.key("alice")
    ring.close()
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(LogDamaged, match="keys, line 2") as caught:
        opened(path)
    assert path.read_text().split('"')[7] not in str(caught.value)


def test_a_destroyed_key_is_in_no_file(path: Path) -> None:
    ring = opened(path)
    keys = {name: ring.key(name) for name in ("alice", "bob", "carol")}
    (name, _) = ring.ciphers(["bob"], 2_900)["bob"]
    assert ring.cipher(name) is not None
    assert ring.destroy("bob") is True
    assert ring.cipher(name) is None
    for left in path.parent.iterdir():
        assert keys["bob"].secret.hex() not in left.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ring.key("dave")
    ring.close()
    ring = opened(path)
    assert {name: ring.key(name) for name in ("alice", "carol")} == {
        name: keys[name] for name in ("alice", "carol")
    }
    assert ring.key("bob") != keys["bob"]


def test_the_keys_of_weeks_that_are_past_are_in_no_file(path: Path) -> None:
    ring = opened(path)
    old, new = (ring.ciphers(["bob"], week)["bob"] for week in (2_899, 2_900))
    secrets = [json.loads(line)["key"] for line in path.read_text().splitlines()]
    assert old[0].id == new[0].id
    assert old[1].encrypt(bytes(12), b"", b"") != new[1].encrypt(bytes(12), b"", b"")
    assert ring.expire(2_900) is True
    assert ring.expire(2_900) is False
    assert (ring.cipher(old[0]), ring.cipher(new[0]) is None) == (None, False)
    assert [secret for secret in secrets if secret in path.read_text()] == secrets[:1] + secrets[2:]
    ring.close()
    ring = opened(path)
    assert (ring.has_week(2_899), ring.has_week(2_900)) == (False, True)
    assert ring.ciphers(["bob"], 2_900)["bob"][0] == new[0]


def test_many_new_keys_cost_one_flush(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = opened(path)
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    people = (f"person {number}" for number in range(100))
    assert len(ring.ciphers(people, 2_900)) == 100
    assert len(flushed) == 1
    ring.ciphers(["person 1"], 2_900)
    assert len(flushed) == 1


def test_a_reader_follows_the_writer_and_makes_nothing(path: Path) -> None:
    writer = opened(path)
    alice = writer.key("alice")
    reader = opened(path, writable=False)
    assert reader.key("alice") == alice
    with pytest.raises(LogUnusable):
        reader.key("bob")
    bob = writer.key("bob")
    assert reader.key("bob") == bob
    with path.open("a") as file:
        file.write('{"person": "ca')
    assert reader.key("bob") == bob
    assert path.read_text().endswith('"ca')


def test_a_closed_ring_holds_no_keys(path: Path) -> None:
    ring = opened(path)
    alice = ring.key("alice").secret
    ring.close()
    assert alice.hex() not in repr(vars(ring))
    assert "0 keys" in repr(ring)
    with pytest.raises(LogUnusable):
        ring.key("alice")
