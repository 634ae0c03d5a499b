"""Read all leads a page at a time, with short queries and constant memory."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from leads.models import LeadQuerySet

# A page of whole leads takes about 15 MB in Python, and five times that when each has twenty lines.
PAGE = 500

Key = tuple[datetime, int]  # created_at and id, the order of pages


class Page(NamedTuple):
    """Some of the leads, oldest first. fraction: the progress at the end of this page, from 0 to 1."""

    leads: LeadQuerySet
    fraction: float


def pages(leads: LeadQuerySet, *, size: int | None = None) -> Iterator[Page]:
    """Yield leads, oldest first, in pages of up to `size` (default: PAGE). Leads that arrive later are left out.

    leads: all, or those of a range of created_at. Apply any other filter to each page: with a filter that few leads
    pass, one query would read the whole table. The caller may delete or change the rows of a page.

    A server-side cursor would do the same, but it does not work through a transaction pooler.
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
        # An index-only query finds the key at which this page ends.
        end = _up_to(last, rest).values_list("created_at", "id")[most - 1 : most].first() or last
        fraction = (end[0] - first[0]).total_seconds() / whole if whole else 1.0
        yield Page(_up_to(end, rest), 1.0 if end == last else fraction)
        rest = _after(end, ordered)


# The comparison of pairs uses the index on both columns, however many leads have the same created_at. Postgres cannot
# estimate how many rows lie between two pairs, and would read the whole table; the condition on created_at alone gives
# it that estimate.


def _after(key: Key, leads: LeadQuerySet) -> LeadQuerySet:
    return leads.filter(_pair(">", key), created_at__gte=key[0])


def _up_to(key: Key, leads: LeadQuerySet) -> LeadQuerySet:
    return leads.filter(_pair("<=", key), created_at__lte=key[0])


def _pair(comparison: str, key: Key) -> RawSQL:
    return RawSQL(f"(leads.created_at, leads.id) {comparison} (%s, %s)", key, output_field=BooleanField())
