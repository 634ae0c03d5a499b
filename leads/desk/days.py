"""Stores the figures of each day, because reading ninety days of two million leads takes seconds.

Days are counted when the desk is opened. Today is counted each time. A day that is over is counted again after staff
have worked on one of its leads, and otherwise less and less often: late leads, from an outbox or from a customer who
took a day to decide, usually arrive within days. This needs no trigger and no index on `leads`, so a checkout does no
extra work.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import DatabaseError, transaction
from django.db.models import Max
from django.db.models.functions import TruncDate

from leads.desk.counting import begins, count
from leads.desk.tallies import Day
from leads.models import LeadDay, LeadEvent
from quoter import site
from quoter.shop.values import shop

# How many seconds a viewer waits for counts: of days that may be out of date, and of days that were never counted.
RECOUNT_S, COUNT_S = 0.1, 2.0
# A count stays fresh for this fraction of the time since its day ended: two hours after one day, two and a half days
# after a month.
FRESH_FRACTION = 1 / 12

# An event gets its id before it is committed, so the last ids are read again. At most so many are uncommitted at a
# time.
_UNCOMMITTED_EVENTS = 20
_CHANGES_NOTHING = [
    *(LeadEvent.Kind.EXPORTED, LeadEvent.Kind.NOTED),
    *(LeadEvent.Kind.PLANNED, LeadEvent.Kind.HANDED),
]
_VERSION = 4


def counted(
    days: Sequence[date], *, now: datetime, zone: ZoneInfo, clock: Callable[[], float] = time.monotonic
) -> dict[date, Day]:
    """Return the figures of days, as fresh as the time allows. Days that could not be counted in time are missing.

    days: in the business's zone, newest first. Today is counted always.
    """
    today = now.astimezone(zone).date()
    rules = _rules(zone)
    newest = LeadEvent.objects.aggregate(newest=Max("pk"))["newest"] or 0
    _mark_outdated(newest, zone)
    kept = {row.day: row for row in LeadDay.objects.filter(day__in=days, rules=rules)}
    known = {day: Day.of_json(row.figures) for day, row in kept.items()}

    missing = [day for day in days if day not in kept and day != today]
    outdated = [day for day, row in sorted(kept.items(), reverse=True) if not _is_fresh(row, now, zone)]
    deadline = clock() + (COUNT_S if missing else RECOUNT_S)
    for day in dict.fromkeys([*(day for day in days if day == today), *missing, *outdated]):
        if day != today and clock() > deadline:
            break
        known[day] = count(day, zone=zone)
        row = LeadDay(day=day, counted_at=now, last_event=newest, rules=rules, figures=known[day].as_json())
        _keep(row)
    return known


def _rules(zone: ZoneInfo) -> str:
    return f"{_VERSION} {zone.key} {shop.BUSINESS_HOURS} {shop.HOLIDAYS} {site.price_book().currency}"


def _is_fresh(row: LeadDay, now: datetime, zone: ZoneInfo) -> bool:
    time_since_end = now - begins(row.day + timedelta(days=1), zone)
    # A count of the future was made while the clock was ahead.
    return not row.is_outdated and timedelta(0) <= now - row.counted_at < time_since_end * FRESH_FRACTION


def _mark_outdated(newest_event: int, zone: ZoneInfo) -> None:
    """Mark the days of the leads that have had events since a day was counted last."""
    last_event = LeadDay.objects.aggregate(last=Max("last_event"))["last"]
    if last_event is None or last_event == newest_event:
        return
    events = LeadEvent.objects.filter(pk__gt=last_event - _UNCOMMITTED_EVENTS).exclude(kind__in=_CHANGES_NOTHING)
    touched = events.values_list(TruncDate("lead__created_at", tzinfo=zone), flat=True).distinct()
    with suppress(DatabaseError), transaction.atomic():
        LeadDay.objects.filter(day__in=list(touched), is_outdated=False).update(is_outdated=True)


def _keep(row: LeadDay) -> None:
    # Errors are ignored, so that the desk works on a read-only database.
    with suppress(DatabaseError), transaction.atomic():
        LeadDay.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["day"],
            update_fields=["counted_at", "last_event", "is_outdated", "rules", "figures"],
        )
