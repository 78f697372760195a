"""The permit: what lets an agent join a mesh. A secret; it is never logged, nor part of an error.

The user's document knows two sources: a permit server, which issues one for the agent's public key
and a user name, and a local file.
"""

import os
import stat
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.configuration import PermitFile, PermitServer
from actors.http.client import HttpClient, HttpError
from actors.http.urls import public_url
from actors.ztm.client.lenient import converted, parse_value
from actors.ztm.errors import AnswerUnreadable, PermitUnusable

__all__ = ["Permit", "PermitFile", "PermitServer", "PermitSource", "read_permit", "request_permit"]

_MAX_BYTES = 256 * 1024


PermitSource = PermitServer | PermitFile


class _Secret(Struct, frozen=True):
    """Shows nothing of itself, neither to logs nor to rich's tracebacks."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return []


class PermitAgent(_Secret, frozen=True, rename="camel"):
    """What the permit says of the agent. `private_key` "": the agent uses its own identity."""

    certificate: str
    private_key: str = ""
    labels: tuple[str, ...] = ()


class Permit(_Secret, frozen=True):
    """A permit that has what joining needs."""

    ca: str
    agent: PermitAgent
    bootstraps: tuple[str, ...]

    def named(self, endpoint: str) -> dict[str, object]:
        """The body of a join: the permit, with the endpoint's name in `agent.name`."""
        body: dict[str, object] = msgspec.to_builtins(self)
        return body | {"agent": {"name": endpoint} | msgspec.to_builtins(self.agent)}


async def request_permit(
    http: HttpClient, url: str, *, public_key: str, username: str, timeout_s: float
) -> Permit:
    """A permit from the permit server, for the agent's identity (PEM). Raises PermitUnusable.

    `http` must not be the one with the agent's TLS files: they are not meant for this server.
    """
    asked = f"POST {public_url(url)} (permitUrl)"
    try:
        answer = await http.request(
            "POST",
            url,
            json={"PublicKey": public_key, "UserName": username},
            max_bytes=_MAX_BYTES,
            timeout_s=timeout_s,
        )
    except HttpError as error:
        raise PermitUnusable(
            f"no permit from the permit server: {error}; see whether permitUrl is right"
        ) from error
    if not 200 <= answer.status < 300:
        raise PermitUnusable(
            f"no permit from the permit server: {asked} was answered with status {answer.status};"
            f" see whether it may issue permits for {username!r}"
        )
    return _parsed(answer.body, asked)


def read_permit(path: Path) -> tuple[Permit, list[str]]:
    """The permit of a file, and advice on its mode. Raises PermitUnusable.

    A symbolic link is refused: who can place one could let another file be sent to the agent.
    """
    try:
        # Not blocking, so that a named pipe cannot hold the daemon.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = "it is a symbolic link" if path.is_symlink() else error.strerror
        raise PermitUnusable(
            f"the permit file {path} cannot be read: {why}; permitFilePath must name a file that"
            " the daemon's user can read"
        ) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise PermitUnusable(f"the permit file {path} is no regular file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(_MAX_BYTES + 1)
    finally:
        os.close(handle)
    if len(data) > _MAX_BYTES:
        raise PermitUnusable(f"the permit file {path} is larger than {_MAX_BYTES} bytes")
    mode = stat.S_IMODE(status.st_mode)
    exposed = f"{path} holds a permit and has mode {mode:04o}; protect it: chmod 600 {path}"
    return _parsed(data, f"the permit file {path}"), [exposed] if mode & 0o077 else []


def _parsed(data: bytes, where: str) -> Permit:
    try:
        permit = converted(parse_value(data), Permit)
    except AnswerUnreadable as error:
        raise PermitUnusable(
            f"{where} gave no permit: {error}; a permit is JSON with ca, agent.certificate and a"
            " list bootstraps"
        ) from None
    if not permit.ca.strip() or not permit.agent.certificate.strip():
        raise PermitUnusable(f"{where} gave a permit whose ca or agent.certificate is empty")
    return permit
