"""When the Chat app is called deaf, and when it is not."""

from actors.ztm.watching.deafness_detector import DeafnessDetector
from tests.actors.ztm.watched_mesh import group, peer

ALICE, BOB = peer("alice"), peer("bob")


def test_two_messages_of_one_chat_that_stay_away_make_it_deaf() -> None:
    detector = DeafnessDetector(10.0)
    detector.files_show(ALICE, 1_000, now_s=0.0)
    detector.files_show(ALICE, 2_000, now_s=5.0)
    assert [detector.chats_show({ALICE: 0}, now) for now in (10.0, 11.0)] == [2, 2]
    assert detector.deaf


def test_it_takes_two_looks() -> None:
    detector = DeafnessDetector(10.0)
    detector.files_show(ALICE, 1_000, now_s=0.0)
    detector.files_show(BOB, 2_000, now_s=5.0)
    detector.chats_show({}, 10.0)
    assert not detector.deaf
    detector.chats_show({}, 11.0)
    assert detector.deaf


def test_ten_seconds_are_waited() -> None:
    detector = DeafnessDetector(10.0)
    detector.files_show(ALICE, 1_000, now_s=0.0)
    detector.files_show(ALICE, 2_000, now_s=5.0)
    for now_s in (6.0, 7.0, 8.0, 9.0, 9.9):
        detector.chats_show({}, now_s)
        assert not detector.deaf


def test_a_busy_chat_is_found_deaf_too() -> None:
    detector = DeafnessDetector(10.0)
    for second in range(12):
        detector.files_show(ALICE, 1_000 * (second + 1), now_s=float(second))
        detector.chats_show({ALICE: 0}, second + 0.5)
    assert detector.deaf


def test_a_message_that_is_merely_held_back_does_not_make_it_deaf() -> None:
    detector = DeafnessDetector(10.0)
    detector.files_show(ALICE, 1_000, now_s=0.0)
    for now_s in range(70):
        detector.chats_show({ALICE: 0}, float(now_s))
        assert not detector.deaf
    detector.files_show(BOB, 2_000, now_s=70.0)
    detector.chats_show({ALICE: 0}, 70.1)
    detector.chats_show({ALICE: 1_000, BOB: 2_000}, 71.1)
    assert not detector.deaf


def test_two_changes_within_half_a_second_may_both_be_held_back() -> None:
    detector = DeafnessDetector(10.0)
    detector.files_show(ALICE, 1_000, now_s=0.0)
    detector.files_show(BOB, 1_400, now_s=0.4)
    for now_s in range(70):
        detector.chats_show({}, float(now_s))
    assert not detector.deaf


def test_an_app_that_shows_anything_new_is_not_deaf() -> None:
    detector = DeafnessDetector(10.0)
    detector.files_show(ALICE, 1_000, now_s=0.0)
    detector.files_show(ALICE, 2_000, now_s=5.0)
    for second in range(60):
        detector.chats_show({BOB: second}, float(second))
        assert not detector.deaf


def test_it_hears_again_when_it_shows_something_new() -> None:
    detector = DeafnessDetector(10.0)
    detector.files_show(ALICE, 1_000, now_s=0.0)
    detector.files_show(ALICE, 2_000, now_s=5.0)
    for now_s in (10.0, 11.0, 12.0):
        detector.chats_show({}, now_s)
    assert detector.deaf
    assert detector.chats_show({ALICE: 2_000}, 13.0) == 0
    assert detector.hears
    assert not detector.deaf


def test_what_the_app_passes_over_while_it_hears_is_no_sign() -> None:
    """A file that its parser refuses never shows up."""
    detector = DeafnessDetector(10.0)
    detector.files_show(group("alice", "g"), 1_000, now_s=0.0)
    detector.files_show(group("alice", "g"), 2_000, now_s=1.0)
    detector.chats_show({BOB: 0}, 1.5)
    detector.chats_show({BOB: 5_000}, 9.0)
    for now_s in range(10, 40):
        assert detector.chats_show({BOB: 5_000}, float(now_s)) == 0
        assert not detector.deaf


def test_the_times_shrink_with_the_mesh() -> None:
    detector = DeafnessDetector(0.1, scale=0.01)
    detector.files_show(ALICE, 1_000, now_s=0.0)
    detector.files_show(ALICE, 2_000, now_s=0.006)
    for now_s in (0.1, 0.11):
        detector.chats_show({}, now_s)
    assert detector.deaf


def test_a_group_that_it_does_not_know_at_several_tries_makes_it_deaf_until_it_lists_it() -> None:
    team = group("alice", "team")
    detector = DeafnessDetector(10.0)
    detector.files_show(team, 1_000, now_s=0.0)
    for now_s in (0.1, 1.0, 3.0):
        detector.app_lacks(team, now_s)
    assert [detector.chats_show({}, now_s) for now_s in (10.0, 11.0)] == [4, 4]
    assert detector.deaf
    assert detector.chats_show({team: 1_000}, 12.0) == 0
    assert not detector.deaf
