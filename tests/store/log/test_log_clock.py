"""The time on record follows the machine's clock ahead, and never back."""

from dataclasses import dataclass

import pytest

from store.log.log_clock import LogClock

DAY = 86_400 * 10**9


@dataclass
class Machine:
    """Its clock, as it is set, and one that nobody sets; ns."""

    wall: int = 1_000 * DAY
    elapsed: int = 5

    def go_on(self, ns: int) -> None:
        self.wall += ns
        self.elapsed += ns

    def clock(self) -> LogClock:
        return LogClock(lambda: self.wall, lambda: self.elapsed)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_it_is_the_machines_clock_as_long_as_nobody_sets_that(machine: Machine) -> None:
    clock = machine.clock()
    machine.go_on(DAY)
    assert clock() == machine.wall
    assert clock.ahead_ns() == 0


def test_set_back_it_goes_on_at_its_pace(machine: Machine) -> None:
    clock = machine.clock()
    before = clock()
    machine.wall -= DAY
    machine.go_on(7)
    assert clock() == before + 7
    assert clock.ahead_ns() == DAY


def test_set_back_and_right_again_it_is_the_machines_clock(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall -= DAY
    machine.go_on(7)
    clock()
    machine.wall += DAY
    machine.go_on(7)
    assert clock() == machine.wall


def test_it_follows_a_step_ahead_and_never_comes_back_from_it(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall += 60 * DAY
    ahead = clock()
    assert ahead == machine.wall
    machine.wall -= 60 * DAY
    machine.go_on(7)
    assert clock() == ahead + 7


def test_it_goes_on_from_what_is_on_record(machine: Machine) -> None:
    clock = machine.clock()
    clock.not_before(machine.wall + DAY)
    machine.go_on(7)
    assert clock() == machine.wall + DAY


def test_a_record_of_the_past_changes_nothing(machine: Machine) -> None:
    clock = machine.clock()
    clock.not_before(machine.wall - DAY)
    assert clock() == machine.wall
