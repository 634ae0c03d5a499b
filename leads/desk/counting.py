"""Counts the leads of one day: people, answers, and money.

Every lead with a phone is fetched, but not its quote, which is the largest part of a row: only the few values that are
counted leave Postgres. Amounts are read from their text, as everywhere, so a quote of another program may say anything.
A total that such a program keeps under another name is not counted: only Python finds it, in the whole quote.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Q
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce

from leads import phones, snapshot
from leads.business_hours import business_time
from leads.desk.tallies import NOBODY, OTHERS, UNKNOWN, Day, Group, Tally, add, cents
from leads.models import Lead, LeadOutcome, LeadQuerySet
from leads.models.follow_up import amount_of
from quoter import site
from quoter.engine.discount import CODE
from quoter.shop.values import shop

# The most names that are stored for a day, because anybody can put new sources into links.
MOST_NAMES = 30

_LONGEST_TOTAL = 200  # characters; a number of another program may be written with a megabyte of zeros
_MINUTE = timedelta(minutes=1)
# Times until an answer below so many minutes are stored in steps of so many.
_STEPS = ((120, 1), (600, 10), (inf, 60))
_QUOTES, _PEOPLE, _QUOTED, _SALES, _SOLD, _DISCOUNTS = range(len(Tally._fields))


def count(day: date, *, zone: ZoneInfo) -> Day:
    """Return the figures of the leads quoted on a day of a zone, counted in the database now."""
    leads = quoted_on(day, zone).filter(set_aside="").order_by()
    cells: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * len(Tally._fields))
    losses: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    minutes: defaultdict[str, Counter[int]] = defaultdict(Counter)
    newest: dict[str, tuple[datetime, Any, list[int], int, int]] = {}
    currency = site.price_book().currency
    for lead in _rows(leads):
        cell = cells[lead.seller, lead.source, lead.product]
        if lead.kind == LeadOutcome.Kind.WON:
            cell[_SALES] += 1
            cell[_SOLD] += cents(lead.amount)
        elif lead.kind == LeadOutcome.Kind.LOST:
            losses[lead.reason][0] += 1
            losses[lead.reason][1] += cents(lead.amount)
        if not lead.has_phone:  # erased since: the sale stays, but nobody is counted
            continue
        cell[_QUOTES] += 1
        known = newest.get(lead.person)
        if known is None or known[:2] < (lead.asked_at, lead.pk):
            newest[lead.person] = (lead.asked_at, lead.pk, cell, _total(lead, currency), _discount(lead, currency))
        # Another program may not have said when. For who was quoted by staff, nobody had to answer.
        if lead.seller != NOBODY and lead.contacted_at and not lead.quoted_by:
            minutes[lead.seller][_minutes(lead.asked_at, lead.contacted_at, zone)] += 1
    for _at, _pk, cell, total, discount in newest.values():
        cell[_PEOPLE] += 1
        cell[_QUOTED] += total
        cell[_DISCOUNTS] += discount
    sellers, sources, products = ({}, {}, {})  # type: tuple[dict[str, Tally], dict[str, Tally], dict[str, Tally]]
    for names, cell in cells.items():
        for tallies, name in zip((sellers, sources, products), names, strict=True):
            tallies[name] = tallies.get(name, Tally()).plus(cell)
    return Day(
        leads.filter(phone="").count(),
        sellers,
        _with_others(sources),
        _with_others(products),
        {reason: Group(*loss) for reason, loss in losses.items()},
        {seller: dict(counts) for seller, counts in minutes.items()},
    )


class _Row(NamedTuple):
    """A lead with a phone, or with an outcome.

    person: the key of its phones; quoted_by: the name of the seller who made the quote; kind, amount, reason: of its
    outcome.
    """

    pk: Any
    has_phone: bool
    person: str
    asked_at: datetime
    seller: str
    contacted_at: datetime | None
    source: str
    product: str
    total: str | None
    currency: str | None
    quoted_by: str | None
    discount: str | None
    discount_code: str | None
    kind: str | None
    amount: Decimal | None
    reason: str


def _rows(leads: LeadQuerySet) -> Iterator[_Row]:
    """Fetch what is counted of a day's leads. Their quotes, the largest part of a row, stay in Postgres."""
    listed = leads.filter(Q(phone__gt="") | Q(outcome__isnull=False))
    named = (snapshot.SOURCE, snapshot.PRODUCT, snapshot.TOTAL, snapshot.CURRENCY, snapshot.SELLER, *snapshot.DISCOUNT)
    paths = (KT(path) for path in named)
    outcome = ("outcome__kind", "outcome__amount", "outcome__reason")
    columns = ("pk", "phone", Coalesce("submitted_at", "created_at"), "status", "contacted_by", "contacted_at")
    rows = list(listed.values_list(*columns, *paths, *outcome))
    keys = {phone: phones.key(phone) for _pk, phone, *_rest in rows}
    joined = _joined(set(keys.values()) - {""})
    for pk, phone, asked_at, status, seller, at, source, product, *told in rows:
        person = joined.get(keys[phone], keys[phone]) or f"#{pk}"
        by = NOBODY if status == Lead.Status.NEW else UNKNOWN if seller is None else str(seller)
        yield _Row(pk, bool(phone), person, asked_at, by, at, source or "", product or "", *told)


def _joined(keys: Collection[str]) -> dict[str, str]:
    """Return the person of each of these phones that belongs to another one, as `FollowUpQuerySet.joined`.

    One array instead of a parameter for each, because a day may have thousands.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key, joined_to FROM lead_follow_ups WHERE joined_to > '' AND key = ANY(%s)", [list(keys)]
        )
        return dict(cursor.fetchall())


def _total(lead: _Row, currency: str) -> int:
    """Return the total of a quote in cents; 0 for one that has none, or one of another currency."""
    if not lead.total or len(lead.total) > _LONGEST_TOTAL or lead.currency not in (None, "", currency):
        return 0
    return _cents(lead.total)


def _discount(lead: _Row, currency: str) -> int:
    """Return what the seller of a quote took off, in cents; 0 for one that took nothing off."""
    if lead.discount_code != CODE or not lead.discount or lead.currency not in (None, "", currency):
        return 0
    return _cents(lead.discount.removeprefix("-")[:_LONGEST_TOTAL])


@lru_cache(maxsize=5_000)
def _cents(written: str) -> int:
    total = snapshot.amount(written)
    # Another program may have stored anything.
    return cents(amount_of(total)) if total is not None and total > 0 else 0


def _minutes(asked_at: datetime, contacted_at: datetime, zone: ZoneInfo) -> int:
    """Return after how many minutes of business hours a lead was answered; long times only roughly, to store few."""
    open_for = business_time(asked_at, contacted_at, hours=shop.BUSINESS_HOURS, zone=zone, holidays=shop.HOLIDAYS)
    minutes = open_for // _MINUTE
    return minutes - minutes % next(step for most, step in _STEPS if minutes < most)


def quoted_on(day: date, zone: ZoneInfo) -> LeadQuerySet:
    return Lead.objects.filter(created_at__gte=begins(day, zone), created_at__lt=begins(day + timedelta(days=1), zone))


def begins(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment when a day begins in a zone."""
    return datetime.combine(day, time_of_day(), zone)


def _with_others(tallies: dict[str, Tally]) -> dict[str, Tally]:
    ordered = sorted(tallies.items(), key=lambda named: named[1], reverse=True)
    rest = add(tally for _name, tally in ordered[MOST_NAMES:])
    return dict(ordered[:MOST_NAMES]) | ({OTHERS: rest} if any(rest) else {})
