"""How a backlog and new customers share the relay."""

import pytest

from leads.delivery.pace import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock)


def test_while_nobody_comes_a_backlog_goes_on_at_once(pace):
    pace.stepped(1.0)
    assert not pace.is_busy
    assert pace.seconds_to_next_step() == 0


def test_while_customers_come_it_has_a_ninth_of_the_time(pace, clock):
    steps = 0
    for _ in range(900):
        pace.customers_came()
        if not pace.seconds_to_next_step():
            steps += 1
            pace.stepped(0.01)
        clock.now += 0.01
    assert steps == pytest.approx(100, abs=15)


def test_after_a_slow_step_it_rests_half_a_second_at_most(pace, clock):
    pace.stepped(30.0)
    for _ in range(51):
        pace.customers_came()
        clock.now += 0.01
    assert pace.seconds_to_next_step() == 0


def test_once_it_is_quiet_it_goes_on(pace, clock):
    pace.customers_came()
    pace.stepped(30.0)
    assert 0 < pace.seconds_to_next_step() <= 0.1
    clock.now += pace.seconds_to_next_step()
    assert pace.seconds_to_next_step() == 0
