"""The end of the log as one word: whoever keeps it can prove later that the log still extends it.

`<log id>:<sequence>:<hash, hexadecimal>`
"""

import msgspec

from store.log.event_log import EventLog


class MalformedHead(ValueError):
    """The text is no head that `audit head` prints."""


class KeptHead(msgspec.Struct, frozen=True):
    """A head of the log `log_id`, kept outside of it."""

    log_id: str
    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.log_id}:{self.seq}:{self.hash.hex()}"


def head_of(log: EventLog) -> KeptHead:
    """The log's head now."""
    head = log.head()
    return KeptHead(log.log_id, head.seq, head.hash)


def parse_head(text: str) -> KeptHead:
    """The head that `text` writes. Raises `MalformedHead`."""
    try:
        log_id, seq, digest = text.strip().split(":")
        head = KeptHead(log_id, int(seq), bytes.fromhex(digest))
    except ValueError:
        head = KeptHead("", -1, b"")
    if head.seq < 0 or len(head.hash) != 32:
        msg = f"not a head: {text[:100]!r}; it is <log id>:<sequence>:<64 hexadecimal digits>"
        raise MalformedHead(msg)
    return head
