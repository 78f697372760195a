"""Events as plain values, for JSON. The shape is documented in docs/audit.md, and stays."""

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from events.event import Recorded
    from store.log.event_log import EventLog


def plain_event(log: "EventLog", recorded: "Recorded") -> dict[str, Any]:
    """An event with its envelope and its words: structs as objects, bytes in hexadecimal."""
    event = recorded.event
    return {
        "seq": recorded.seq,
        "stream": recorded.stream,
        "version": recorded.version,
        "time": recorded.time,
        "cause": recorded.cause,
        "type": type(event).__name__,
        "event": plain(event),
        "text": log.body(recorded.seq),
    }


def plain(value: Any) -> Any:
    """Structs as objects with names, bytes in hexadecimal."""
    match value:
        case bytes():
            return value.hex()
        case msgspec.Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case tuple() | list() | frozenset():
            return [plain(one) for one in value]
    return value
