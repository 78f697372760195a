"""An append as its author asks for it: checked and encoded in the author's own thread.

The events are decoded again at once, and it is those that the log hands out later: what can't be
read back is refused before it can do harm, and live state is folded from exactly what replay will
fold.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec

from events.conversation.identity import IDENTITY_BYTES
from events.event import SALT_BYTES, Body, Draft
from events.projections import NOTHING, EndedKeys, ended_keys, projected
from store.disk import batch
from store.disk.batch import Entry
from store.errors import InvalidAppend

_MAX_BODIES = 256
"""A body's slot is one byte of its key."""


class IndexChanges(NamedTuple):
    """What an event changes in the derived indexes. `place`: of the event in its part, from 0."""

    place: int
    identities: tuple[bytes, ...] = ()
    opens: bool = False
    closes: tuple[int, ...] = ()
    ended_keys: EndedKeys | None = None


class StreamAppend(NamedTuple):
    """Consecutive events of one stream, their bytes, and what they change in the indexes."""

    stream: str
    entries: list[Entry]
    encoded: bytes
    effects: list[IndexChanges]


class Append(msgspec.Struct, frozen=True):
    """Events to be recorded together.

    `identities` are the messages that they make known; `bodies` stand with the place of their
    event in the append (from 0) and their slot. `size` is about what it takes on disk, bytes.
    """

    parts: tuple[StreamAppend, ...]
    expected: Mapping[str, int]
    identities: tuple[bytes, ...]
    bodies: tuple[tuple[int, int, Body], ...]
    count: int
    size: int


def prepare(drafts: Sequence[Draft], expected: Mapping[str, int]) -> Append:
    """Check and encode an append. Raises `InvalidAppend`."""
    bodies = []
    for place, draft in enumerate(drafts):
        if draft.cause < -place:
            raise _invalid(draft, f"its cause {draft.cause} lies before its own append")
        if draft.bodies:
            _check_bodies(draft)
            bodies += [(place, slot, body) for slot, body in enumerate(draft.bodies)]
    parts = tuple(
        _part(stream, list(run), expected) for stream, run in groupby(drafts, attrgetter("stream"))
    )
    return Append(
        parts=parts,
        expected=dict(expected),
        identities=tuple(_identities(parts)),
        bodies=tuple(bodies),
        count=len(drafts),
        size=sum(len(part.encoded) for part in parts) + sum(len(body.text) for *_, body in bodies),
    )


def _invalid(draft: Draft, found: str) -> InvalidAppend:
    return InvalidAppend(
        "an event can't be recorded",
        where=f"{type(draft.event).__name__} for {draft.stream!a}",
        found=found,
    )


def _check_bodies(draft: Draft) -> None:
    if len(draft.bodies) > _MAX_BODIES:
        raise _invalid(draft, f"it has {len(draft.bodies)} bodies of {_MAX_BODIES} that it may")
    for body in draft.bodies:
        if len(body.salt) != SALT_BYTES:
            raise _invalid(draft, f"a body's salt has {len(body.salt)} bytes, not {SALT_BYTES}")


def _part(stream: str, drafts: list[Draft], expected: Mapping[str, int]) -> StreamAppend:
    if not stream or stream not in expected:
        raise _invalid(drafts[0], "its stream has no name, or no version is expected of it")
    try:
        stream.encode()  # a name that is no text could be written nowhere
        encoded = batch.encode_entries([(draft.cause, draft.event) for draft in drafts])
        entries = batch.decode_entries(encoded)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise _invalid(
            drafts[0], f"it, or one after it, could not be read again: {error}"
        ) from error
    return StreamAppend(stream, entries, encoded, list(index_changes(stream, entries)))


def index_changes(stream: str, entries: list[Entry]) -> Iterator[IndexChanges]:
    """What these events of one stream change in the derived indexes."""
    for place, (_, event) in enumerate(entries):
        changes = projected(event)
        if changes is not NOTHING:
            yield IndexChanges(place, *changes)
        elif ended := ended_keys(stream, event):
            yield IndexChanges(place, ended_keys=ended)


def _identities(parts: tuple[StreamAppend, ...]) -> list[bytes]:
    known = [
        identity for part in parts for effects in part.effects for identity in effects.identities
    ]
    for identity in known:
        if len(identity) != IDENTITY_BYTES:
            raise InvalidAppend(
                f"a message's identity has {IDENTITY_BYTES} bytes", found=f"{len(identity)} bytes"
            )
    return known
