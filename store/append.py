"""An append as its author asks for it: checked and encoded in the author's own thread.

The events are decoded again at once, and it is those that the log hands out later: what can't be
read back is refused before it can do harm, and live state is folded from exactly what replay will
fold.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec

from events.event import SALT_BYTES, Body, Draft
from events.projections import identities
from store import batch
from store.batch import Entry
from store.errors import InvalidAppend

IDENTITY_BYTES = 16
"""Length of a message's identity, bytes."""

_MAX_BODIES = 256
"""A body's slot is one byte of its key."""


class Part(msgspec.Struct, frozen=True):
    """Consecutive events of one stream, and their bytes."""

    stream: str
    entries: list[Entry]
    encoded: bytes


class Append(msgspec.Struct, frozen=True):
    """Events to be recorded together.

    `identities` are the messages that they make known; `bodies` stand with the place of their
    event in the append (from 0) and their slot. `size` is about what it takes on disk, bytes.
    """

    parts: tuple[Part, ...]
    expected: Mapping[str, int]
    identities: tuple[bytes, ...]
    bodies: tuple[tuple[int, int, Body], ...]
    size: int

    @property
    def count(self) -> int:
        """How many events."""
        return sum(len(part.entries) for part in self.parts)


def prepare(drafts: Sequence[Draft], expected: Mapping[str, int]) -> Append:
    """Check and encode an append. Raises `InvalidAppend`."""
    for place, draft in enumerate(drafts):
        _check(place, draft)
    parts = tuple(_part(stream, list(run), expected) for stream, run in groupby(drafts, _stream))
    bodies = tuple(
        (place, slot, body)
        for place, draft in enumerate(drafts)
        for slot, body in enumerate(draft.bodies)
    )
    return Append(
        parts=parts,
        expected=dict(expected),
        identities=tuple(_identities(parts)),
        bodies=bodies,
        size=sum(len(part.encoded) for part in parts) + sum(len(body.text) for *_, body in bodies),
    )


_stream = attrgetter("stream")


def _check(place: int, draft: Draft) -> None:
    where = f"{type(draft.event).__name__} for {draft.stream!r}"
    if draft.cause < -place:
        raise InvalidAppend(
            "a cause that counts back stays within its append", where=where, found=str(draft.cause)
        )
    if len(draft.bodies) > _MAX_BODIES or any(len(b.salt) != SALT_BYTES for b in draft.bodies):
        raise InvalidAppend(
            f"an event has up to {_MAX_BODIES} bodies with salts of {SALT_BYTES} bytes", where=where
        )


def _check_stream(stream: str, expected: Mapping[str, int]) -> None:
    try:
        stream.encode()
    except UnicodeEncodeError as error:
        raise InvalidAppend("a stream's name is valid text", where=ascii(stream)) from error
    if not stream or stream not in expected:
        raise InvalidAppend(
            "an append names each of its streams, and the version it expects of it",
            where=repr(stream),
        )


def _part(stream: str, drafts: list[Draft], expected: Mapping[str, int]) -> Part:
    _check_stream(stream, expected)
    try:
        encoded = batch.encode_entries([(draft.cause, draft.event) for draft in drafts])
        entries = batch.decode_entries(encoded)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        kinds = ", ".join(dict.fromkeys(type(draft.event).__name__ for draft in drafts))
        raise InvalidAppend(
            "an event could not be read again if it were written",
            where=f"{kinds} for {stream!r}",
            found=str(error),
        ) from error
    return Part(stream, entries, encoded)


def _identities(parts: tuple[Part, ...]) -> list[bytes]:
    known = [each for part in parts for _, event in part.entries for each in identities(event)]
    for identity in known:
        if len(identity) != IDENTITY_BYTES:
            raise InvalidAppend(
                f"a message's identity has {IDENTITY_BYTES} bytes", found=f"{len(identity)} bytes"
            )
    return known
