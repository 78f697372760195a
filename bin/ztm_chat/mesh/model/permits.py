"""Keys, certificates and permits: who may join. PEM in form, but of use only in this mesh.

A certificate names a user; the mesh's authority signs it for the key of one agent.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

from ztm_chat.mesh.model.wire import JSON


def pem(label: str, content: bytes) -> str:
    """Bytes formatted as PEM."""
    body = base64.encodebytes(content).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n"


def _content(text: str) -> bytes:
    lines = [line for line in text.splitlines() if line and not line.startswith("-----")]
    return base64.b64decode("".join(lines), validate=True)


class Authority:
    """The certificate authority of one mesh. It signs with `secret`."""

    def __init__(self, secret: bytes, bootstrap: str) -> None:
        self._secret = secret
        self._bootstrap = bootstrap
        self.ca = pem("CERTIFICATE", b"ca:" + hashlib.sha256(secret).digest())

    def permit(self, username: str, public_key: str) -> dict[str, JSON]:
        """A permit to join as this user, for the agent of this public key."""
        certificate = pem("CERTIFICATE", self._certificate(username, public_key))
        return {
            "ca": self.ca,
            "agent": {"certificate": certificate},
            "bootstraps": [self._bootstrap],
        }

    def admits(self, certificate: str, public_key: str) -> bool:
        """Whether the certificate is this authority's, for the agent of this key."""
        username = subject(certificate)
        if username is None:
            return False
        return hmac.compare_digest(_content(certificate), self._certificate(username, public_key))

    def reachable_by(self, bootstraps: Any) -> bool:
        """Whether a permit's list of hubs contains this mesh's."""
        return isinstance(bootstraps, list) and self._bootstrap in bootstraps

    def _certificate(self, username: str, public_key: str) -> bytes:
        signature = hmac.new(self._secret, f"{username}\0{public_key}".encode(), hashlib.sha256)
        return json.dumps({"subject": username, "signature": signature.hexdigest()}).encode()


def subject(certificate: JSON) -> str | None:
    """The user that a certificate names, whoever signed it; None for garbage."""
    try:
        name = json.loads(_content(certificate))["subject"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return name if isinstance(name, str) else None
