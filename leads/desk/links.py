"""Addresses of the lists that have exactly the leads, or the people, that a number of the desk counts."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.http import urlencode

from leads.desk.tallies import NOBODY, UNKNOWN, Tally
from leads.inbox import changelist
from leads.models import Lead, LeadOutcome

# There is no index on sources and products, so a list of a rare one among hundreds of thousands would exceed the
# deadline. A list that reads more leads than this gets no link.
MOST_READ = 50_000


@dataclass(frozen=True, slots=True)
class Links:
    """URLs of the lists with exactly a tally's quotes and sales; "" for a list that would take too long."""

    quotes: str = ""
    sales: str = ""


def links(since: datetime, until: datetime, **more: str) -> Links:
    """Return the links to the lists of the leads quoted between two moments. more: further filters of the list."""
    return Links(
        quotes=leads_url(since, until, phone__gt="", **more),
        sales=leads_url(since, until, outcome__kind=LeadOutcome.Kind.WON, **more),
    )


def leads_url(since: datetime, until: datetime, **more: str) -> str:
    """Return the list of the leads quoted between two moments, without those that were set aside."""
    between = {"created_at__gte": since.isoformat(), "created_at__lt": until.isoformat(), "set_aside__exact": ""}
    return list_url(status="all", **between, **more)


def of_seller(seller: str) -> dict[str, str]:
    """Return the list's filters for the leads that somebody answered. seller: a key of `Day.sellers`."""
    if seller == NOBODY:
        return {"status__exact": Lead.Status.NEW}
    if seller == UNKNOWN:
        return {"status__exact": Lead.Status.CONTACTED, "contacted_by__isnull": "True"}
    return {"contacted_by__id__exact": seller}


def leads_to_read(tally: Tally, quotes: int) -> int:
    """Estimate how many of a period's leads a list must read to count the quotes of a tally, up to its maximum.

    quotes: how many leads the period has.
    """
    return quotes if tally.quotes < changelist.MOST_COUNTED else changelist.MOST_COUNTED * quotes // tally.quotes


def list_url(**filters: str) -> str:
    return f"{reverse('admin:leads_lead_changelist')}?{urlencode(filters)}"
