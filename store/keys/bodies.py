"""Message bodies on disk: encrypted under a key of the person they belong to and one of their week,
so that they can be erased by person and by age.

A value is the id of the person's key (8 bytes), the week (2), a random nonce (12), and AES-256-GCM
of salt and text. What is authenticated beside them is the log, the sequence and the slot, so no
body can take another's place. SHA-256 of the whole value is in the batch, under the chain: so one
that can't be read any more, since its key is gone, is still known to be what was written.
"""

import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.event import SALT_BYTES, Body
from store.errors import LogDamaged

KEY_ID_BYTES = 8
"""Length of the id by which a body names its key, bytes."""

NONCE_BYTES = 12
"""Length of the nonce, bytes."""

_NONCE_AT = KEY_ID_BYTES + 2


class SecretKey(NamedTuple):
    """A person's or a week's key: 32 secret bytes, and an id that tells nothing of them."""

    id: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"SecretKey({self.id.hex()})"


class KeyName(NamedTuple):
    """Which key opens a body: that of a person (its id) for a week
    (`events.gateway.retention.week_of`)."""

    id: bytes
    week: int


def seal(
    body: Body, *, cipher: AESGCM, key: KeyName, nonce: bytes, log_id: str, seq: int, slot: int
) -> bytes:
    """The bytes to store for `body`. A nonce must never serve one key twice."""
    plain = body.salt + body.text.encode("utf-8", "surrogatepass")
    head = key.id + key.week.to_bytes(2, "big")
    return head + nonce + cipher.encrypt(nonce, plain, _bound_to(log_id, seq, slot))


def body_hash(sealed: bytes) -> bytes:
    """SHA-256 of an encrypted body, which its batch has of it."""
    return hashlib.sha256(sealed).digest()


def key_of(sealed: bytes) -> KeyName:
    """Which key opens it."""
    return KeyName(sealed[:KEY_ID_BYTES], int.from_bytes(sealed[KEY_ID_BYTES:_NONCE_AT], "big"))


def unseal(sealed: bytes, *, cipher: AESGCM, log_id: str, seq: int, slot: int) -> str:
    """The text. Raises `LogDamaged` when a bit of it, or its place, is not what was sealed."""
    try:
        plain = open_sealed(sealed, cipher=cipher, log_id=log_id, seq=seq, slot=slot)
    except (InvalidTag, ValueError) as error:
        raise LogDamaged(
            "a body is not what was written",
            where=f"event {seq}, body {slot}",
            cure="restore the log from a backup",
        ) from error
    return plain[SALT_BYTES:].decode("utf-8", "surrogatepass")


def open_sealed(sealed: bytes, *, cipher: AESGCM, log_id: str, seq: int, slot: int) -> bytes:
    """Salt and text as bytes. Raises `InvalidTag`, and `ValueError` for what is too short."""
    nonce = sealed[_NONCE_AT : _NONCE_AT + NONCE_BYTES]
    secret = sealed[_NONCE_AT + NONCE_BYTES :]
    return cipher.decrypt(nonce, secret, _bound_to(log_id, seq, slot))


def _bound_to(log_id: str, seq: int, slot: int) -> bytes:
    return f"{log_id} {seq} {slot}".encode()
