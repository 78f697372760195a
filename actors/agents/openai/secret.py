"""Keys: read when they are needed, hidden wherever they could be seen.

Reading at each use means that a key can be replaced while the daemon runs, and that it lies in
memory only as long as one request.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from actors.agents.protocol import AgentRefused

MAX_KEY_BYTES = 8_192
ECHO_CHARS = 8
"""So many characters of a secret in a row echo it. A shorter key (`none`) is no secret."""
LEAST_REDACTED_CHARS = 16
"""In an answer's text a secret is replaced from this length on: shorter ones may be words."""


class Secret:
    """Text that shows itself to nobody who doesn't ask for it with `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that has to send it."""
        return self._text

    def is_echoed_in(self, text: str) -> bool:
        """Whether `text` holds a piece of the secret, in upper or lower case."""
        secret, text = self._text.lower(), text.lower()
        pieces = (secret[at : at + ECHO_CHARS] for at in range(len(secret) - ECHO_CHARS + 1))
        return any(piece in text for piece in pieces)

    def taken_out_of(self, text: str) -> str:
        """`text` with the whole secret replaced, wherever a server quoted it."""
        if len(self._text) < LEAST_REDACTED_CHARS:
            return text
        return text.replace(self._text, "[redacted]")

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be copied out of its process")


def key_from_env(name: str, environ: Mapping[str, str]) -> Secret:
    """The key in the environment variable `name`; raises `AgentRefused` if there is none."""
    place = f"the environment variable {name}"
    if name not in environ:
        raise AgentRefused(f"{place} (keyEnv) is not set; set it for the daemon and restart it")
    return _key(environ[name], place)


def key_from_file(path: Path) -> Secret:
    """The key in the file `path`; raises `AgentRefused` if it is missing or open to others."""
    place = f"the key file {path}"
    try:
        # O_NONBLOCK: a pipe in the file's place must not stop the loop.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise AgentRefused(f"cannot open {place}: {error.strerror}") from None
    try:
        _check_file(os.fstat(descriptor), place)
        content = os.read(descriptor, MAX_KEY_BYTES + 1)
    finally:
        os.close(descriptor)
    # Latin-1 never fails, and what isn't ASCII is refused below without being quoted.
    return _key(content.decode("latin-1"), place)


def _check_file(found: os.stat_result, place: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise AgentRefused(f"{place} is not a regular file")
    if found.st_mode & stat.S_IRWXO:
        mode = stat.S_IMODE(found.st_mode)
        raise AgentRefused(f"{place} is accessible to every user (mode {mode:04o}): chmod 600 it")


def _key(text: str, place: str) -> Secret:
    key = text.strip()
    if not key:
        raise AgentRefused(f"{place} is empty; put the key there")
    if len(key) > MAX_KEY_BYTES:
        raise AgentRefused(f"{place} has more than {MAX_KEY_BYTES} bytes: that is not a key")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise AgentRefused(f"{place} contains spaces, line breaks or non-ASCII: that is not a key")
    return Secret(key)
