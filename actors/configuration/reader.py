"""A tree of nodes to Structs, option by option, so that no error hides another.

What is read follows the types of `options`: a Struct is a section, a dict a mapping with keys of
the user's own, a union of tagged Structs a section with a `kind`. `null` is the same as absent.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo, fields

from actors.configuration.document import Mapping, Node, Scalar, Sequence
from actors.configuration.findings import Findings, Path, quoted
from actors.configuration.options import COMPLETE
from actors.configuration.values import Unfit
from actors.configuration.wording import (
    advice,
    advice_on_unknown,
    allowed,
    is_section,
    is_union,
    option_names,
    plain,
)

INVALID: Final[Any] = object()
"""In the place of an option that was reported as wrong."""

MAX_KEY_CHARS = 512


class Reader:
    """Reads nodes. What is wrong goes to `findings` and is left out of what is returned, so that
    the rest is checked too. So a result counts only if `findings` holds no error in the end."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def section(self, kind: Any, node: Node, path: Path) -> Any:
        """A whole Struct `kind`."""
        return self.build(kind, self.options(kind, node, path), path)

    def options(self, kind: Any, node: Node, path: Path) -> dict[str, Any]:
        """The options of the Struct `kind` that are written in `node`, by the field's name.

        One that is wrong is there too, as `INVALID`: it isn't missing.
        """
        known = {field.encode_name: field for field in fields(kind)}
        read = {}
        for key, value in self.entries(node, path):
            field = known.get(key)
            if field and not is_null(value):
                read[field.name] = self.value(field.type, value, (*path, key))
            elif not field and key != kind.__struct_config__.tag_field:
                hint = advice_on_unknown(kind, key)
                self._findings.error((*path, key), "", found="an unknown option", hint=hint)
        return read

    def build(self, kind: Any, read: dict[str, Any], path: Path) -> Any:
        """The Struct `kind` of options that were read; `INVALID` if a required one is missing."""
        required = [field for field in fields(kind) if field.required]
        for field in required:
            if field.name not in read:
                self._missing(field, path)
        good = {name: value for name, value in read.items() if value is not INVALID}
        alone = self._tried_alone(kind, good, path)
        if INVALID in alone or any(field.name not in good for field in required):
            return INVALID
        return self._constructed(kind, good, path)

    def value(self, hint: Any, node: Node, path: Path) -> Any:
        """The value of one option of the type `hint`."""
        kind, meta = plain(hint)
        if kind is Node:
            return node
        if meta and meta.extra and "parse" in meta.extra:
            return self._parsed(meta, _core_value(node), path)
        members = get_args(kind) if is_union(kind) else (kind,)
        match node:
            case Mapping() if any(is_section(member) for member in members):
                return self._one_section(members, node, path)
            case Mapping() if get_origin(kind) is dict:
                return self._named(kind, node, path)
            case Sequence():
                lists = [member for member in members if get_origin(member) is tuple]
                return self._list(lists[0], node, path) if lists else self._wrong(hint, path)
            case Scalar():
                return self._scalar(members, hint, node, path)
        return self._wrong(hint, path)

    def entries(self, node: Node, path: Path) -> Iterator[tuple[str, Node]]:
        """Keys and values of a mapping. A second value under one key is an error."""
        lines: dict[str, int] = {}
        for name, value in node.pairs if isinstance(node, Mapping) else ():
            key = self._key(name, path)
            if key is None:
                continue
            place = value if isinstance(value, Scalar) and key not in lines else name
            self._findings.saw((*path, key), place, value)
            if key in lines:
                found = f"{quoted(key)} twice, in line {lines[key]} and in line {name.line}"
                self._findings.error((*path, key), "each option once", found=found)
            else:
                lines[key] = name.line
                yield key, value

    def _key(self, name: Node, path: Path) -> str | None:
        """A key as it is written: `on`, `123` and `null` are words here."""
        if isinstance(name, Scalar) and not name.is_foreign and len(name.text) <= MAX_KEY_CHARS:
            return name.text
        self._findings.saw((*path, "?"), name, name)
        self._findings.error((*path, "?"), "a short name", found="a key that is not a name")
        return None

    def _one_section(self, kinds: tuple[Any, ...], node: Mapping, path: Path) -> Any:
        """The section `kinds[0]`, or of several the one that its tag names (`kind: echo`)."""
        if len(kinds) == 1:
            return self.section(kinds[0], node, path)
        option = kinds[0].__struct_config__.tag_field
        by_tag = {kind.__struct_config__.tag: kind for kind in kinds}
        tag: Any = Literal[tuple(by_tag)]
        written = [value for key, value in node.pairs if _is_word(key, option)]
        if not written or is_null(written[0]):
            self._findings.error((*path, option), allowed(tag), found="nothing")
            return INVALID
        self._findings.saw((*path, option), written[0], written[0])
        chosen = self.value(tag, written[0], (*path, option))
        return INVALID if chosen is INVALID else self.section(by_tag[chosen], node, path)

    def _named(self, kind: Any, node: Mapping, path: Path) -> dict[str, Any]:
        """A mapping whose keys are the user's own. A section without options may be left empty."""
        key_hint, hint = get_args(kind)
        meta = plain(key_hint)[1]
        read = {}
        for key, value in self.entries(node, path):
            empty = is_null(value) and is_section(plain(hint)[0])
            content = Mapping(value.line, value.column, []) if empty else value
            if meta and self._parsed(meta, key, (*path, key), found="this key") is INVALID:
                continue
            read[key] = self.value(hint, content, (*path, key))
        return {key: value for key, value in read.items() if value is not INVALID}

    def _list(self, kind: Any, node: Sequence, path: Path) -> tuple[Any, ...]:
        read = []
        for index, item in enumerate(node.items):
            self._findings.saw((*path, index), item, item)
            read.append(self.value(get_args(kind)[0], item, (*path, index)))
        return tuple(value for value in read if value is not INVALID)

    def _scalar(self, kinds: tuple[Any, ...], hint: Any, node: Scalar, path: Path) -> Any:
        if all(is_section(kind) for kind in kinds):
            # Not shown: a key may have been put where its section belongs.
            return self._wrong(hint, path, found=f"{node.kind} (not shown)")
        if not any(_fits(node, kind) for kind in kinds):
            return self._wrong(hint, path, advice(hint, node))
        try:
            # The type is right; this looks at bounds and lengths.
            msgspec.convert(node.value, hint, strict=True)
        except msgspec.ValidationError:
            return self._wrong(hint, path)
        return node.value

    def _parsed(self, meta: Meta, value: object, path: Path, found: str | None = None) -> Any:
        try:
            return (meta.extra or {})["parse"](value)
        except Unfit as unfit:
            shown = unfit.found or found
            self._findings.error(path, meta.description or "", found=shown, hint=unfit.hint)
            return INVALID

    def _tried_alone(self, kind: Any, read: dict[str, Any], path: Path) -> list[Any]:
        """Each option in a section that is good otherwise, where the section checks itself."""
        if not hasattr(kind, "__post_init__"):
            return []
        good = COMPLETE.get(kind, {})
        return [
            self._constructed(kind, {**good, name: value}, path) for name, value in read.items()
        ]

    def _constructed(self, kind: Any, values: dict[str, Any], path: Path) -> Any:
        try:
            return kind(**values)
        except ValueError as error:
            # Such a complaint begins with the option that it is about.
            complaint = str(error).partition(" (found ")[0]
            about = complaint.split(" ")[0].rstrip(":")
            known = about in option_names(kind)
            allowed = complaint.removeprefix(f"{about} must be ")
            self._findings.error((*path, about) if known else path, allowed)
            return INVALID

    def _wrong(
        self, hint: Any, path: Path, advice: str | None = None, found: str | None = None
    ) -> Any:
        self._findings.error(path, allowed(hint), found=found, hint=advice)
        return INVALID

    def _missing(self, field: FieldInfo, path: Path) -> None:
        option = (*path, field.encode_name)
        self._findings.error(option, allowed(field.type), found="nothing", hint="it is required")


def is_null(node: Node) -> bool:
    """Whether an option is written, but holds nothing."""
    return isinstance(node, Scalar) and node.kind == "null"


def _core_value(node: Node) -> str | int | bool | None:
    return node.value if isinstance(node, Scalar) and node.is_core else None


def _is_word(key: Node, word: str) -> bool:
    return isinstance(key, Scalar) and key.text == word


def _fits(node: Scalar, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return node.kind == "text" and node.value in get_args(kind)
    return node.is_core and type(node.value) is kind
