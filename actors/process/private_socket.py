"""A listening Unix socket that only its owner can open: 0600 from its first instant."""

import os
import socket
import stat
from pathlib import Path

LONGEST_PATH = 103
"""What a Unix socket's address may have, bytes, on every system."""


class SocketUnusable(OSError):
    """The socket can't be made where the configuration says."""


def bind(path: Path) -> socket.socket:
    """A listening socket at `path`, private from the first instant. Raises `SocketUnusable`."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        msg = f"the socket's path {path} is longer than {LONGEST_PATH} bytes: set gateway.socket"
        raise SocketUnusable(msg)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_stale(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        listening.listen(16)
    except OSError as error:
        if isinstance(error, SocketUnusable):
            raise
        msg = f"cannot create the daemon's socket at {path}: {error.strerror or error}"
        raise SocketUnusable(msg) from error
    listening.setblocking(False)
    return listening


def _remove_stale(path: Path) -> None:
    """Remove what a killed daemon left; never a socket that somebody answers on, or a file."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        msg = f"{path} exists and is not a socket: move it, or set gateway.socket"
        raise SocketUnusable(msg)
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(str(path))
    except ConnectionRefusedError:
        path.unlink()
    else:
        msg = f"another daemon is listening on {path}: stop it, or set gateway.socket"
        raise SocketUnusable(msg)
    finally:
        probe.close()
