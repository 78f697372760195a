"""What one option may hold, beyond its type: addresses, names, paths, durations, sizes.

Each function takes a value as YAML gave it and returns what the program uses, or raises `Unfit`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from actors.http.urls import is_loopback

MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 4_096
DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
SIZE = re.compile(r"(\d{1,9}) ?([KMGT])iB")
SHIFTS = {"K": 10, "M": 20, "G": 30, "T": 40}


class Unfit(ValueError):
    """The value isn't allowed. `hint` says why or what to do; `found`, if given, is shown instead
    of the value, which may hold a secret."""

    def __init__(self, hint: str | None = None, found: str | None = None) -> None:
        super().__init__(hint or found or "")
        self.hint = hint
        self.found = found


def text(value: object, hint: str | None = None) -> str:
    """Any text, as it stands."""
    if not isinstance(value, str):
        raise Unfit(hint)
    return value


def base_url(value: object) -> str:
    """The address that API paths are appended to, without the slash at its end."""
    url = _url(value)
    if url.query or url.fragment:
        raise Unfit("leave out everything from ? or # on", found="an address with ? or #")
    return url.geturl().rstrip("/")


def web_address(value: object) -> str:
    """An address that is requested as it stands."""
    url = _url(value)
    if url.fragment:
        raise Unfit("leave out everything from # on", found="an address with #")
    return url.geturl()


def _url(value: object) -> SplitResult:
    written = text(value)
    if not written.isprintable() or " " in written:
        raise Unfit("it contains spaces or control characters")
    try:
        url = urlsplit(written)
        well_formed = _is_host(url.hostname) and url.port != 0
    except ValueError:
        raise Unfit("the host or the port is invalid") from None
    if "@" in url.netloc:
        raise Unfit("leave out the part before @", found="an address with a user or password")
    if url.scheme not in ("http", "https") or not well_formed:
        raise Unfit("write it as http://host:port or https://host:port")
    return url


def _is_host(host: str | None) -> bool:
    """An IPv6 address (urlsplit has looked at it), or labels of which none is empty."""
    return host is not None and (":" in host or all(host.removesuffix(".").split(".")))


def same_server(url: str) -> tuple[str, str, int | None, str]:
    """Equal for two ways of writing one address: case, default port, names of this machine."""
    parts = urlsplit(url)
    host = "localhost" if is_loopback(url) else (parts.hostname or "")
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return parts.scheme, host, port, parts.path


def ztm_name(value: object) -> str:
    """A name as ZTM compares it: exact.

    ZTM behaviour: names may hold anything, but one that is `.` or `..`, or holds a `/`, leaves its
    folder on the agent's disk. So these are refused, with blanks at the ends, which nobody sees.
    """
    name = text(value, "write it in quotes" if isinstance(value, int) else None)
    if not name.strip():
        raise Unfit("it is blank")
    if name != name.strip():
        raise Unfit("remove the spaces at its ends")
    return _safe(name)


def listed_name(value: object) -> str:
    """A name in a list written by hand, or `*`; blanks at its ends don't count."""
    name = ztm_name(value.strip() if isinstance(value, str) else value)
    if "*" in name and name != "*":
        raise Unfit("patterns are not supported: list each user, or write * for everyone")
    return name


def creator_name(value: object) -> str:
    """A name in `creatorBypass`."""
    name = ztm_name(value)
    if "*" in name:
        raise Unfit("patterns are not supported: write creatorBypass: true for all creators")
    return name


def group_key(value: object) -> tuple[str, str]:
    """Creator and group of a key `creator/group`. The group is an id or a display name; the latter
    may hold a `/` of its own."""
    creator, slash, group = text(value).partition("/")
    if not slash:
        raise Unfit("it has no /")
    if "*" in creator + group:
        raise Unfit(
            "patterns are not supported: write one entry per group, by its id if its name has a *;"
            " groupPolicy of the account holds for all others"
        )
    if not group or group != group.strip() or not group.isprintable():
        raise Unfit("the group is empty, has spaces at its ends, or contains invisible characters")
    if len(group.encode()) > MAX_NAME_BYTES:
        raise Unfit(f"the group is longer than {MAX_NAME_BYTES} bytes")
    return ztm_name(creator), group


def _safe(name: str) -> str:
    if name in (".", "..") or any(mark in name for mark in "/\\"):
        raise Unfit("a name can't be . or .. and can't contain / or \\")
    if not name.isprintable():
        raise Unfit("it contains invisible characters")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise Unfit(f"it is longer than {MAX_NAME_BYTES} bytes")
    return name


def path_text(value: object) -> str:
    """The path of a file, not yet resolved: see `absolute`."""
    path = text(value)
    if not path.strip() or not path.isprintable() or len(path.encode()) > MAX_PATH_BYTES:
        raise Unfit("it is blank, too long, or contains control characters")
    if path.startswith("~") and path != "~" and not path.startswith("~/"):
        raise Unfit("~ is your own home folder only, as in ~/permit.json")
    return path


def absolute(path: str, folder: Path, home: Path) -> Path:
    """`path` with `~` as `home`; a relative one starts at `folder`, where the configuration is."""
    if path == "~" or path.startswith("~/"):
        return home / path[2:]
    return folder / path


def seconds(least: int, most: int) -> Callable[[object], int]:
    """A duration in seconds: a whole number of seconds, or text such as `24h`, `90m`, `1h30m`."""

    def parse(value: object) -> int:
        return _within(value if type(value) is int else _duration(value), least, most)

    return parse


def _duration(written: object) -> int:
    parts = DURATION.fullmatch(written.strip()) if isinstance(written, str) else None
    if not parts or not any(parts.groups()):
        raise Unfit("write it like 24h, 90m or 1h30m, or as a number of seconds")
    days, hours, minutes, rest = (int(part or 0) for part in parts.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def size(least: int, most: int) -> Callable[[object], int]:
    """A number of bytes: a whole number, or text such as `64GiB` (KiB, MiB, GiB, TiB)."""

    def parse(value: object) -> int:
        return _within(value if type(value) is int else _bytes(value), least, most)

    return parse


def _bytes(written: object) -> int:
    parts = SIZE.fullmatch(written.strip()) if isinstance(written, str) else None
    if not parts:
        raise Unfit("write it like 64GiB (KiB, MiB, GiB, TiB), or as a number of bytes")
    return int(parts[1]) << SHIFTS[parts[2]]


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise Unfit("it is too small" if value < least else "it is too large")
    return value
