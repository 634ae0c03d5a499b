"""People who were written to and of whom no outcome is known: who is open, who is forgotten, whose step is overdue.

One person is one row of `lead_follow_ups`. The list of leads shows each by their newest lead, by a filter of its own.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Count, F, Q, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from leads import phones
from leads.desk.counting import begins
from leads.desk.links import list_url
from leads.desk.tallies import Group, cents
from leads.inbox.changelist import MOST_COUNTED
from leads.models import FollowUp, FollowUpQuerySet, Lead, LeadQuerySet
from quoter import site

# Who was written to so long ago, with no next step, is forgotten.
FORGOTTEN_AFTER = timedelta(days=3)
PARAMETER, OPEN, FORGOTTEN, OVERDUE = "follow", "open", "forgotten", "overdue"
PERIODS = (7, 30, 90)  # days


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A person who was written to and then forgotten. lead: the newest of theirs; worth: cents, None when unknown."""

    lead: Lead
    seller: str
    days: int
    worth: int | None


def written_to(since: datetime) -> FollowUpQuerySet:
    """Open people to whom somebody wrote last since a moment."""
    return FollowUp.objects.open().filter(written_at__gte=since, joined_to="")


def is_forgotten(now: datetime) -> Q:
    return Q(written_at__lt=now - FORGOTTEN_AFTER, step_at=None)


def overdue(now: datetime) -> FollowUpQuerySet:
    """Open people with a next step that should have been done before a moment."""
    return FollowUp.objects.open().filter(step_at__lt=now, joined_to="")


def count(since: datetime, now: datetime) -> tuple[Group, Group]:
    """Return how many people are open and how many of those are forgotten, each with what they were quoted."""
    forgotten = is_forgotten(now)
    sums = {"people": Count("key"), "amount": Sum("worth")}
    only_forgotten = {"people_": Count("key", filter=forgotten), "amount_": Sum("worth", filter=forgotten)}
    counts = written_to(since).aggregate(**sums, **only_forgotten)
    return (
        Group(counts["people"], cents(counts["amount"])),
        Group(counts["people_"], cents(counts["amount_"])),
    )


def first_forgotten(since: datetime, now: datetime, zone: ZoneInfo, most: int) -> list[Forgotten]:
    """Return the forgotten people whose quotes are the largest; of equal ones, those written to last."""
    people = written_to(since).filter(is_forgotten(now)).select_related("seller")
    first = list(people.order_by(F("worth").desc(nulls_last=True), "-written_at", "key")[:most])
    leads = newest_leads([person.key for person in first]) if first else {}
    today = now.astimezone(zone).date()
    return [
        Forgotten(
            leads[person.key],
            (person.seller.get_full_name() or person.seller.username) if person.seller else "",
            (today - person.written_at.astimezone(zone).date()).days,
            None if person.worth is None else cents(person.worth),
        )
        for person in first
        if person.key in leads and person.written_at
    ]


def newest_leads(keys: Collection[str]) -> dict[str, Lead]:
    """Return the newest lead of each person, without its quote. keys: of `FollowUp`; who has no lead is missing."""
    person_of = FollowUp.objects.phones_of(keys)
    found: dict[str, Lead] = {}
    for lead in sorted(Lead.objects.of_keys(person_of).without_quotes(), key=lambda lead: (lead.asked_at, lead.pk)):
        person = person_of.get(phones.key(lead.phone))
        # A lead that was put aside stands for the person only when there is no other.
        if person is not None and (person not in found or not lead.set_aside or found[person].set_aside):
            found[person] = lead
    return found


def people_url(which: str, period: int | None = None) -> str:
    """Return the list of the people who are open or forgotten in a period, or of those whose step is overdue."""
    return list_url(**{"status": "all", PARAMETER: f"{which}-{period}" if period else which})


def since(period: int, today: date, zone: ZoneInfo) -> datetime:
    """Return when a period of so many days began that ends today."""
    return begins(today - timedelta(days=period - 1), zone)


class FollowUpFilter(admin.SimpleListFilter):
    """Lists the people that the desk counts, each by their newest lead."""

    title = _("follow-up")
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        chosen = request.GET.get(PARAMETER, "")
        titles = {OPEN: _("Open"), FORGOTTEN: _("Without follow-up"), OVERDUE: _("Overdue")}
        return [(chosen, titles.get(chosen.partition("-")[0], chosen))] if chosen else []

    def queryset(self, request: HttpRequest, queryset: Any) -> LeadQuerySet:
        keys = _people(self.value() or "").values_list("key", flat=True)[:MOST_COUNTED]
        theirs: LeadQuerySet = queryset.filter(pk__in=[lead.pk for lead in newest_leads(list(keys)).values()])
        return theirs


def _people(value: str) -> FollowUpQuerySet:
    now, zone = timezone.now(), site.zone()
    which, _dash, period = value.partition("-")
    if which == OVERDUE and not period:
        return overdue(now)
    if which not in (OPEN, FORGOTTEN) or period not in map(str, PERIODS):
        raise IncorrectLookupParameters
    people = written_to(since(int(period), now.astimezone(zone).date(), zone))
    return people.filter(is_forgotten(now)) if which == FORGOTTEN else people
