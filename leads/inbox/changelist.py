"""The list of leads: its tabs, how far it counts, and what a row says."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db.models import Count, F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from leads import snapshot
from leads.business_hours import Urgency, urgency
from leads.inbox import flags, search
from leads.models import Lead, LeadQuerySet
from quoter import site
from quoter.engine.numbers import grouped

MOST_COUNTED = 1001
MOST_ITEMS = 2
# Of a tab, to find those of one source: each is unpacked to be looked at.
MOST_READ = 2_000
TAB, SOURCE = "status", "source"


@dataclass(frozen=True, slots=True)
class Tab:
    """One view of the list. ordering: who is first in it."""

    value: str
    title: Any  # translated when shown
    ordering: tuple[Any, ...]

    def leads(self, queryset: LeadQuerySet) -> LeadQuerySet:
        return queryset if self.value == "all" else getattr(queryset, self.value)()


WAITING = Tab("waiting", _("Waiting"), ("created_at", "id"))
ALL = Tab("all", _("All"), ("-created_at", "-id"))
TABS = (
    WAITING,
    Tab("contacted", _("Contacted"), (F("contacted_at").desc(nulls_last=True), F("id").desc())),
    Tab("anonymous", _("Anonymous quotes"), ("-created_at", "-id")),
    ALL,
)


def tab_of(request: HttpRequest) -> Tab:
    """Return the tab that is asked for: who is waiting, unless said otherwise; a search looks at all."""
    asked = request.GET.get(TAB)
    chosen = next((tab for tab in TABS if tab.value == asked), None)
    return chosen or (ALL if request.GET.get("q") else WAITING)


class TabFilter(admin.SimpleListFilter):
    """The tabs, as the admin filters a list."""

    title = _("status")
    parameter_name = TAB

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(tab.value, tab.title) for tab in TABS]

    def queryset(self, request: HttpRequest, queryset: Any) -> LeadQuerySet:
        return tab_of(request).leads(queryset)


class SourceFilter(admin.SimpleListFilter):
    """One source, chosen by a tap on it in a row. No index knows sources: the tab is read so far, in its own order."""

    title = _("source")
    parameter_name = SOURCE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = request.GET.get(SOURCE, "")
        return [(chosen, chosen)] if chosen else []

    def queryset(self, request: HttpRequest, queryset: Any) -> LeadQuerySet:
        first = queryset.order_by(*tab_of(request).ordering).values_list("pk", snapshot.ATTRIBUTION)[:MOST_READ]
        return Lead.objects.filter(
            pk__in=[pk for pk, attribution in first if snapshot.source_in(attribution) == self.value()]
        )


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Looks no further than anybody pages, and only once: the count and every page are of the same keys."""

    most = MOST_COUNTED
    object_list: Any

    @cached_property
    def keys(self) -> list[int]:
        # In the list's own order: without one, Postgres may read the whole table for a tab with few rows.
        return list(self.object_list.values_list("pk", flat=True)[: self.most])

    @cached_property
    def count(self) -> int:
        return len(self.keys)

    def page(self, number: int | str) -> Any:
        number = self.validate_number(number)
        keys = self.keys[(number - 1) * self.per_page : number * self.per_page]
        return Page(self.object_list.filter(pk__in=keys), number, self)


class FoundPaginator(CappedPaginator):
    """Of a search. A name that one in a hundred has would take long to be found a thousand times."""

    most = search.MOST_FOUND


def counted(queryset: Any) -> int:
    """Return how many rows there are, up to MOST_COUNTED."""
    # In its own order: without one, Postgres may read the whole table for a tab with few rows.
    return int(queryset[:MOST_COUNTED].count())


def shown(count: int) -> str:
    """Return a count as people read it: 12, or 1000+."""
    return str(count) if count < MOST_COUNTED else f"{MOST_COUNTED - 1}+"


class Inbox(ChangeList):
    """The admin's list, whose rows know what else their phone asked for."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = self.paginator.get_page(self.page_num).object_list  # also where it is the only one
        leads = list(self.result_list)
        self.tab = tab_of(request)
        self.rows = list(rows(leads, now=timezone.now()))

    @property
    def tabs(self) -> Iterator[dict[str, Any]]:
        for tab in TABS:
            yield {
                "title": tab.title,
                "query": self.get_query_string({TAB: tab.value}, ["p"]),
                "is_shown": tab == self.tab,
                "count": self.waiting_shown if tab == WAITING else "",
            }

    @cached_property
    def waiting(self) -> int:
        """How many people wait, up to MOST_COUNTED."""
        is_counted = self.tab == WAITING and not self.query and set(self.params) <= {TAB}
        return (
            int(self.result_count) if is_counted else counted(WAITING.leads(Lead.objects.order_by(*WAITING.ordering)))
        )

    @property
    def waiting_shown(self) -> str:
        return shown(self.waiting)

    @property
    def only(self) -> dict[str, Any] | None:
        """The source that is shown alone, and of how many leads; None where all are."""
        name = self.params.get(SOURCE)
        return {"source": name, "most": grouped(Decimal(MOST_READ), places=0)} if name else None

    @property
    def most_found(self) -> int | None:
        """How many a search has found where it stopped looking, else None."""
        most = int(self.paginator.most)
        return most if self.query and self.result_count == most else None

    @property
    def pages(self) -> Iterator[int | str]:
        return iter(self.paginator.get_elided_page_range(self.page_num))


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead as the list says it. age: since it was asked for, in words; others: how many more leads its phone has.

    flags: what was noted about how it came.
    """

    lead: Lead
    age: str
    items: tuple[str, ...]
    total: str
    source: str
    urgency: Urgency | None
    others: int
    flags: tuple[Any, ...]

    @property
    def more(self) -> int:
        return max(0, len(self.items) - MOST_ITEMS)


def rows(leads: list[Lead], *, now: datetime) -> Iterator[LeadRow]:
    """Yield the row of each lead; one query for all."""
    phones = {lead.phone for lead in leads if lead.phone}
    same = dict(Lead.objects.of_phones(phones).values_list("phone").annotate(Count("pk"))) if phones else {}
    for lead in leads:
        is_waiting = lead.status == Lead.Status.NEW and bool(lead.phone)
        stored = lead.snapshot
        yield LeadRow(
            lead=lead,
            age=timesince(lead.asked_at, now, depth=1),
            items=tuple(map(str, stored.lines)),
            total=stored.total_text,
            source=stored.source,
            urgency=urgency_of(lead, now=now) if is_waiting else None,
            others=max(0, same.get(lead.phone, 1) - 1),
            flags=flags.short(stored),
        )


def urgency_of(lead: Lead, *, now: datetime) -> Urgency:
    return urgency(
        lead.asked_at, now=now, promise=settings.ANSWER_PROMISE, hours=settings.BUSINESS_HOURS, zone=site.zone()
    )
