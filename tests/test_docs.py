"""The documentation, held to the code: what a page says exists, and what exists has its place."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from actors.agents.settings import CommandSettings, EchoSettings, OpenAISettings
from actors.configuration import Configuration, load
from actors.configuration.options import (
    AccountOptions,
    ChannelOptions,
    GatewayOptions,
    GroupOptions,
    StoreOptions,
    TlsOptions,
)
from events.codec import EVENTS
from events.conversation.events import DecisionInputs
from events.policy.account_policy import SenderTools, ToolGrant, ToolPolicy
from events.policy.mention import mentioned
from events.watermark import UnavailableFile
from tests.documentation_pages import (
    DOCS,
    HEADING,
    PAGES,
    ROOT,
    anchors,
    fences,
    page_id,
    prose,
    rows,
    section,
)

ROOMS = ("actors", "events", "store", "ztm_chat")

LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
DOTTED = re.compile(rf"(?<![\w./-])(?:{'|'.join(ROOMS)})(?:\.\w+)+")
TEST_FILE = re.compile(r"\btests/[\w/]+\.py\b")


# Links and names


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target}: there is no {there}"
        if anchor:
            assert anchor in anchors(there), f"{target}: no such heading in {page_id(there)}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_names_of_code_exist(page: Path) -> None:
    options = {f"store.{name}" for name in StoreOptions.__struct_encode_fields__}
    for name in set(DOTTED.findall(page.read_text())) - options:
        assert exists(name), f"there is no {name}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_of_tests_exist(page: Path) -> None:
    for name in TEST_FILE.findall(page.read_text()):
        assert (ROOT / name).is_file(), f"there is no {name}"


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or leads to something inside one."""
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_the_picture_of_imports_is_the_codes() -> None:
    lines = [line for _, content in fences("imports") for line in content.splitlines()]
    assert lines
    for line in lines:
        importer, _, imported = line.partition(" → ")
        missing = set(imported.split()) - set(imports_of(importer))
        assert not missing, f"{importer} does not import {', '.join(sorted(missing))}"


def imports_of(module: str) -> Iterator[str]:
    tree = ast.parse(Path(str(importlib.import_module(module).__file__)).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in LINK.findall(prose(page))
    }
    assert not [page_id(page) for page in PAGES if page.parent != ROOT and page not in linked]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


# Configuration

BASE: dict[str, Any] = {
    "agentUrl": "http://localhost:7777",
    "permitSource": "file",
    "permitFilePath": "/permit.json",
    "meshName": "mesh",
    "username": "my-bot",
}
ACCOUNT = ("Required", "Connection", "Direct messages", "Groups in general", "Turns")
OPTION_TABLES: list[tuple[Any, tuple[str, ...], list[str]]] = [
    (AccountOptions, ACCOUNT, []),
    (ChannelOptions, (*ACCOUNT, "The daemon"), []),
    (GroupOptions, ("Entries of `groupPermissions`",), ["groupPermissions", "alice/team"]),
    (ToolPolicy, ("`tools`",), ["groupPermissions", "alice/team", "tools"]),
    (SenderTools, ("`toolsBySender`",), ["groupPermissions", "alice/team", "toolsBySender", "bob"]),
    (TlsOptions, ("TLS",), ["tls"]),
    (StoreOptions, ("`store`",), ["store"]),
    (GatewayOptions, ("`gateway`",), ["gateway"]),
    (EchoSettings, ("`kind: echo`",), ["agent"]),
    (CommandSettings, ("`kind: command`",), ["agent"]),
    (OpenAISettings, ("`kind: openai`",), ["agent"]),
]
AGENTS: dict[Any, dict[str, Any]] = {
    EchoSettings: {"kind": "echo"},
    CommandSettings: {"kind": "command", "argv": ["true"]},
    OpenAISettings: {"kind": "openai", "baseUrl": "http://localhost/v1", "model": "any"},
}
every_table = pytest.mark.parametrize(
    ("options", "titles", "place"), OPTION_TABLES, ids=[kind.__name__ for kind, *_ in OPTION_TABLES]
)


@every_table
def test_every_option_has_its_row(options: Any, titles: tuple[str, ...], place: list[str]) -> None:
    del place
    documented = rows(DOCS / "configuration.md", *titles)
    assert set(documented) == set(options.__struct_encode_fields__)


@every_table
def test_every_default_is_the_codes(
    options: Any, titles: tuple[str, ...], place: list[str], tmp_path: Path
) -> None:
    """To write a default out changes nothing; and where none is given, there is none."""
    without = loaded(tmp_path, placed(place, AGENTS.get(options, {})))
    fields = {field.encode_name: field for field in msgspec.structs.fields(options)}
    for name, (_, _, default, *_) in rows(DOCS / "configuration.md", *titles).items():
        if default == "required":
            assert fields[name].default is msgspec.NODEFAULT, name
        elif default.startswith("`") and default.endswith("`"):
            own = AGENTS.get(options, {}) | {name: yaml.safe_load(default.strip("`"))}
            assert loaded(tmp_path, placed(place, own)) == without, name
        elif default == "–":
            assert fields[name].default is None, name


def placed(place: list[str], options: dict[str, Any]) -> dict[str, Any]:
    for key in reversed(place):
        options = {key: options}
    return BASE | options


def loaded(folder: Path, channel: dict[str, Any]) -> Configuration:
    path = folder / "openclaw.yaml"
    path.write_text(yaml.safe_dump({"channels": {"ztm-chat": channel}}))
    return load(path, {"HOME": str(folder)})


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(content, id=f"{page_id(page)}-{number}")
        for number, (page, content) in enumerate(fences("yaml"))
    ],
)
def test_examples_of_configuration_are_valid(example: str, tmp_path: Path) -> None:
    path = tmp_path / "openclaw.yaml"
    path.write_text(example)
    assert load(path, {"HOME": str(tmp_path)}).accounts


# Policies


def test_the_examples_of_mentions_are_decided_so() -> None:
    lines = section(DOCS / "policies.md", "Mentions").splitlines()
    cells = [line.strip("|").split("|") for line in lines if line.startswith("| `")]
    assert len(cells) > 5
    for yes, no in cells:
        assert all(mentioned(text, "my-bot") for text in re.findall(r"`([^`]+)`", yes)), yes
        assert not any(mentioned(text, "my-bot") for text in re.findall(r"`([^`]+)`", no)), no


# Events


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_has_its_section_and_every_field_its_row(name: str) -> None:
    assert set(rows(DOCS / "events.md", name)) == set(EVENTS[name].__struct_fields__)


@pytest.mark.parametrize("value", [DecisionInputs, ToolGrant, UnavailableFile])
def test_every_value_inside_events_is_told(value: Any) -> None:
    assert set(rows(DOCS / "events.md", value.__name__)) == set(value.__struct_fields__)


def test_no_event_is_told_of_that_does_not_exist() -> None:
    titles = [title for hashes, title in HEADING.findall(prose(DOCS / "events.md")) if hashes]
    named = {title for title in titles if re.fullmatch(r"[A-Z][A-Za-z]+", title)}
    assert named - {"Events", "DecisionInputs", "ToolGrant", "UnavailableFile"} == set(EVENTS)
