"""What is pending of the mesh's files, what is unavailable, and how far the cursor may go."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ztm.client.answers import FileInfo
from actors.ztm.client.paths import GroupFile, GroupInfo, PeerFile
from actors.ztm.reading.catalogue import UNAVAILABLE_LIMIT, Catalogue
from events.watermark import UnavailableFile
from tests.actors.ztm.watched_mesh import group, peer


def path(sender: str = "alice", ms: int = 1) -> str:
    return PeerFile(sender, "my-bot", ms).path


def info(since: int, file_hash: str = "") -> FileInfo:
    return FileInfo(file_hash or f"h{since}", 10, since, since)


def new_catalogue(*, groups: bool = True) -> Catalogue:
    return Catalogue("bot", "my-bot", groups=groups)


def take(
    catalogue: Catalogue,
    files: dict[str, FileInfo],
    *,
    after: int = -1,
    since_ms: int = 0,
    now_ms: int = 10_000,
    baseline: bool = False,
    baseline_groups: bool = False,
) -> None:
    catalogue.take(
        files,
        after=after,
        since_ms=since_ms,
        now_ms=now_ms,
        baseline=baseline,
        baseline_groups=baseline_groups,
    )


def decide(catalogue: Catalogue, paths: Iterable[str]) -> None:
    for each in paths:
        catalogue.decided(each, catalogue.pending[each])


@pytest.mark.parametrize(
    "file",
    [
        PeerFile("alice", "my-bot", 1).path,
        PeerFile("my-bot", "alice", 1).path,
        GroupFile("carol", "alice", "g", 1).path,
        GroupInfo("alice", "alice", "g").path,
    ],
)
def test_files_of_our_conversations_are_pending(file: str) -> None:
    catalogue = new_catalogue()
    take(catalogue, {file: info(5)})
    assert list(catalogue.pending) == [file]


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
    catalogue = new_catalogue()
    take(catalogue, {file: info(5)})
    assert not catalogue.pending
    assert catalogue.highest == 5


def test_groups_are_left_alone_where_they_are_disabled() -> None:
    catalogue = new_catalogue(groups=False)
    take(catalogue, {GroupFile("carol", "alice", "g", 1).path: info(5)})
    assert not catalogue.pending


def test_a_file_is_pending_again_when_its_hash_changes_and_only_then() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5, "a")})
    decide(catalogue, [path()])
    take(catalogue, {path(): info(5, "a")})
    assert not catalogue.pending
    take(catalogue, {path(): info(6, "b")})
    assert catalogue.pending[path()].hash == "b"


def test_what_changed_while_it_was_read_stays_pending() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5, "a")})
    as_read = catalogue.begin([path()], baseline=False)[path()]
    take(catalogue, {path(): info(6, "b")})
    catalogue.decided(path(), as_read)
    assert catalogue.pending[path()].hash == "b"
    assert catalogue.due(0.0) == {peer("alice"): [path()]}


def test_what_was_decided_earlier_is_not_pending_but_group_infos_are() -> None:
    catalogue = new_catalogue()
    group_info = GroupInfo("alice", "alice", "g").path
    take(catalogue, {path(): info(5), group_info: info(5), path("bob"): info(7)}, after=6)
    assert set(catalogue.pending) == {group_info, path("bob")}


def test_infos_come_before_messages_and_both_in_the_order_of_their_change() -> None:
    catalogue = new_catalogue()
    files = {
        GroupFile("bob", "alice", "g", 1).path: info(9),
        GroupFile("alice", "alice", "g", 1).path: info(3),
        GroupInfo("alice", "alice", "g").path: info(20),
    }
    take(catalogue, files)
    ordered = sorted(files, key=lambda each: ("info" not in each, files[each].since))
    assert catalogue.due(0.0) == {group("alice", "g"): ordered}


def test_the_cursor_waits_for_what_is_pending() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5), path("bob"): info(9)})
    assert catalogue.position(0) == (4, ())
    decide(catalogue, [path()])
    assert catalogue.position(0) == (8, ())
    decide(catalogue, [path("bob")])
    assert catalogue.position(0) == (9, ())


def test_the_cursor_passes_what_is_unavailable_and_lists_it() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5), path("bob"): info(9)})
    catalogue.mark_unavailable(path(), catalogue.pending[path()], 10_000)
    assert catalogue.position(0) == (8, (UnavailableFile(path()),))
    decide(catalogue, [path("bob")])
    assert catalogue.position(0) == (9, (UnavailableFile(path()),))


def test_what_was_unavailable_stays_on_the_list_while_it_is_tried_again() -> None:
    catalogue = new_catalogue()
    catalogue.add_unavailable(UnavailableFile(path()), 1_000)
    take(catalogue, {path(): info(5)}, after=90)
    assert list(catalogue.pending) == [path()]
    assert catalogue.position(100) == (100, (UnavailableFile(path()),))
    decide(catalogue, [path()])
    assert catalogue.position(100) == (100, ())


def test_an_empty_mesh_was_read_too() -> None:
    catalogue = new_catalogue()
    take(catalogue, {})
    assert catalogue.position(0) == (1, ())


def test_the_list_of_what_is_unavailable_is_bounded_and_the_cursor_waits_for_the_rest() -> None:
    catalogue = new_catalogue()
    files = {path(ms=number): info(number) for number in range(1, UNAVAILABLE_LIMIT + 11)}
    take(catalogue, files)
    for each in files:
        catalogue.mark_unavailable(each, catalogue.pending[each], 10_000)
    position, unavailable = catalogue.position(0)
    assert position == UNAVAILABLE_LIMIT
    assert len(unavailable) == UNAVAILABLE_LIMIT


def test_a_baseline_that_is_unavailable_stays_one() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5)}, baseline=True)
    assert catalogue.baselining
    catalogue.mark_unavailable(path(), catalogue.pending[path()], 10_000)
    _, unavailable = catalogue.position(0)
    assert unavailable == (UnavailableFile(path(), baseline=True),)
    after_restart = new_catalogue()
    after_restart.add_unavailable(unavailable[0], 1_000)
    take(after_restart, {path(): info(5)}, after=10)
    assert after_restart.pending[path()].baseline


def test_a_file_counts_as_available_from_when_it_could_be_had() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5)}, since_ms=700, now_ms=1_000)
    assert catalogue.pending[path()].available_ms == 700
    catalogue.mark_unavailable(path(), catalogue.pending[path()], 90_000)
    assert catalogue.pending[path()].available_ms == 90_000


def test_a_hub_ahead_of_our_clock_makes_nothing_available_in_the_future() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(9_000)}, since_ms=700, now_ms=1_000)
    assert catalogue.pending[path()].available_ms == 1_000


def test_who_publishes_again_is_asked_for_their_unavailable_files() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5), path("bob"): info(5)})
    for each in (path(), path("bob")):
        catalogue.mark_unavailable(each, catalogue.pending[each], 10_000)
        catalogue.postpone(each, catalogue.pending[each], 99.0)
    take(catalogue, {path(ms=2): info(6)})
    assert catalogue.due(0.0) == {peer("alice"): [path(), path(ms=2)]}


def test_another_hubs_list_is_all_news_and_the_cursor_begins_anew() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5_000, "a"), path("bob"): info(9_000)})
    decide(catalogue, [path()])
    catalogue.forget()
    assert catalogue.highest == 0
    take(catalogue, {path(): info(50, "a")})
    assert path() in catalogue.pending
    assert catalogue.position(1)[0] <= 49


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob", "carol"]),
        st.sampled_from(["change", "decide", "unavailable"]),
    ),
    max_size=40,
)


@given(CHANGES)
def test_the_cursor_never_goes_back_nor_past_anything_that_is_not_listed(
    changes: list[tuple[str, str]],
) -> None:
    catalogue, cursor = new_catalogue(), 0
    for since, (sender, what) in enumerate(changes, start=10):
        file = path(sender)
        if what == "change":
            take(catalogue, {file: info(since)})
        elif file in catalogue.pending and what == "decide":
            decide(catalogue, [file])
        elif file in catalogue.pending:
            catalogue.mark_unavailable(file, catalogue.pending[file], since)
        position, unavailable = catalogue.position(cursor)
        assert position >= cursor
        passed = {each for each, pending in catalogue.pending.items() if pending.since <= position}
        assert passed <= {each.path for each in unavailable}
        cursor = position


@given(CHANGES)
def test_strangers_files_between_ours_are_no_progress(changes: list[tuple[str, str]]) -> None:
    catalogue = new_catalogue()
    for since, (sender, _) in enumerate(changes, start=10):
        take(catalogue, {PeerFile(sender, "dave", 1).path: info(since)})
        assert catalogue.highest == since, "the feed is asked on from there"
    assert not catalogue.progress


def test_what_is_decided_is_progress() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5)})
    decide(catalogue, [path()])
    assert catalogue.progress


def test_what_becomes_unavailable_is_progress_but_not_what_stays_so() -> None:
    catalogue = new_catalogue()
    take(catalogue, {path(): info(5)})
    progress = []
    for now_ms in (10_000, 20_000):
        catalogue.progress = False
        catalogue.mark_unavailable(path(), catalogue.pending[path()], now_ms)
        progress.append(catalogue.progress)
    assert progress == [True, False]
