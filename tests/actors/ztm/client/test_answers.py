"""The agent's answers: unknown fields pass, and one bad element does not hide the others."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ztm.client import answers
from actors.ztm.client.answers import (
    AppInfo,
    FileInfo,
    GroupChat,
    GroupDetails,
    MeshError,
    PeerChat,
)
from actors.ztm.client.entries import RawMessage
from actors.ztm.errors import AnswerUnreadable

PEM = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_mesh_with_its_agent_and_its_errors() -> None:
    mesh = answers.mesh(
        encoded(
            {
                "name": "demo",
                "ca": "…",
                "agent": {"id": "1", "name": "bot-ep", "username": "bot", "offline": False},
                "bootstraps": ["hub:8888", 7],
                "connected": True,
                "errors": [{"time": "2026-01-01T00:00:00Z", "message": "gone"}, None, {"time": 5}],
                "new": {"in": "a later version"},
            }
        )
    )
    assert (mesh.name, mesh.connected, mesh.agent.username) == ("demo", True, "bot")
    assert mesh.bootstraps == ("hub:8888",)
    assert mesh.errors == (MeshError("2026-01-01T00:00:00Z", "gone"),)


def test_a_mesh_that_says_only_its_name_is_not_connected() -> None:
    mesh = answers.mesh(b'{"name": "demo", "errors": "none"}')
    assert not mesh.connected
    assert mesh.agent.username == ""


def test_files_by_their_path() -> None:
    listing = answers.files(encoded({"/a b": {"hash": "h", "size": 3, "time": 5, "since": 7}}))
    assert listing.files == {"/a b": FileInfo("h", 3, 5, 7)}
    assert listing.flaws == []


def test_a_bad_file_does_not_hide_the_others_and_fractions_are_rounded_down() -> None:
    data = encoded(
        {"/bad": 7, "/a": {"hash": "h", "size": 1.0, "time": 5.7}, "/worse": {"size": 1}}
    )
    listing = answers.files(data)
    assert listing.files == {"/a": FileInfo("h", 1, 5)}
    assert len(listing.flaws) == 2


def test_a_path_with_a_raw_control_character_does_not_hide_the_others() -> None:
    data = b'{"/a\x01b": {"hash": "h"}, "/c": {"hash": "i"}}'
    assert answers.files(data).files == {"/a\x01b": FileInfo("h"), "/c": FileInfo("i")}


HALF = '"\\ud800": 1'


def test_a_key_with_half_a_surrogate_pair_is_ignored_like_any_unknown_one() -> None:
    agent = f'{{"username": "bot", {HALF}}}'
    mesh = answers.mesh(f'{{"name": "demo", "agent": {agent}, {HALF}}}'.encode())
    assert (mesh.name, mesh.agent.username) == ("demo", "bot")
    listing = answers.files(f'{{"/a": {{"hash": "h", {HALF}}}, "/b": {{"hash": "i"}}}}'.encode())
    assert listing.files == {"/a": FileInfo("h"), "/b": FileInfo("i")}
    info = answers.answer(f'{{"username": "bot", {HALF}}}'.encode(), AppInfo)
    assert info.username == "bot"


def test_a_groups_name_is_bounded_and_can_be_written() -> None:
    assert answers.group(b'{"name": "half \\ud800"}').name == "half ?"
    name = answers.group(encoded({"name": "n" * 15_000_000})).name
    assert len(name) == answers.LABEL_CHARS
    assert name.endswith("n…")


def test_chats_with_peers_and_groups() -> None:
    latest = {"time": 9, "sender": "alice", "message": {"text": "a"}}
    listing = answers.chats(
        encoded(
            [
                {"peer": "alice", "time": 9, "updated": 2, "latest": latest},
                {"creator": "a", "group": "1", "name": "Ops: EU", "time": 0, "updated": 0},
            ]
        )
    )
    assert listing.items == [
        PeerChat("alice", 9, 2, RawMessage(9, "alice", {"text": "a"})),
        GroupChat("a", "1", "Ops: EU", 0, 0, None),
    ]
    assert listing.flaws == []


@pytest.mark.parametrize(
    "bad",
    [None, {}, {"peer": ".."}, {"peer": 7}, {"peer": "a", "time": "x"}, {"creator": "a"}, []],
    ids=str,
)
def test_a_bad_chat_does_not_hide_the_others(bad: object) -> None:
    listing = answers.chats(encoded([bad, {"peer": "alice"}]))
    assert listing.items == [PeerChat("alice", 0, 0, None)]
    assert len(listing.flaws) == 1


def test_a_message_nested_beyond_reason_hides_its_own_chat_only() -> None:
    bomb = '{"peer": "eve", "latest": ' + "[" * 100_000 + "]" * 100_000 + "}"
    listing = answers.chats(f'[{bomb}, {{"peer": "alice"}}]'.encode())
    assert listing.items == [PeerChat("alice", 0, 0, None)]


def test_a_chat_whose_latest_message_is_unreadable_is_still_a_chat() -> None:
    listing = answers.chats(encoded([{"peer": "alice", "latest": {"time": "x"}}]))
    assert listing.items == [PeerChat("alice", 0, 0, None)]


def test_users_are_names_and_impossible_names_are_left_out() -> None:
    listing = answers.users(encoded(["alice", 7, "..", "a/b", None, "Bob é"]))
    assert listing.items == ["alice", "Bob é"]
    assert sum(int(flaw.split()[0]) for flaw in listing.flaws) == 4


def test_a_group_and_its_members() -> None:
    data = encoded({"creator": "a", "group": "1", "name": "Team é", "members": ["a", 7, "b", ".."]})
    assert answers.group(data) == GroupDetails("a", "1", "Team é", ("a", "b"))


def test_the_file_of_a_group_reads_alike() -> None:
    assert answers.group(b'{"name": "T", "members": ["a"]}') == GroupDetails("", "", "T", ("a",))


def test_who_the_chat_app_says_that_we_are() -> None:
    info = answers.answer(encoded({"username": "bot", "endpoint": {"id": "e"}}), AppInfo)
    assert (info.username, info.endpoint.id) == ("bot", "e")


def test_an_identity_is_a_public_key() -> None:
    assert answers.identity(PEM.encode()) == PEM
    with pytest.raises(AnswerUnreadable):
        answers.identity(b"<html>")


READERS: list[Callable[[bytes], Any]] = [
    answers.mesh,
    answers.files,
    answers.users,
    answers.chats,
    answers.group,
    answers.identity,
    lambda data: answers.answer(data, AppInfo),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "peer", "creator", "group", "time", "latest", "hash", "errors"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("read", READERS)
@given(data=st.one_of(st.binary(), json_values.map(encoded)))
def test_garbage_is_read_or_refused_but_nothing_else(
    read: Callable[[bytes], Any], data: bytes
) -> None:
    with suppress(AnswerUnreadable):
        read(data)
