"""When an answer is due: only business hours count."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from leads.business_hours import Urgency, business_time, due_at, urgency

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


def test_business_time_is_the_part_of_each_day_that_the_shop_is_open():
    assert business_time(at(THU, "16:00"), at(NEXT_MON, "10:00"), hours=WEEK, zone=JUAREZ) == timedelta(hours=8)
    assert business_time(at(SAT, "9:00"), at(SAT, "17:00"), hours=WEEK, zone=JUAREZ) == timedelta()


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
