"""Names as parts of paths, and the paths of the chat's files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ztm.client.paths import (
    ChatFile,
    GroupFile,
    GroupInfo,
    PeerFile,
    checked,
    parse,
    quote_name,
    quote_path,
)
from actors.ztm.errors import DangerousName

SHARED = "/apps/ztm/chat/shared"


def is_legal(name: str) -> bool:
    try:
        checked(name)
    except DangerousName:
        return False
    return True


names = st.text(min_size=1, max_size=60).filter(is_legal)
times = st.integers(0, 2**53)
chat_files = st.one_of(
    st.builds(PeerFile, names, names, times),
    st.builds(GroupFile, names, names, names, times),
    st.builds(GroupInfo, names, names, names),
)


DANGEROUS = ("", ".", "..", "a/b", "/", "a\x00", "a\nb", "\x1b[31m", "a\x7f", "a\x85b", "a\u2028")
UNUSUAL = ("Team é", "Ops: EU", "%41", "%2e%2e", "...", ".hidden", " ", "a\\b", "a?b#c", "名前")


@pytest.mark.parametrize("name", [*DANGEROUS, "a\u2029", "\ud800", "x" * 256, "é" * 128])
def test_a_name_that_could_lead_astray_is_refused(name: str) -> None:
    with pytest.raises(DangerousName) as caught:
        quote_name(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", [*UNUSUAL, "alice", "x" * 255])
def test_any_other_name_is_legal(name: str) -> None:
    assert checked(name) == name


def test_a_name_is_one_part_of_a_path_and_nothing_in_it_is_taken_for_quoting() -> None:
    assert quote_name("Ops: EU?é%41") == "Ops%3A%20EU%3F%C3%A9%2541"


def test_a_path_is_quoted_part_by_part() -> None:
    assert quote_path(f"{SHARED}/a b/%41") == "/apps/ztm/chat/shared/a%20b/%2541"


@pytest.mark.parametrize("path", ["", "a/b", "/a//b", "/a/", "/", "/a/../b", "/./a", "/a\n"])
def test_a_path_with_a_dangerous_part_is_refused(path: str) -> None:
    with pytest.raises(DangerousName):
        quote_path(path)


def test_a_file_of_a_chat_with_a_peer() -> None:
    path = f"{SHARED}/alice/publish/peers/my-bot/messages/1700000000000.json"
    assert parse(path) == PeerFile("alice", "my-bot", 1700000000000)


def test_a_file_of_a_group() -> None:
    path = f"{SHARED}/bob/publish/groups/alice/team 1/messages/0.json"
    assert parse(path) == GroupFile("bob", "alice", "team 1", 0)


def test_the_description_of_a_group() -> None:
    path = f"{SHARED}/alice/publish/groups/alice/team/info.json"
    assert parse(path) == GroupInfo("alice", "alice", "team")


@pytest.mark.parametrize(
    "path",
    [
        "/apps/ztm/chat/shared",
        "/apps/ztm/other/shared/alice/publish/peers/bot/messages/1.json",
        f"{SHARED}/alice/publish/peers/bot/messages/1.json/more",
        f"{SHARED}/alice/publish/peers/bot/messages/1.txt",
        f"{SHARED}/alice/publish/peers/bot/messages/01.json",
        f"{SHARED}/alice/publish/peers/bot/messages/-1.json",
        f"{SHARED}/alice/publish/peers/bot/messages/1.json\n",
        f"{SHARED}/alice/publish/peers/bot/messages/١.json",
        f"{SHARED}/alice/publish/peers/bot/messages/{'9' * 17}.json",
        f"{SHARED}/alice/publish/peers/../messages/1.json",
        f"{SHARED}//publish/peers/bot/messages/1.json",
        f"{SHARED}/a\x01/publish/peers/bot/messages/1.json",
        f"{SHARED}/alice/publish/groups/alice/messages/1.json",
        f"{SHARED}/alice/files/abc",
    ],
)
def test_anything_else_is_no_file_of_the_chat(path: str) -> None:
    assert parse(path) is None


@given(chat_files)
def test_every_file_of_the_chat_is_found_again_by_its_path(file: ChatFile) -> None:
    assert parse(file.path) == file


@given(st.one_of(st.text(), st.text().map(lambda text: f"{SHARED}/{text}")))
def test_any_path_can_be_parsed_and_what_is_recognised_can_be_asked_for(path: str) -> None:
    file = parse(path)
    if file is not None:
        assert file.path == path
        assert quote_path(path)


def test_a_path_cannot_be_built_of_dangerous_names() -> None:
    with pytest.raises(DangerousName):
        _ = PeerFile("alice", "..", 1).path
