"""When an answer is due: the shop promises one within a time, of which only business hours count."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

# For each day of the week, Monday first: when the shop opens and closes, as times since midnight.
Hours = tuple[tuple[tuple[timedelta, timedelta], ...], ...]
# Days on which the shop is closed, as YYYY-MM-DD, or as MM-DD for every year.
Holidays = tuple[str, ...]


class Urgency(StrEnum):
    """IN_TIME: more than half of the promised time is left; DUE: less; LATE: none."""

    IN_TIME = "in-time"
    DUE = "due"
    LATE = "late"


def urgency(
    asked_at: datetime, *, now: datetime, promise: timedelta, hours: Hours, zone: ZoneInfo, holidays: Holidays = ()
) -> Urgency:
    """Return how urgent it is to answer a customer who asked at `asked_at`."""
    if now >= due_at(asked_at, promise=promise, hours=hours, zone=zone, holidays=holidays):
        return Urgency.LATE
    if now >= due_at(asked_at, promise=promise / 2, hours=hours, zone=zone, holidays=holidays):
        return Urgency.DUE
    return Urgency.IN_TIME


def due_at(
    asked_at: datetime, *, promise: timedelta, hours: Hours, zone: ZoneInfo, holidays: Holidays = ()
) -> datetime:
    """Return when an answer is due: after `promise` of business time. ValueError when the shop never opens."""
    left = promise
    for opens, closes in _openings(asked_at.astimezone(zone).date(), hours, zone, holidays):
        begins = max(opens, asked_at)
        if closes - begins >= left:
            return begins + left
        left -= max(closes - begins, timedelta())
    raise ValueError("The shop never opens.")


class AnswerTime(NamedTuple):
    """When who asks before `until` gets an answer. closes: when the shop does, if it is open; due: see `due_at`.

    is_soon: whether the answer comes before the shop closes.
    """

    until: datetime
    closes: datetime | None
    due: datetime
    is_soon: bool


def answer_times(
    now: datetime, *, promise: timedelta, hours: Hours, zone: ZoneInfo, holidays: Holidays = ()
) -> Iterator[AnswerTime]:
    """Yield what is true from `now` on, one after another without an end; nothing when the shop never opens."""

    def due(asked_at: datetime) -> datetime:
        return due_at(asked_at, promise=promise, hours=hours, zone=zone, holidays=holidays)

    for opens, closes in _openings(now.astimezone(zone).date(), hours, zone, holidays):
        last_soon = max(opens, closes - promise)
        times = [
            AnswerTime(opens, None, due(opens), False),
            AnswerTime(last_soon, closes, due(opens), True),
            AnswerTime(closes, closes, due(closes), False),
        ]
        yield from (each for each in times if each.until > now)


def due_since(now: datetime, *, promise: timedelta, hours: Hours, zone: ZoneInfo, holidays: Holidays = ()) -> datetime:
    """Return the latest moment for which an answer is due at `now`: `promise` of business time before it.

    ValueError when the shop never opens.
    """
    left = promise
    for opens, closes in _openings_before(now.astimezone(zone).date(), hours, zone, holidays):
        ends = min(closes, now)
        if ends - opens >= left:
            return ends - left
        left -= max(ends - opens, timedelta())
    raise ValueError("The shop never opens.")


def business_time(
    since: datetime, until: datetime, *, hours: Hours, zone: ZoneInfo, holidays: Holidays = ()
) -> timedelta:
    """Return how long the shop was open between two moments."""
    open_for = timedelta()
    for opens, closes in _openings(since.astimezone(zone).date(), hours, zone, holidays):
        if opens >= until:
            break
        open_for += max(min(closes, until) - max(opens, since), timedelta())
    return open_for


def opening(day: date, *, hours: Hours, zone: ZoneInfo, holidays: Holidays = ()) -> tuple[datetime, datetime] | None:
    """Return when the shop opens first and closes last on a day; None when it does not open."""
    openings = list(_openings_on(day, hours, zone, holidays))
    return (openings[0][0], openings[-1][1]) if openings else None


def _openings(day: date, hours: Hours, zone: ZoneInfo, holidays: Holidays) -> Iterator[tuple[datetime, datetime]]:
    """Yield when the shop opens and closes, from `day` on.

    In UTC, because a day on which the clocks change has 23 or 25 hours.
    """
    while any(hours):
        yield from _openings_on(day, hours, zone, holidays)
        day += timedelta(days=1)


def _openings_before(
    day: date, hours: Hours, zone: ZoneInfo, holidays: Holidays
) -> Iterator[tuple[datetime, datetime]]:
    """Yield when the shop opens and closes, from the end of `day` backwards."""
    while any(hours):
        yield from reversed(list(_openings_on(day, hours, zone, holidays)))
        day -= timedelta(days=1)


def opening_hours(
    day: date, *, hours: Hours, zone: ZoneInfo, holidays: Holidays = ()
) -> list[tuple[datetime, datetime]]:
    """Return when the shop opens and closes on a day; nothing when it stays closed."""
    return list(_openings_on(day, hours, zone, holidays))


def _openings_on(day: date, hours: Hours, zone: ZoneInfo, holidays: Holidays) -> Iterator[tuple[datetime, datetime]]:
    iso = day.isoformat()
    is_closed = iso in holidays or iso[5:] in holidays
    for opens, closes in () if is_closed else hours[day.weekday()]:
        yield _at(day, opens, zone), _at(day, closes, zone)


def _at(day: date, since_midnight: timedelta, zone: ZoneInfo) -> datetime:
    return (datetime.combine(day, time(), zone) + since_midnight).astimezone(UTC)
