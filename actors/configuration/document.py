"""YAML text to a tree of nodes that know their line and column.

PyYAML's own composer is not used: it expands aliases into shared nodes, which a few hundred bytes
can blow up to millions, and it recurses as deep as the file asks. Here an alias stays what it is,
one node that no option accepts, and depth is bounded. No tag ever builds an object.
"""

import re
from typing import Any

import yaml
from msgspec import Struct

from actors.configuration.problems import ConfigurationInvalid, Problem

MAX_BYTES = 1_048_576
MAX_DEPTH = 64
MAX_NUMBER_CHARS = 64

# libyaml's parser where it is built in: 50 times as fast, and the same events.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

CONTROL = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CORE = "tag:yaml.org,2002:"
KINDS = {
    "str": "text",
    "int": "whole number",
    "bool": "boolean",
    "null": "null",
    "float": "decimal number",
    "timestamp": "date",
    "merge": "merge key",
    "value": "text",
}
SYNTAX_HINT = "often wrong indentation, or a missing `:` or quote, here or in the line above"
FOREIGN = ("alias", "value with a tag")


class Node(Struct, frozen=True):
    """A value in the file; `line` and `column` count from 1."""

    line: int
    column: int


class Scalar(Node, frozen=True):
    """`text` as it is written, without quotes. `kind` says in words what YAML takes it for.

    `value` is a str, int, bool or None; the `text` again for every other kind.
    """

    text: str
    kind: str
    value: str | int | bool | None

    @property
    def is_core(self) -> bool:
        """Whether `value` is what YAML takes the text for."""
        return self.kind in ("text", "whole number", "boolean", "null")

    @property
    def is_foreign(self) -> bool:
        """Whether the text isn't the whole of it: an alias, or a tag."""
        return self.kind in FOREIGN


class Sequence(Node, frozen=True):
    """A list."""

    items: list[Node]


class Mapping(Node, frozen=True):
    """Keys and values in the file's order; a key may be there twice."""

    pairs: list[tuple[Node, Node]]


def parse(content: bytes, file: str) -> Node:
    """The tree of one YAML document; raises `ConfigurationInvalid` if it isn't one."""
    text = _decode(content, file)
    loader = Loader(text)
    try:
        return _Composer(loader, file).document()
    except yaml.MarkedYAMLError as error:
        raise _invalid(file, error.problem_mark, *_explain(error, text)) from None
    except yaml.YAMLError:
        raise _invalid(file, None, "something that is not YAML", "valid YAML") from None
    finally:
        loader.dispose()


class _Composer:
    """Builds nodes from the parser's events."""

    def __init__(self, loader: Any, file: str) -> None:
        self._loader = loader
        self._file = file

    def document(self) -> Node:
        self._loader.get_event()
        if self._loader.check_event(yaml.StreamEndEvent):
            return Scalar(1, 1, "", "null", None)
        self._loader.get_event()
        root = self._node(0)
        self._loader.get_event()
        if not self._loader.check_event(yaml.StreamEndEvent):
            mark = self._loader.peek_event().start_mark
            raise _invalid(self._file, mark, "a second document", "one document (no `---` between)")
        return root

    def _node(self, depth: int) -> Node:
        event = self._loader.get_event()
        mark = event.start_mark
        if depth > MAX_DEPTH:
            raise _invalid(
                self._file, mark, "deeper nesting", f"values nested at most {MAX_DEPTH} deep"
            )
        line, column = mark.line + 1, mark.column + 1
        match event:
            case yaml.AliasEvent():
                return _other(line, column, f"*{event.anchor}", "alias")
            case yaml.ScalarEvent():
                return self._scalar(event, line, column)
            case yaml.SequenceStartEvent():
                sequence = Sequence(line, column, self._items(depth + 1))
                return _untagged(sequence, event.tag, "seq")
            case _:
                mapping = Mapping(line, column, self._pairs(depth + 1))
                return _untagged(mapping, event.tag, "map")

    def _items(self, depth: int) -> list[Node]:
        items = []
        while not self._loader.check_event(yaml.SequenceEndEvent):
            items.append(self._node(depth))
        self._loader.get_event()
        return items

    def _pairs(self, depth: int) -> list[tuple[Node, Node]]:
        pairs = []
        while not self._loader.check_event(yaml.MappingEndEvent):
            key = self._node(depth)
            pairs.append((key, self._node(depth)))
        self._loader.get_event()
        return pairs

    def _scalar(self, event: Any, line: int, column: int) -> Scalar:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        return _typed(tag, event.value, line, column)


def _typed(tag: str, text: str, line: int, column: int) -> Scalar:
    kind = KINDS.get(tag.removeprefix(CORE), "value with a tag")
    try:
        value = _value(kind, text)
    except (ValueError, KeyError):
        return _other(line, column, text, f"{kind} that can't be read")
    return Scalar(line, column, text, kind, value)


def _value(kind: str, text: str) -> str | int | bool | None:
    match kind:
        case "null":
            return None
        case "boolean":
            return bool(yaml.SafeLoader.bool_values[text.lower()])
        case "whole number":
            return _integer(text)
    return text


def _integer(text: str) -> int:
    # YAML 1.1 has numbers to the base 60; a long one takes the square of its length to read.
    if len(text) > MAX_NUMBER_CHARS:
        raise ValueError("too long for a number")
    node = yaml.ScalarNode(CORE + "int", text)
    return int(yaml.constructor.SafeConstructor().construct_yaml_int(node))


def _other(line: int, column: int, text: str, kind: str) -> Scalar:
    return Scalar(line, column, text, kind, text)


def _untagged(node: Node, tag: str | None, own: str) -> Node:
    if tag in (None, "!", CORE + own):
        return node
    return _other(node.line, node.column, "", "value with a tag")


def _decode(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        found = f"more than {MAX_BYTES:,} bytes"
        raise _invalid(file, None, found, "a file of at most 1 MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        column = error.start - (error.object.rfind(b"\n", 0, error.start) + 1) + 1
        problem = Problem(file, line, column, "", "bytes that are not UTF-8", "text in UTF-8")
        raise ConfigurationInvalid([problem]) from None
    if control := CONTROL.search(text):
        before = text[: control.start()].split("\n")
        found = f"the control character U+{ord(control[0]):04X}"
        problem = Problem(file, len(before), len(before[-1]) + 1, "", found, "printable text")
        raise ConfigurationInvalid([problem])
    return text


def _explain(error: yaml.MarkedYAMLError, text: str) -> tuple[str, str, str]:
    """YAML's complaint in words for the person who wrote the file: found, allowed, hint."""
    lines = text.split("\n")
    number = error.problem_mark.line if error.problem_mark else len(lines)
    line = lines[number] if number < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab in the indentation", "spaces", "YAML indents with spaces only"
    complaint = " ".join(part for part in (error.context, error.problem) if part)
    return f"a mistake in the YAML: {complaint}", "valid YAML", SYNTAX_HINT


def _invalid(
    file: str, mark: Any, found: str, allowed: str, hint: str | None = None
) -> ConfigurationInvalid:
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return ConfigurationInvalid([Problem(file, line, column, "", found, allowed, hint)])
