"""Addresses: how they are shown, and which of them lead to this machine."""

import ipaddress
from urllib.parse import urlsplit


def public_url(url: str) -> str:
    """The address without user information, query and fragment: fit for messages and logs."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "<unreadable address>"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return printable(f"{parts.scheme}://{host}{port}{parts.path}")


def printable(text: str) -> str:
    """The text with a question mark for each character that would steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def is_loopback(url: str) -> bool:
    """Whether the address certainly leads to this machine: plain http to it shows nobody anything.

    The name `localhost` and loopback IP addresses. Not `*.localhost`: RFC 6761 reserves it for
    loopback too, but common resolvers ask the network for it all the same.
    """
    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
