"""An event, before and after it is recorded, and the bodies that hold people's words."""

import hashlib

import msgspec

SALT_BYTES = 16
"""Length of a body's salt, bytes."""

DIGEST_BYTES = 32
"""Length of a body's salted digest, bytes."""


class Event(
    msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True, repr_omit_defaults=True
):
    """Something that happened: immutable, and true for ever.

    On disk an event is an array whose first element is its type's name. A new field may be added
    at the end with a default; any other change makes a new type `Name.2` and an upcast from the
    old one (see `codec`).
    """


class Body(msgspec.Struct, frozen=True):
    """Words of a person or an agent: never part of an event, stored beside it, encrypted.

    `person` names the one whose key encrypts it, so that forgetting that person destroys it. The
    event carries only `digest`, which proves the words without giving them away: the salt lies
    with the words and is destroyed with them.
    """

    person: str
    text: str
    salt: bytes

    def __repr__(self) -> str:
        return f"Body(person={self.person!r}, {len(self.text)} characters)"

    @property
    def digest(self) -> bytes:
        """SHA-256 of salt and UTF-8 text, 32 bytes."""
        return hashlib.sha256(self.salt + self.text.encode("utf-8", "surrogatepass")).digest()

    @classmethod
    def derived(cls, person: str, text: str, entropy: bytes, part: int = 0) -> "Body":
        """A body whose salt comes from `entropy` (random bytes that the edge drew), and `part`.

        Decisions are pure and can't draw a salt; they are handed entropy once, and take from it a
        different salt for each body they make.
        """
        material = entropy + part.to_bytes(4, "big")
        return cls(person, text, hashlib.sha256(material).digest()[:SALT_BYTES])


class Draft(msgspec.Struct, frozen=True):
    """An event that somebody wants recorded.

    `cause` is the global sequence of the event that caused this one; a negative number counts back
    from this event itself within the same append (-1: the one just before it); 0: no event did.
    `bodies` are stored with it in the order given: slot 0, 1, …
    """

    stream: str
    event: Event
    cause: int = 0
    bodies: tuple[Body, ...] = ()


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event as the log holds it.

    `seq` is its place in the whole log and `version` its place in its stream, both from 1 without
    gaps; `time` is when it was committed (ns since 1970); `cause` is a global sequence, or 0.
    """

    seq: int
    stream: str
    version: int
    time: int
    cause: int
    event: Event
