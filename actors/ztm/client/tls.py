"""TLS to an agent behind an https proxy: what we trust, and the certificate that we show."""

import ssl
import stat
from pathlib import Path

from actors.ztm.errors import TlsFilesUnusable

__all__ = ["tls_context"]


def tls_context(
    *, ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
) -> tuple[ssl.SSLContext, list[str]]:
    """The context for an account's `tls: {caFile, certFile, keyFile}`, and warnings for its owner.

    `ca_file` (PEM) replaces the system's authorities. `cert_file` (PEM, with its chain) is shown to
    a server that asks; its key is in `key_file`, or in the same file. Names and expiry of the
    server's certificate are always checked; TLS 1.2 is the least.

    Raises TlsFilesUnusable: which file, why, what to do. The text never holds a key.
    """
    context = _trusting(ca_file)
    if cert_file is None:
        if key_file is not None:
            raise TlsFilesUnusable(f"tls.keyFile {key_file} is given without tls.certFile; add it")
        return context, []
    secret = key_file or cert_file
    _readable("certFile", cert_file)
    warnings = _exposed(secret)
    try:
        context.load_cert_chain(cert_file, secret, password=_no_passphrase)
    except _Encrypted:
        raise TlsFilesUnusable(
            f"the key in {secret} is encrypted, and a daemon cannot ask for its passphrase;"
            f" store it decrypted, readable by its owner only"
        ) from None
    except ssl.SSLError as error:
        raise TlsFilesUnusable(
            f"tls.certFile {cert_file} and the key in {secret} cannot be used together"
            f" ({_reason(error)}); both must be PEM, and the key that of the first certificate"
        ) from error
    return context, warnings


class _Encrypted(Exception):
    """OpenSSL asked for a passphrase."""


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return ssl.create_default_context()
    _readable("caFile", ca_file)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise TlsFilesUnusable(
            f"tls.caFile {ca_file} holds no certificate that can be read ({_reason(error)});"
            " it must be PEM"
        ) from error


def _readable(option: str, path: Path) -> None:
    """OpenSSL's own errors do not name the file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for ever
            raise TlsFilesUnusable(f"tls.{option} {path} is no regular file; give a PEM file")
        path.open("rb").close()
    except OSError as error:
        raise TlsFilesUnusable(
            f"tls.{option} {path} cannot be read: {error.strerror}; check the path and its mode"
        ) from error


def _exposed(key: Path) -> list[str]:
    _readable("keyFile", key)
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & 0o077:
        return [f"{key} holds a private key and has mode {mode:04o}; protect it: chmod 600 {key}"]
    return []


def _no_passphrase() -> bytes:
    # Without this, OpenSSL asks on the terminal, and a daemon hangs.
    raise _Encrypted


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "not PEM").replace("_", " ").lower()
