"""What is wanted of the mesh's files, what is owed, and how far the cursor may go."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ztm.client.answers import FileInfo
from actors.ztm.client.paths import GroupFile, GroupInfo, PeerFile
from actors.ztm.watching.catalogue import UNAVAILABLE_LIMIT, Catalogue
from events.watermark import UnavailableFile
from tests.actors.ztm.watched_mesh import group, peer


def path(sender: str = "alice", ms: int = 1) -> str:
    return PeerFile(sender, "my-bot", ms).path


def info(since: int, file_hash: str = "") -> FileInfo:
    return FileInfo(file_hash or f"h{since}", 10, since, since)


def catalogue(*, groups: bool = True) -> Catalogue:
    return Catalogue("bot", "my-bot", groups=groups)


def take(
    one: Catalogue,
    files: dict[str, FileInfo],
    *,
    after: int = -1,
    since_ms: int = 0,
    now_ms: int = 10_000,
    baseline: bool = False,
    baseline_groups: bool = False,
) -> None:
    one.take(
        files,
        after=after,
        since_ms=since_ms,
        now_ms=now_ms,
        baseline=baseline,
        baseline_groups=baseline_groups,
    )


def decide(one: Catalogue, paths: Iterable[str]) -> None:
    for each in paths:
        one.decided(each, one.pending[each])


@pytest.mark.parametrize(
    "file",
    [
        PeerFile("alice", "my-bot", 1).path,
        PeerFile("my-bot", "alice", 1).path,
        GroupFile("carol", "alice", "g", 1).path,
        GroupInfo("alice", "alice", "g").path,
    ],
)
def test_files_of_our_conversations_are_wanted(file: str) -> None:
    one = catalogue()
    take(one, {file: info(5)})
    assert list(one.pending) == [file]


@pytest.mark.parametrize(
    "file",
    [
        PeerFile("alice", "carol", 1).path,
        PeerFile("my-bot", "my-bot", 1).path,
        GroupInfo("mallory", "alice", "g").path,
        "/apps/ztm/chat/shared/alice/publish/peers/my-bot/messages/../1.json",
        "/apps/ztm/chat/shared/alice/publish/peers/my-bot/messages/1.json/2",
        "/apps/ztm/chat/shared/al\nice/publish/peers/my-bot/messages/1.json",
        "/shared/alice/holiday.jpg",
        "",
        "no path at all",
    ],
)
def test_other_files_and_dangerous_paths_are_not(file: str) -> None:
    one = catalogue()
    take(one, {file: info(5)})
    assert not one.pending
    assert one.highest == 5


def test_groups_are_left_alone_where_they_are_disabled() -> None:
    one = catalogue(groups=False)
    take(one, {GroupFile("carol", "alice", "g", 1).path: info(5)})
    assert not one.pending


def test_a_file_is_wanted_again_when_its_hash_changes_and_only_then() -> None:
    one = catalogue()
    take(one, {path(): info(5, "a")})
    decide(one, [path()])
    take(one, {path(): info(5, "a")})
    assert not one.pending
    take(one, {path(): info(6, "b")})
    assert one.pending[path()].hash == "b"


def test_what_changed_while_it_was_read_stays_wanted() -> None:
    one = catalogue()
    take(one, {path(): info(5, "a")})
    as_read = one.begin([path()], baseline=False)[path()]
    take(one, {path(): info(6, "b")})
    one.decided(path(), as_read)
    assert one.pending[path()].hash == "b"
    assert one.due(0.0) == {peer("alice"): [path()]}


def test_what_was_decided_earlier_is_not_wanted_but_group_infos_are() -> None:
    one = catalogue()
    group_info = GroupInfo("alice", "alice", "g").path
    take(one, {path(): info(5), group_info: info(5), path("bob"): info(7)}, after=6)
    assert set(one.pending) == {group_info, path("bob")}


def test_infos_come_before_messages_and_both_in_the_order_of_their_change() -> None:
    one = catalogue()
    files = {
        GroupFile("bob", "alice", "g", 1).path: info(9),
        GroupFile("alice", "alice", "g", 1).path: info(3),
        GroupInfo("alice", "alice", "g").path: info(20),
    }
    take(one, files)
    ordered = sorted(files, key=lambda each: ("info" not in each, files[each].since))
    assert one.due(0.0) == {group("alice", "g"): ordered}


def test_the_cursor_waits_for_what_is_wanted() -> None:
    one = catalogue()
    take(one, {path(): info(5), path("bob"): info(9)})
    assert one.position(0) == (4, ())
    decide(one, [path()])
    assert one.position(0) == (8, ())
    decide(one, [path("bob")])
    assert one.position(0) == (9, ())


def test_the_cursor_passes_what_is_owed_and_lists_it() -> None:
    one = catalogue()
    take(one, {path(): info(5), path("bob"): info(9)})
    one.mark_unavailable(path(), one.pending[path()], 10_000)
    assert one.position(0) == (8, (UnavailableFile(path()),))
    decide(one, [path("bob")])
    assert one.position(0) == (9, (UnavailableFile(path()),))


def test_what_was_owed_stays_on_the_list_while_it_is_tried_again() -> None:
    one = catalogue()
    one.add_unavailable(UnavailableFile(path()), 1_000)
    take(one, {path(): info(5)}, after=90)
    assert one.held_up
    assert one.position(100) == (100, (UnavailableFile(path()),))
    decide(one, [path()])
    assert one.position(100) == (100, ())


def test_an_empty_mesh_was_read_too() -> None:
    one = catalogue()
    take(one, {})
    assert one.position(0) == (1, ())


def test_the_list_of_what_is_owed_is_bounded_and_the_cursor_waits_for_the_rest() -> None:
    one = catalogue()
    files = {path(ms=number): info(number) for number in range(1, UNAVAILABLE_LIMIT + 11)}
    take(one, files)
    for each in files:
        one.mark_unavailable(each, one.pending[each], 10_000)
    position, unavailable = one.position(0)
    assert position == UNAVAILABLE_LIMIT
    assert len(unavailable) == UNAVAILABLE_LIMIT


def test_a_baseline_that_is_owed_stays_one() -> None:
    one = catalogue()
    take(one, {path(): info(5)}, baseline=True)
    assert one.baselining
    one.mark_unavailable(path(), one.pending[path()], 10_000)
    _, unavailable = one.position(0)
    assert unavailable == (UnavailableFile(path(), baseline=True),)
    after_restart = catalogue()
    after_restart.add_unavailable(unavailable[0], 1_000)
    take(after_restart, {path(): info(5)}, after=10)
    assert after_restart.pending[path()].baseline


def test_a_file_counts_as_available_from_when_it_could_be_had() -> None:
    one = catalogue()
    take(one, {path(): info(5)}, since_ms=700, now_ms=1_000)
    assert one.pending[path()].available_ms == 700
    one.mark_unavailable(path(), one.pending[path()], 90_000)
    assert one.pending[path()].available_ms == 90_000


def test_a_hub_ahead_of_our_clock_makes_nothing_available_in_the_future() -> None:
    one = catalogue()
    take(one, {path(): info(9_000)}, since_ms=700, now_ms=1_000)
    assert one.pending[path()].available_ms == 1_000


def test_who_publishes_again_is_asked_for_what_they_owe() -> None:
    one = catalogue()
    take(one, {path(): info(5), path("bob"): info(5)})
    for each in (path(), path("bob")):
        one.mark_unavailable(each, one.pending[each], 10_000)
        one.postpone(each, one.pending[each], 99.0)
    take(one, {path(ms=2): info(6)})
    assert one.due(0.0) == {peer("alice"): [path(), path(ms=2)]}


def test_another_hubs_list_is_all_news_and_the_cursor_begins_anew() -> None:
    one = catalogue()
    take(one, {path(): info(5_000, "a"), path("bob"): info(9_000)})
    decide(one, [path()])
    one.forget()
    assert one.highest == 0
    take(one, {path(): info(50, "a")})
    assert path() in one.pending
    assert one.position(1)[0] <= 49


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob", "carol"]),
        st.sampled_from(["change", "decide", "owe"]),
    ),
    max_size=40,
)


@given(CHANGES)
def test_the_cursor_never_goes_back_nor_past_anything_that_is_not_listed(
    changes: list[tuple[str, str]],
) -> None:
    one, cursor = catalogue(), 0
    for since, (sender, what) in enumerate(changes, start=10):
        file = path(sender)
        if what == "change":
            take(one, {file: info(since)})
        elif file in one.pending and what == "decide":
            decide(one, [file])
        elif file in one.pending:
            one.mark_unavailable(file, one.pending[file], since)
        position, unavailable = one.position(cursor)
        assert position >= cursor
        passed = {each for each, pending in one.pending.items() if pending.since <= position}
        assert passed <= {each.path for each in unavailable}
        cursor = position
