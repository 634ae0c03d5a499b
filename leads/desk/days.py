"""Counts the leads of each day and stores the figures, because reading ninety days of two million leads takes seconds.

Days are counted when the desk is opened. Today is counted each time. A day that is over is counted again after staff
have worked on one of its leads, and otherwise less and less often: late leads, from an outbox or from a customer who
took a day to decide, usually arrive within days. This needs no trigger and no index on `leads`, so a checkout does no
extra work.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from django.db import DatabaseError, transaction
from django.db.models import Count, Max, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, TruncDate

from leads import snapshot
from leads.business_hours import business_time
from leads.models import Lead, LeadDay, LeadEvent, LeadQuerySet
from quoter.shop.values import shop

# How many seconds a viewer waits for counts: of days that may be out of date, and of days that were never counted.
RECOUNT_S, COUNT_S = 0.1, 2.0
# A count stays fresh for this fraction of the time since its day ended: two hours after one day, two and a half days
# after a month.
FRESH_FRACTION = 1 / 12
# The most names that are stored for a day, because anybody can put new sources into links.
MOST_NAMES = 30
OTHERS = "…"

_MINUTE = timedelta(minutes=1)
# An event gets its id before it is committed, so the last ids are read again. At most so many are uncommitted at a
# time.
_UNCOMMITTED_EVENTS = 20
_CHANGES_NOTHING = [LeadEvent.Kind.EXPORTED, LeadEvent.Kind.NOTED]
_VERSION = 2


class Tally(NamedTuple):
    """Counts. quotes: all; leads: those of the quotes with a phone; contacted: the leads that were contacted."""

    quotes: int = 0
    leads: int = 0
    contacted: int = 0

    def plus(self, other: Iterable[int]) -> Self:
        return type(self)(*map(sum, zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Day:
    """The figures of the leads quoted on one day.

    sources, products: by utm_source and by the first line's product, "" for none; each lead counts once.
    minutes: how many leads were contacted after so many whole minutes of business hours.
    """

    sources: dict[str, Tally] = field(default_factory=dict)
    products: dict[str, Tally] = field(default_factory=dict)
    minutes: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> Tally:
        return add(self.sources.values())

    def as_json(self) -> dict[str, dict[str, object]]:
        return {
            "sources": dict(self.sources),
            "products": dict(self.products),
            "minutes": {str(minutes): leads for minutes, leads in self.minutes.items()},
        }

    @classmethod
    def of_json(cls, figures: dict[str, dict[str, list[int]]]) -> Self:
        sources, products = (
            {name: Tally(*tally) for name, tally in figures[part].items()} for part in ("sources", "products")
        )
        return cls(sources, products, {int(minutes): leads for minutes, leads in figures["minutes"].items()})  # type: ignore[misc]


def add(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total = total.plus(tally)
    return total


def counted(
    days: Sequence[date], *, now: datetime, zone: ZoneInfo, clock: Callable[[], float] = time.monotonic
) -> dict[date, Day]:
    """Return the figures of days, as fresh as the time allows. Days that could not be counted in time are missing.

    days: in the business's zone, newest first, beginning with today.
    """
    rules = _rules(zone)
    newest = LeadEvent.objects.aggregate(newest=Max("pk"))["newest"] or 0
    _mark_outdated(newest, zone)
    kept = {row.day: row for row in LeadDay.objects.filter(day__in=days, rules=rules)}
    known = {day: Day.of_json(row.figures) for day, row in kept.items()}

    missing = [day for day in days[1:] if day not in kept]
    outdated = [day for day, row in sorted(kept.items(), reverse=True) if not _is_fresh(row, now, zone)]
    deadline = clock() + (COUNT_S if missing else RECOUNT_S)
    for day in dict.fromkeys([days[0], *missing, *outdated]):
        if day != days[0] and clock() > deadline:
            break
        known[day] = count(day, zone=zone)
        row = LeadDay(day=day, counted_at=now, last_event=newest, rules=rules, figures=known[day].as_json())
        _keep(row)
    return known


def count(day: date, *, zone: ZoneInfo) -> Day:
    """Return the figures of the leads quoted on a day of a zone, counted in the database now."""
    leads = quoted_on(day, zone)
    source, product = KT(snapshot.SOURCE), KT(snapshot.PRODUCT)
    # Several people may ask for one quote, and what was set aside is nobody until staff bring it back.
    is_quote, has_phone = Q(is_first=True, set_aside=""), Q(phone__gt="", set_aside="")
    is_contacted = has_phone & Q(status=Lead.Status.CONTACTED)
    groups = (
        leads.order_by()
        .annotate(source=source, product=product)
        .values_list("source", "product")
        .annotate(
            quotes=Count("pk", filter=is_quote),
            leads=Count("pk", filter=has_phone),
            contacted=Count("pk", filter=is_contacted),
        )
    )
    sources: dict[str, Tally] = {}
    products: dict[str, Tally] = {}
    for source_name, product_name, *counts in groups:
        for names, name in ((sources, source_name or ""), (products, product_name or "")):
            names[name] = names.get(name, Tally()).plus(counts)
    # Another program may not have said when.
    answered = leads.filter(is_contacted, contacted_at__isnull=False).order_by()
    times = answered.values_list(Coalesce("submitted_at", "created_at"), "contacted_at")
    minutes = Counter(
        business_time(asked, contacted, hours=shop.BUSINESS_HOURS, zone=zone, holidays=shop.HOLIDAYS) // _MINUTE
        for asked, contacted in times
    )
    return Day(_with_others(sources), _with_others(products), dict(minutes))


def quoted_on(day: date, zone: ZoneInfo) -> LeadQuerySet:
    return Lead.objects.filter(created_at__gte=begins(day, zone), created_at__lt=begins(day + timedelta(days=1), zone))


def begins(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment when a day begins in a zone."""
    return datetime.combine(day, time_of_day(), zone)


def _rules(zone: ZoneInfo) -> str:
    return f"{_VERSION} {zone.key} {shop.BUSINESS_HOURS} {shop.HOLIDAYS}"


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


def _with_others(tallies: dict[str, Tally]) -> dict[str, Tally]:
    ordered = sorted(tallies.items(), key=lambda named: named[1], reverse=True)
    rest = add(tally for _name, tally in ordered[MOST_NAMES:])
    return dict(ordered[:MOST_NAMES]) | ({OTHERS: rest} if rest.quotes else {})
