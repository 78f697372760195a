"""Events as plain values, for JSON. The shape is documented in docs/audit.md; fields are not
renamed."""

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from events.event import Recorded
    from store.log.event_log import EventLog


def plain_event(log: "EventLog", recorded: "Recorded") -> dict[str, Any]:
    """An event with its envelope and its text: structs as objects, bytes in hexadecimal."""
    event = recorded.event
    return {
        "seq": recorded.seq,
        "stream": recorded.stream,
        "version": recorded.version,
        "time": recorded.time,
        "cause": recorded.cause,
        "type": type(event).__name__,
        "event": plain_value(event),
        "text": log.body(recorded.seq),
    }


def plain_value(value: Any) -> Any:
    """Structs as objects with names, bytes in hexadecimal."""
    match value:
        case bytes():
            return value.hex()
        case msgspec.Struct():
            return {name: plain_value(getattr(value, name)) for name in value.__struct_fields__}
        case dict():
            return {name: plain_value(item) for name, item in value.items()}
        case tuple() | list() | frozenset():
            return [plain_value(item) for item in value]
    return value
