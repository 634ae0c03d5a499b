"""The filters as conditions on leads."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from django.db.models import DecimalField, Func, Q, TextField, Value
from django.db.models.expressions import OrderBy
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, NullIf

from leads import snapshot
from leads.inbox.filters import (
    CAMPAIGN,
    ELSEWHERE,
    LEAST,
    MOST,
    MOST_READ,
    NOBODY,
    OUTCOME,
    PRODUCT,
    SELLER,
    SINCE,
    SOURCE,
    UNTIL,
    WITHOUT,
)
from leads.models import Lead, LeadQuerySet
from quoter import site

_JSON = {PRODUCT: snapshot.PRODUCT, CAMPAIGN: snapshot.SOURCE}


class Amount(Func):
    """An amount that is written as a plain number; NULL for any other text, which another program may have written."""

    template = r"substring(%(expressions)s from '^[0-9]{1,14}(?:\.[0-9]{1,10})?$')::numeric"
    output_field = DecimalField(max_digits=30, decimal_places=10)


class HostOf(Func):
    """The host of an address."""

    template = "substring(%(expressions)s from '://([^/]*)')"
    output_field = TextField()


def indexed(values: Mapping[str, Any]) -> Q:
    """Return the condition on what has an index. values: of the filters, by their names."""
    condition, zone = Q(), site.zone()
    if since := values.get(SINCE):
        condition &= Q(created_at__gte=datetime.combine(since, time(), zone))
    if until := values.get(UNTIL):
        condition &= Q(created_at__lt=datetime.combine(until + timedelta(days=1), time(), zone))
    if seller := values.get(SELLER):
        condition &= _answered_by(seller)
    if outcome := values.get(OUTCOME):
        kind, _colon, reason = outcome.partition(":")
        condition &= Q(outcome__kind=kind, **({"outcome__reason": reason} if reason else {}))
    return condition


def read(values: Mapping[str, Any]) -> Q:
    """Return the condition on what is inside the quotes, for `with_read`; an empty one for none."""
    condition = Q()
    for name, path in _JSON.items():
        if value := values.get(name):
            condition &= Q(**{path: value})
        if values.get(WITHOUT) == name:
            condition &= Q(**{f"{path}__isnull": True})
    if source := values.get(SOURCE):
        condition &= Q(came_from=source)
    if least := values.get(LEAST):
        condition &= Q(quoted__gte=least)
    if most := values.get(MOST):
        condition &= Q(quoted__lte=most)
    return condition


def with_read(leads: LeadQuerySet) -> LeadQuerySet:
    """Return leads with what `read` compares."""
    found: LeadQuerySet = leads.alias(quoted=Amount(KT(snapshot.TOTAL)), came_from=source())
    return found


def _answered_by(seller: str) -> Q:
    if seller == NOBODY:
        return Q(status=Lead.Status.NEW)
    if seller == ELSEWHERE:
        return Q(status=Lead.Status.CONTACTED, contacted_by=None)
    return Q(contacted_by=seller) if seller.isdecimal() and len(seller) < 10 else Q(pk__in=[])


def first(queryset: LeadQuerySet, ordering: tuple[Any, ...]) -> Q:
    """Return the condition of the first MOST_READ leads; an empty one when there are no more."""
    by = ordering[0]
    if isinstance(by, OrderBy):
        column: Any = by.expression
        by = f"-{column.name}" if by.descending else column.name
    name = by.removeprefix("-")
    last = queryset.order_by(*ordering).values_list(name, flat=True)[MOST_READ : MOST_READ + 1]
    at = next(iter(last), None)
    return Q() if at is None else Q(**{f"{name}__{'lte' if by == name else 'gte'}": at})


def source() -> Coalesce:
    """Return the SQL of `snapshot.source_of`."""
    named = [NullIf(KT(path), Value("")) for path in snapshot.SOURCES]
    return Coalesce(*named, HostOf(KT(snapshot.REFERRER)), output_field=TextField())
