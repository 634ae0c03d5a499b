"""When an answer is due: only business hours count."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.business_hours import Urgency, business_time, due_at, due_since, urgency

JUAREZ = ZoneInfo("America/Ciudad_Juarez")
NINE_TO_FIVE = ((timedelta(hours=9), timedelta(hours=17)),)
SIESTA = ((timedelta(hours=9), timedelta(hours=13)), (timedelta(hours=15), timedelta(hours=17)))
WEEK = (NINE_TO_FIVE,) * 4 + (SIESTA, (), ())
HALF_AN_HOUR = timedelta(minutes=30)


def at(day: int, clock: str) -> datetime:
    """A moment of the week that begins on Monday, November 23, 2026, as the shop's clock shows it."""
    hour, minute = clock.split(":")
    return datetime(2026, 11, 22 + day, int(hour), int(minute), tzinfo=JUAREZ)


MON, THU, FRI, SAT, NEXT_MON = 1, 4, 5, 6, 8


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        (at(MON, "10:00"), at(MON, "10:30")),
        (at(MON, "16:30"), at(MON, "17:00")),
        (at(MON, "16:50"), at(MON + 1, "9:20")),
        (at(MON, "6:00"), at(MON, "9:30")),
        (at(MON, "23:59"), at(MON + 1, "9:30")),
        (at(FRI, "12:50"), at(FRI, "15:20")),
        (at(FRI, "14:00"), at(FRI, "15:30")),
        (at(FRI, "16:45"), at(NEXT_MON, "9:15")),
        (at(SAT, "12:00"), at(NEXT_MON, "9:30")),
    ],
)
def test_an_answer_is_due_after_the_promised_business_time(asked, due):
    assert due_at(asked.astimezone(UTC), promise=HALF_AN_HOUR, hours=WEEK, zone=JUAREZ) == due
    assert business_time(asked, due, hours=WEEK, zone=JUAREZ) == HALF_AN_HOUR


@given(
    hours=st.integers(0, 24 * 300),
    minutes=st.integers(1, 3000),
    holidays=st.sampled_from([(), ("11-24", "03-09")]),
)
def test_who_has_asked_since_a_moment_is_due_at_the_same_time_both_ways(hours, minutes, holidays):
    now = (at(MON, "9:20") - timedelta(hours=hours)).astimezone(UTC)
    rules = {"promise": timedelta(minutes=minutes), "hours": WEEK, "zone": JUAREZ, "holidays": holidays}
    since = due_since(now, **rules)
    assert due_at(since, **rules) <= now
    assert due_at(since + timedelta(microseconds=1), **rules) > now


def test_business_time_is_the_part_of_each_day_that_the_shop_is_open():
    assert business_time(at(THU, "16:00"), at(NEXT_MON, "10:00"), hours=WEEK, zone=JUAREZ) == timedelta(hours=8)
    assert business_time(at(SAT, "9:00"), at(SAT, "17:00"), hours=WEEK, zone=JUAREZ) == timedelta()


@pytest.mark.parametrize("holidays", [("2026-11-24",), ("11-24",), ("11-24", "2026-11-24", "2027-11-25")])
def test_a_holiday_counts_as_closed(holidays):
    rules = {"hours": WEEK, "zone": JUAREZ, "holidays": holidays}
    asked, next_day = at(MON, "16:50"), at(MON + 2, "9:20")
    assert due_at(asked, promise=HALF_AN_HOUR, **rules) == next_day
    assert due_at(at(MON + 1, "9:00"), promise=HALF_AN_HOUR, **rules) == at(MON + 2, "9:30")
    assert business_time(at(MON + 1, "9:00"), at(MON + 2, "10:00"), **rules) == timedelta(hours=1)
    assert urgency(asked, now=at(MON + 2, "9:00"), promise=HALF_AN_HOUR, **rules) is not Urgency.LATE
    assert urgency(asked, now=next_day, promise=HALF_AN_HOUR, **rules) is Urgency.LATE


def test_a_day_on_which_clocks_change_has_23_hours():
    always = (((timedelta(), timedelta(days=1)),),) * 7
    before, after = datetime(2026, 3, 8, tzinfo=JUAREZ), datetime(2026, 3, 9, tzinfo=JUAREZ)
    assert business_time(before, after, hours=always, zone=JUAREZ) == timedelta(hours=23)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(MON, "10:14"), Urgency.IN_TIME),
        (at(MON, "10:15"), Urgency.DUE),
        (at(MON, "10:29"), Urgency.DUE),
        (at(MON, "10:30"), Urgency.LATE),
        (at(NEXT_MON, "9:00"), Urgency.LATE),
    ],
)
def test_a_lead_is_due_from_half_of_the_promise_on_and_late_after_it(now, expected):
    assert urgency(at(MON, "10:00"), now=now, promise=HALF_AN_HOUR, hours=WEEK, zone=JUAREZ) is expected


def test_nobody_is_late_overnight():
    late, opens = at(FRI, "17:30"), at(NEXT_MON, "8:59")
    assert urgency(late, now=opens, promise=HALF_AN_HOUR, hours=WEEK, zone=JUAREZ) is Urgency.IN_TIME
