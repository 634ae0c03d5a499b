"""How a backlog and new leads share the relay's time."""

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


def test_without_new_leads_a_backlog_does_not_pause(pace):
    pace.stepped(1.0)
    assert not pace.is_busy
    assert pace.seconds_to_next_step() == 0


def test_while_new_leads_arrive_a_backlog_gets_a_ninth_of_the_time(pace, clock):
    steps = 0
    for _ in range(900):
        pace.customers_came()
        if not pace.seconds_to_next_step():
            steps += 1
            pace.stepped(0.01)
        clock.now += 0.01
    assert steps == pytest.approx(100, abs=15)


def test_after_a_slow_step_a_backlog_pauses_half_a_second_at_most(pace, clock):
    pace.stepped(30.0)
    for _ in range(51):
        pace.customers_came()
        clock.now += 0.01
    assert pace.seconds_to_next_step() == 0


def test_a_backlog_goes_on_when_no_more_leads_arrive(pace, clock):
    pace.customers_came()
    pace.stepped(30.0)
    assert 0 < pace.seconds_to_next_step() <= 0.1
    clock.now += pace.seconds_to_next_step()
    assert pace.seconds_to_next_step() == 0
