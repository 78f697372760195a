"""Signing an export with an Ed25519 key, so that anyone with the public key can verify it.

The signature is the plain one of RFC 8032 over the file's bytes, so any tool can verify it:
`openssl pkeyutl -verify -pubin -inkey PUBLIC.pem -rawin -in FILE -sigfile FILE.sig`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ztm_chat.audit_commands.private_output import private_output
from ztm_chat.failure import UNUSABLE, Failure

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def signing_key(path: Path) -> "Ed25519PrivateKey":
    """The private key in the PEM file `path`. Raises `Failure`, which never tells the content."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        msg = f"cannot read the key {path}: {error.strerror}"
        raise Failure(msg, UNUSABLE) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        msg = (
            f"{path} is not an Ed25519 private key in PEM format without a password;"
            " create one with: openssl genpkey -algorithm ed25519"
        )
        raise Failure(msg, UNUSABLE)
    return key


def sign(path: Path, key: "Ed25519PrivateKey") -> Path:
    """Sign the file `path`; the signature's file, beside it. Raises `Failure`."""
    signature = path.with_name(path.name + ".sig")
    with private_output(signature) as file:
        file.buffer.write(key.sign(path.read_bytes()))
    return signature
