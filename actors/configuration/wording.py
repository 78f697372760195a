"""Option types in plain language: what is allowed, and what somebody may have meant instead."""

from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.structs import fields

from actors.configuration.document import Scalar
from actors.configuration.options import HOMES

NAMES = {bool: "true or false", int: "a whole number", str: "text"}
BOOLEANS = ("true", "false", "yes", "no", "on", "off")
MAX_COMPARED = 100


def allowed(hint: Any) -> str:
    """What an option of the type `hint` may hold."""
    kind, meta = plain(hint)
    if meta and meta.description:
        return meta.description
    if meta and meta.ge is not None:
        return f"a whole number from {meta.ge} to {meta.le}"
    if is_union(kind) and all(is_section(member) for member in get_args(kind)):
        return "a mapping of options, with a kind"
    if is_union(kind):
        return " or ".join(allowed(member) for member in get_args(kind))
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return f"a list; each item {allowed(get_args(kind)[0])}"
    return NAMES.get(kind, "a mapping of options")


def advice(hint: Any, written: Scalar) -> str | None:
    """What to write instead of `written`, where only something of the type `hint` is allowed."""
    kind, meta = plain(hint)
    hints = (meta.extra or {}).get("hints", {}) if meta else {}
    if known := hints.get(written.text.strip().lower()):
        return str(known)
    members = get_args(kind) if is_union(kind) else (kind,)
    if choices := [choice for member in members for choice in _choices(member)]:
        return did_you_mean(written.text, choices)
    if any(get_origin(member) is tuple for member in members):
        return "a list is written as [one, two]"
    if str in members and written.kind != "null":
        return "write it in quotes"
    if written.kind == "text" and (written.text.isdecimal() or written.text.lower() in BOOLEANS):
        return "write it without quotes"
    return None


def advice_on_unknown(section: Any, key: str) -> str:
    """What to do about an option that the Struct `section` doesn't have."""
    known = option_names(section)
    close = closest(key, known)
    if key == "<<":
        return "merge keys are not supported; write the options out"
    if close and bare(close) == bare(key):
        return f"did you mean {close}?"
    if home := next((home for owner, home in HOMES if key in option_names(owner)), None):
        return f"{key} belongs in {home}"
    return f"did you mean {close}?" if close else "known options: " + ", ".join(known)


def did_you_mean(word: str, known: list[str]) -> str | None:
    """The question, if something known is near."""
    close = closest(word, known)
    return f"did you mean {close}?" if close else None


def closest(word: str, known: list[str]) -> str | None:
    """What is known and written most like `word`, whatever its case, `_` and `-`."""
    by_bare = {bare(name): name for name in known}
    close = get_close_matches(bare(word[:MAX_COMPARED]), by_bare, 1)
    return by_bare[close[0]] if close else None


def bare(name: str) -> str:
    """`agent_url` and `Agent-Url` as `agenturl`."""
    return name.lower().replace("_", "").replace("-", "").strip()


def option_names(section: Any) -> list[str]:
    """The options of a Struct, as they are written."""
    return [field.encode_name for field in fields(section)]


def plain(hint: Any) -> tuple[Any, Meta | None]:
    """The type without `None` and without its annotation; and that annotation."""
    if is_union(hint):
        members = tuple(member for member in get_args(hint) if member is not NoneType)
        hint = members[0] if len(members) == 1 else Union[members]  # noqa: UP007
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
        return kind, next((note for note in notes if isinstance(note, Meta)), None)
    return hint, None


def is_union(kind: Any) -> bool:
    """Whether a type is written as `X | Y`."""
    return get_origin(kind) in (Union, UnionType)


def is_section(kind: Any) -> bool:
    """Whether a type is a Struct of options."""
    return isinstance(kind, type) and issubclass(kind, Struct)


def _choices(kind: Any) -> tuple[str, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()
