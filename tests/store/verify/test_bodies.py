"""A body passes for erased only if it was: nothing else hides behind a recorded erasure."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from events.account.events import ErasureEnded
from events.event import Draft
from events.gateway.events import BodiesExpired
from events.gateway.retention import WEEK_NS
from events.streams import GATEWAY, PeerId, conversation_stream
from store.disk.layout import unpack_slot
from store.log.lmdb_log import LmdbLog
from store.maintenance.check import examine
from store.read_models.erasure import erase
from store.verify.proof import prove
from tests.store.builders import add, add_all, body, seen
from tests.store.verify.tampering import entries, put

WEEK = 2_960
OLD, HERS, LIVE = 1, 2, 3
"""Events: of an expired week, of a forgotten person, and one that can be read."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    now = [WEEK * WEEK_NS]
    log = LmdbLog.open(tmp_path / "log", clock_ns=lambda: now[0])
    say(log, "carol", "from long ago")
    now[0] += WEEK_NS
    say(log, "alice", "forget me")
    say(log, "bob", "keep me")
    erase(log, "main", "alice", now_ms=now[0] // 1_000_000, by="operator")
    add(log, GATEWAY, BodiesExpired(WEEK + 1))
    log.expire(WEEK + 1)
    log.close()
    assert prove(tmp_path / "log").verified
    return tmp_path / "log"


def say(log: LmdbLog, name: str, text: str) -> None:
    words = body(text, person=f"main/{name}")
    event = msgspec.structs.replace(seen(text, sender=name), body=words.digest)
    stream = conversation_stream(PeerId("main", name))
    add_all(log, Draft(stream, event, bodies=(words,)))


def bodies(folder: Path) -> dict[int, tuple[bytes, bytes]]:
    return {unpack_slot(key)[0]: (key, sealed) for key, sealed in entries(folder, b"bodies")}


def found(folder: Path) -> list[tuple[int, str]]:
    return [(finding.seq, finding.what) for finding in prove(folder).findings]


def erased_key_and_garbage(folder: Path, sealed: bytes) -> bytes:
    """Under the key of alice, who was forgotten."""
    return bodies(folder)[HERS][1][:8] + sealed[8:10] + b"garbage" * 9


def expired_week(_: Path, sealed: bytes) -> bytes:
    return sealed[:8] + WEEK.to_bytes(2, "big") + sealed[10:]


CHANGES: dict[str, Callable[[Path, bytes], bytes]] = {
    "a bit of the week": lambda _, sealed: sealed[:9] + bytes([sealed[9] ^ 1]) + sealed[10:],
    "a bit of the key's id": lambda _, sealed: bytes([sealed[0] ^ 1]) + sealed[1:],
    "an empty value": lambda _, __: b"",
    "an erased key and garbage": erased_key_and_garbage,
    "an expired week": expired_week,
    "a bit of the text": lambda _, sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]),
    "cut off": lambda _, sealed: sealed[:5],
}


@pytest.mark.parametrize("seq", [OLD, HERS, LIVE])
@pytest.mark.parametrize("change", CHANGES)
def test_a_body_that_was_changed_is_found_whether_it_can_be_read_or_not(
    folder: Path, change: str, seq: int
) -> None:
    key, sealed = bodies(folder)[seq]
    changed = CHANGES[change](folder, sealed)
    put(folder, b"bodies", key, changed)
    expected = [] if changed == sealed else [(seq, "its body is not what was written")]
    assert found(folder) == expected
    assert examine(folder) == [f"event {seq}: {what}" for _, what in expected]


def test_all_bodies_of_everybody_replaced_do_not_pass_for_erased(folder: Path) -> None:
    for key, sealed in bodies(folder).values():
        put(folder, b"bodies", key, erased_key_and_garbage(folder, sealed))
    assert [seq for seq, _ in found(folder)] == [OLD, HERS, LIVE]


def test_a_body_that_is_missing_or_belongs_to_no_event_is_found(folder: Path) -> None:
    key, sealed = bodies(folder)[HERS]
    put(folder, b"bodies", key, None)
    put(folder, b"bodies", key[:-1] + b"\7", sealed)
    assert found(folder) == [
        (HERS, "body 7 is stored with it, and is not its own"),
        (HERS, "its body is missing"),
    ]


def test_a_key_of_odd_length_is_found_and_crashes_nobody(folder: Path) -> None:
    key, sealed = bodies(folder)[HERS]
    put(folder, b"bodies", key[:3], sealed)
    put(folder, b"bodies", key + b"more", sealed)
    assert found(folder) == [
        (0, "a body is stored under 000000, which is no place of a body"),
        (0, f"a body is stored under {key.hex()}6d6f7265, which is no place of a body"),
    ]
    assert len(examine(folder)) == 2


# Who could write the chain again, and did it carelessly


def test_a_body_under_somebody_elses_key_is_found(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path / "log")
    text = body("in alice's name", person="main/mallory")
    event = msgspec.structs.replace(seen("alice"), body=text.digest)
    add_all(log, Draft("account/main/peer/alice", event, bodies=(text,)))
    log.close()
    assert found(tmp_path / "log") == [
        (1, "its body is under the key of 'main/mallory', and not its own person's")
    ]


def test_a_body_recorded_after_the_end_of_its_key_is_found(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path / "log")
    say(log, "alice", "before")
    add(log, "account/main", ErasureEnded("alice", 1_000))
    say(log, "alice", "after")
    log.close()
    keys = (tmp_path / "log" / "keys").read_text().splitlines(keepends=True)
    (tmp_path / "log" / "keys").write_text("".join(row for row in keys if "alice" not in row))
    ((seq, what),) = found(tmp_path / "log")
    assert (seq, "no erasure destroyed it" in what) == (3, True)
