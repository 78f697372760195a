"""What is on disk stays readable: names, bytes, and the ways that events may still change."""

from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from events import codec
from events.codec import EVENTS, UnreadableEvent, decode, encode
from events.event import Event
from events.gateway.events import GatewayStopped
from tests.events.sample_events import SAMPLES

GOLDEN = Path(__file__).with_name("golden_events.txt")

NAMES_ON_DISK = [
    "GatewayStarted",
    "GatewayStopped",
    "StoreReopened",
    "BodiesExpired",
    "KeysLost",
    "ClockJumped",
    "PolicyApplied",
    "AccountOnline",
    "AccountOffline",
    "ChatAppDeaf",
    "ChatAppHealed",
    "FeedReset",
    "FeedBroken",
    "PairingRequested",
    "PairingApproved",
    "PairingDenied",
    "PairingExpired",
    "PairingRevoked",
    "PairingAnnounced",
    "PersonErased",
    "ErasureEnded",
    "BaselineTaken",
    "MessageSeen",
    "MessageIgnored",
    "PolicyDecided",
    "PairingWithheld",
    "Dispatched",
    "TurnCancelled",
    "AgentReplied",
    "AgentFailed",
    "MessageQueued",
    "ReplySent",
    "ReplyFailed",
    "MessageDeadLettered",
    "MessageRetried",
    "MessageDropped",
    "WatermarkAdvanced",
]


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that a field of the type `kind` may have on disk."""
    if kind is int:
        return st.integers(-(2**63), 2**64 - 1)
    if isinstance(kind, type) and issubclass(kind, Struct):
        fields = msgspec.structs.fields(kind)
        return st.builds(kind, **{field.name: values_of(field.type) for field in fields})
    arguments = get_args(kind)
    origin = get_origin(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=4).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=4), values_of(arguments[1]), max_size=2)
    return st.from_type(kind)


def golden() -> dict[str, str]:
    """The lines of the golden file: hexadecimal bytes by name."""
    lines = GOLDEN.read_text("ascii").splitlines()
    return dict(line.split() for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_comes_back_as_it_was(name: str) -> None:
    @given(values_of(EVENTS[name]))
    def comes_back(event: Event) -> None:
        assert decode(encode(event)) == event

    comes_back()


@pytest.mark.parametrize("name", NAMES_ON_DISK)
def test_a_name_that_was_ever_written_can_be_read(name: str) -> None:
    assert name in EVENTS


def test_every_event_has_a_sample_and_its_bytes_are_pinned() -> None:
    assert SAMPLES.keys() == EVENTS.keys(), "sample_events.py needs one of each type"
    missing = [f"{name} {encode(SAMPLES[name]).hex()}" for name in SAMPLES.keys() - golden().keys()]
    assert not missing, f"add to {GOLDEN.name}"


@pytest.mark.parametrize("name", golden())
def test_the_bytes_of_an_event_are_the_ones_that_lie_on_disk(name: str) -> None:
    assert encode(SAMPLES[name]).hex() == golden()[name], "the format on disk has changed"


@pytest.mark.parametrize("name", golden())
def test_the_bytes_that_lie_on_disk_are_read_as_they_were_meant(name: str) -> None:
    assert decode(bytes.fromhex(golden()[name])) == SAMPLES[name]


def test_an_event_is_an_array_that_begins_with_its_name() -> None:
    assert msgspec.msgpack.decode(encode(GatewayStopped("signal"))) == ["GatewayStopped", "signal"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="no MessagePack"),
        pytest.param(encode(GatewayStopped("signal"))[:-1], id="cut off"),
        pytest.param(msgspec.msgpack.encode(["MessageForgotten", 1]), id="unknown name"),
        pytest.param(msgspec.msgpack.encode(["GatewayStopped"]), id="field missing"),
        pytest.param(msgspec.msgpack.encode(["GatewayStopped", 7]), id="field of another type"),
        pytest.param(msgspec.msgpack.encode({"type": "GatewayStopped"}), id="no array"),
    ],
)
def test_what_is_no_event_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(UnreadableEvent, match="not an event that this version knows"):
        decode(data)


@given(st.binary(max_size=64))
@example(b"\x91\xa1\x80")  # a type's name that is not UTF-8
def test_no_bytes_make_it_fail_in_another_way(data: bytes) -> None:
    try:
        event = decode(data)
    except UnreadableEvent:
        return
    assert decode(encode(event)) == event


@pytest.mark.parametrize("name", SAMPLES)
def test_a_field_that_a_later_version_appended_is_ignored(name: str) -> None:
    written = msgspec.msgpack.decode(encode(SAMPLES[name]))
    assert decode(msgspec.msgpack.encode([*written, "later", 1])) == SAMPLES[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_fields_with_a_default_may_be_missing_from_an_older_event(name: str) -> None:
    kind = EVENTS[name]
    optional = sum(not field.required for field in msgspec.structs.fields(kind))
    written = msgspec.msgpack.decode(encode(SAMPLES[name]))
    older = decode(msgspec.msgpack.encode(written[: len(written) - optional]))
    kept = [field.name for field in msgspec.structs.fields(kind) if field.required]
    assert [getattr(older, field) for field in kept] == [
        getattr(SAMPLES[name], field) for field in kept
    ]


class StoppedInOrder(Event, frozen=True, tag="GatewayStopped.2"):
    """A later version of GatewayStopped, for this test."""

    reason: str
    clean: bool


class StoppedByWhom(Event, frozen=True, tag="GatewayStopped.3"):
    """A version later than that."""

    reason: str
    clean: bool
    by: str


def test_an_old_event_is_read_as_the_newest_version_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    old = encode(GatewayStopped("signal"))
    steps: dict[type[Event], Callable[[Any], Event]] = {
        GatewayStopped: lambda event: StoppedInOrder(event.reason, clean=True),
        StoppedInOrder: lambda event: StoppedByWhom(event.reason, event.clean, by="operator"),
    }
    monkeypatch.setattr(codec, "UPCASTS", steps)
    assert decode(old) == StoppedByWhom("signal", clean=True, by="operator")


def test_an_event_of_the_newest_version_stays_as_it_is() -> None:
    assert codec.upcast(GatewayStopped("signal")) == GatewayStopped("signal")


@pytest.mark.parametrize("name", SAMPLES)
def test_an_event_can_not_be_changed(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(SAMPLES[name], EVENTS[name].__struct_fields__[0], None)
