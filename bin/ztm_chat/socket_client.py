"""Talking to the running daemon: HTTP over its private Unix socket."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from ztm_chat.failure import Failure

TIMEOUT_S = 15.0


class NotRunning(Failure):
    """No daemon is listening on the socket."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str, body: dict[str, Any] | None = None) -> Any:
    """The answer of the daemon whose socket is at `path`, decoded from JSON.

    Raises `NotRunning`, and `Failure` with the daemon's own message when it refuses.
    """
    connection = _Connection(path)
    try:
        connection.request(method, target, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        data = json.loads(answer.read())
    except (FileNotFoundError, ConnectionError) as error:
        msg = f"no daemon is listening on {path}; start it with: ztm-chat run"
        raise NotRunning(msg) from error
    except PermissionError as error:
        msg = f"no permission to open the socket {path}: run this as the user who runs the daemon"
        raise Failure(msg) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        msg = f"no valid answer from the daemon on {path}: {error}"
        raise Failure(msg) from error
    finally:
        connection.close()
    if answer.status >= 400:
        raise Failure(str(data.get("error", f"the daemon answered with status {answer.status}")))
    return data
