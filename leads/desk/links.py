"""Addresses of the lists that have exactly the leads, or the people, that a number of the desk counts.

They filter as staff do by hand (`leads.inbox.filters`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.http import urlencode

from leads.desk.tallies import NOBODY, UNKNOWN, Tally
from leads.inbox import changelist
from leads.inbox.filters import ELSEWHERE, MOST_READ, OUTCOME, SELLER, SINCE, UNTIL
from leads.inbox.filters import NOBODY as NOBODY_YET
from leads.models import LeadOutcome
from quoter import site


@dataclass(frozen=True, slots=True)
class Links:
    """URLs of the lists with exactly a tally's quotes and sales; "" for a list that would take too long."""

    quotes: str = ""
    sales: str = ""


def links(since: datetime, until: datetime, **more: str) -> Links:
    """Return the links to the lists of the leads quoted between two midnights. more: further filters of the list."""
    return Links(
        quotes=leads_url(since, until, phone__gt="", **more),
        sales=leads_url(since, until, **{OUTCOME: LeadOutcome.Kind.WON}, **more),
    )


def leads_url(since: datetime, until: datetime, **more: str) -> str:
    """Return the list of the leads quoted between two midnights, without those that were set aside."""
    first, last = (at.astimezone(site.zone()).date() for at in (since, until - timedelta(seconds=1)))
    days = {SINCE: first.isoformat(), UNTIL: last.isoformat()}
    return list_url(status="all", **days, set_aside__exact="", **more)


def of_seller(seller: str) -> dict[str, str]:
    """Return the list's filters for the leads that somebody answered. seller: a key of `Day.sellers`."""
    return {SELLER: {NOBODY: NOBODY_YET, UNKNOWN: ELSEWHERE}.get(seller, seller)}


def too_long(tally: Tally, quotes: int) -> bool:
    """Return whether the list of a source or product may lack some of its leads, because it reads only so many."""
    return leads_to_read(tally, quotes) > MOST_READ


def leads_to_read(tally: Tally, quotes: int) -> int:
    """Estimate how many of a period's leads a list must read to count the quotes of a tally, up to its maximum.

    quotes: how many leads the period has.
    """
    return quotes if tally.quotes < changelist.MOST_COUNTED else changelist.MOST_COUNTED * quotes // tally.quotes


def list_url(**filters: str) -> str:
    return f"{reverse('admin:leads_lead_changelist')}?{urlencode(filters)}"
