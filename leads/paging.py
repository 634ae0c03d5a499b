"""All leads, a page at a time: however many there are, each question is short and memory stays the same."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from leads.models import LeadQuerySet

# A page of whole leads takes some 15 MB once Python has read it, and five times that where each is of twenty lines.
PAGE = 500

Key = tuple[datetime, int]  # created_at and id, the order of pages


class Page(NamedTuple):
    """Some of the leads, oldest first. fraction: how far the end of this page is, from 0 to 1."""

    leads: LeadQuerySet
    fraction: float


def pages(leads: LeadQuerySet, *, size: int | None = None) -> Iterator[Page]:
    """Yield leads, oldest first, in pages of up to `size` (PAGE); what arrives meanwhile is not among them.

    leads: all, or those of a range of created_at. Ask a page for anything else: a filter that few leads pass would
    otherwise read the whole table in one question. Rows that a page's reader deletes or changes do no harm.

    A server-side cursor would do the same, but a transaction pooler loses it.
    """
    ordered = leads.order_by("created_at", "id")
    keys = ordered.values_list("created_at", "id")
    first, last = keys.first(), keys.last()
    if first is None or last is None:
        return
    whole = (last[0] - first[0]).total_seconds()
    most = size or PAGE
    rest, end = ordered, None
    while end != last:
        # Counted in keys alone, from the index.
        end = _up_to(last, rest).values_list("created_at", "id")[most - 1 : most].first() or last
        fraction = (end[0] - first[0]).total_seconds() / whole if whole else 1.0
        yield Page(_up_to(end, rest), 1.0 if end == last else fraction)
        rest = _after(end, ordered)


# As a pair, which the index on both columns answers however many leads were made at the same moment. Postgres cannot
# tell how many that leaves between two of them, and would rather read the whole table: hence the bare moments as well.


def _after(key: Key, leads: LeadQuerySet) -> LeadQuerySet:
    return leads.filter(_pair(">", key), created_at__gte=key[0])


def _up_to(key: Key, leads: LeadQuerySet) -> LeadQuerySet:
    return leads.filter(_pair("<=", key), created_at__lte=key[0])


def _pair(comparison: str, key: Key) -> RawSQL:
    return RawSQL(f"(leads.created_at, leads.id) {comparison} (%s, %s)", key, output_field=BooleanField())
