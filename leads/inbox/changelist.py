"""The list of leads: its tabs and filters, the limit of its counts, and the content of its rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db.models import Count, F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from leads import phones, snapshot
from leads.business_hours import Urgency, urgency
from leads.customer.answers import in_words
from leads.customer.matching import PhoneKey
from leads.inbox import flags, notes, search
from leads.models import Lead, LeadQuerySet
from leads.snapshot import Snapshot
from quoter import site
from quoter.engine.numbers import grouped
from quoter.shop.values import shop

MOST_COUNTED = 1001
MOST_ITEMS = 2
MOST_PEOPLE = 10
# The source filter reads this many leads of a tab. It has to decode the attribution of each.
MOST_READ = 2_000
TAB, SOURCE, ORDER = "status", "source", "order"
OLDEST = "oldest"


@dataclass(frozen=True, slots=True)
class Tab:
    """One view of the list. ordering: as for `order_by`."""

    value: str
    title: Any  # translated when shown
    ordering: tuple[Any, ...]

    def leads(self, queryset: LeadQuerySet) -> LeadQuerySet:
        return queryset if self.value == "all" else getattr(queryset, self.value)()


WAITING = Tab("waiting", _("Waiting"), ("arrived_at", "id"))
SET_ASIDE = Tab("set_aside", _("Set aside"), ("-arrived_at", "-id"))
DISCARDED = Tab("discarded", _("Discarded"), ("-arrived_at", "-id"))
ALL = Tab("all", _("All"), ("-created_at", "-id"))
TABS = (
    WAITING,
    Tab("contacted", _("Contacted"), (F("contacted_at").desc(nulls_last=True), F("id").desc())),
    Tab("anonymous", _("Anonymous quotes"), ("-created_at", "-id")),
    SET_ASIDE,
    DISCARDED,
    ALL,
)


def tab_of(request: HttpRequest) -> Tab:
    """Return the requested tab. The default is WAITING, or ALL for a search."""
    requested = request.GET.get(TAB)
    chosen = next((tab for tab in TABS if tab.value == requested), None)
    return chosen or (ALL if request.GET.get("q") else WAITING)


class OrderFilter(admin.SimpleListFilter):
    """Lets the list's address say that the oldest come first. It filters nothing."""

    title = _("order")
    parameter_name = ORDER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(OLDEST, _("Oldest first"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset


class TabFilter(admin.SimpleListFilter):
    """The tabs, as a list filter of the admin."""

    title = _("status")
    parameter_name = TAB

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(tab.value, tab.title) for tab in TABS]

    def queryset(self, request: HttpRequest, queryset: Any) -> LeadQuerySet:
        return tab_of(request).leads(queryset)


class SourceFilter(admin.SimpleListFilter):
    """Shows one source, chosen by a tap on it in a row.

    There is no index on sources, so only the tab's first MOST_READ leads are searched.
    """

    title = _("source")
    parameter_name = SOURCE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = request.GET.get(SOURCE, "")
        return [(chosen, chosen)] if chosen else []

    def queryset(self, request: HttpRequest, queryset: Any) -> LeadQuerySet:
        first = queryset.order_by(*tab_of(request).ordering).values_list("pk", snapshot.ATTRIBUTION)[:MOST_READ]
        return Lead.objects.filter(
            pk__in=[pk for pk, attribution in first if snapshot.source_of(attribution) == self.value()]
        )


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Fetches the keys of at most `most` rows, once. The count and every page use these keys."""

    most = MOST_COUNTED
    object_list: Any

    @cached_property
    def keys(self) -> list[int]:
        # The queryset keeps its order: without one, Postgres may read the whole table for a tab with few rows.
        return list(self.object_list.values_list("pk", flat=True)[: self.most])

    @cached_property
    def count(self) -> int:
        return len(self.keys)

    def page(self, number: int | str) -> Any:
        number = self.validate_number(number)
        keys = self.keys[(number - 1) * self.per_page : number * self.per_page]
        return Page(self.object_list.filter(pk__in=keys), number, self)


class SearchPaginator(CappedPaginator):
    """Stops a search earlier: to find a thousand matches of a rare name may take long."""

    most = search.MOST_FOUND


def capped_count(queryset: Any) -> int:
    """Return how many rows there are, up to MOST_COUNTED."""
    # The queryset keeps its order: without one, Postgres may read the whole table for a tab with few rows.
    return int(queryset[:MOST_COUNTED].count())


def count_text(count: int) -> str:
    """Return a count as text: 12, or 1000+."""
    return str(count) if count < MOST_COUNTED else f"{MOST_COUNTED - 1}+"


class Inbox(ChangeList):
    """The admin's list with tabs, counts and a LeadRow for each lead."""

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[Any]:
        """Return the tab's order.

        When more people wait than a page holds, the newest come first, so that nobody who has just asked is out of
        sight, whatever a flood brings. `order=oldest` in the address shows the others first.
        """
        tab = tab_of(request)
        if tab is WAITING and request.GET.get(ORDER) != OLDEST and self._is_long():
            return ["-arrived_at", "-id"]
        return list(tab.ordering)

    def _is_long(self) -> bool:
        return bool(Lead.objects.waiting()[: self.list_per_page + 1].count() > self.list_per_page)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # With a single page, Django would bypass the paginator and its limit.
        self.result_list = self.paginator.get_page(self.page_num).object_list
        leads = list(self.result_list)
        self.tab = tab_of(request)
        self.rows = list(rows(leads, now=timezone.now(), newest_notes=notes.newest(leads)))

    @property
    def tabs(self) -> Iterator[dict[str, Any]]:
        for tab in TABS:
            yield {
                "title": tab.title,
                "query": self.get_query_string({TAB: tab.value}, ["p"]),
                "is_shown": tab == self.tab,
                "count": self._count_of(tab),
            }

    def _count_of(self, tab: Tab) -> str:
        if tab == WAITING:
            return self.waiting_shown
        count = capped_count(Lead.objects.set_aside()) if tab == SET_ASIDE else 0
        return count_text(count) if count else ""

    @property
    def is_newest_first(self) -> bool:
        """Whether more people wait than fit on a page, so that the newest come first."""
        return self.tab == WAITING and not self.query and ORDER not in self.params and self.waiting > self.list_per_page

    @property
    def may_tick(self) -> bool:
        """Whether rows can be ticked, to move many at once: also those of a flood that looks like many customers."""
        return self.tab in (SET_ASIDE, DISCARDED) or (self.tab == WAITING and self.waiting > self.list_per_page)

    @cached_property
    def waiting(self) -> int:
        """How many people wait, up to MOST_COUNTED."""
        is_result_count = self.tab == WAITING and not self.query and set(self.params) <= {TAB}
        if is_result_count:
            return int(self.result_count)
        return capped_count(Lead.objects.waiting())

    @property
    def waiting_shown(self) -> str:
        return count_text(self.waiting)

    @property
    def only(self) -> dict[str, Any] | None:
        """The filtered source and how many leads were searched for it; None without that filter."""
        name = self.params.get(SOURCE)
        return {"source": name, "most": grouped(Decimal(MOST_READ), places=0)} if name else None

    @property
    def most_found(self) -> int | None:
        """The limit at which a search stopped, or None when it listed everything."""
        most = int(self.paginator.most)
        return most if self.query and self.result_count == most else None

    @property
    def pages(self) -> Iterator[int | str]:
        return iter(self.paginator.get_elided_page_range(self.page_num))


@dataclass(frozen=True, slots=True)
class LeadRow:
    """What the list shows of a lead.

    stored: its quote; age: time since the customer asked, in words; others: how many more leads have the same phone;
    phone: which number is meant; flags: labels of the lead's flags, and of a doubtful phone; corrected: the person's
    leads with another phone, the newest first; people: the other people who asked for the same quote; note: the
    beginning of its newest note; answers: to what was asked at checkout, each with its label.
    """

    lead: Lead
    stored: Snapshot
    age: str
    urgency: Urgency | None
    others: int
    phone: phones.Reading
    flags: tuple[Any, ...]
    corrected: tuple[Lead, ...]
    people: tuple[Lead, ...]
    note: str
    answers: tuple[tuple[str, str], ...]

    @property
    def state(self) -> str:
        return state_of(self.lead)

    @property
    def more(self) -> int:
        return max(0, len(self.stored.lines) - MOST_ITEMS)


def rows(leads: list[Lead], *, now: datetime, newest_notes: dict[Any, str] | None = None) -> Iterator[LeadRow]:
    """Yield the row of each lead. One query counts the leads of all their phones, another finds who asked for the same.

    The same person's other phones are at most MOST_PEOPLE, as are other people.
    """
    noted = newest_notes or {}
    written = {lead.phone for lead in leads if lead.phone}
    same_phone = Lead.objects.of_phones(written).values_list(PhoneKey("phone")).annotate(Count("pk"))
    by_phone = dict(same_phone) if written else {}
    of_quotes = _leads_of_quotes({lead.folio for lead in leads if lead.phone})
    for lead in leads:
        is_waiting = lead.status == Lead.Status.NEW and bool(lead.phone) and not lead.set_aside
        stored = lead.snapshot
        others = [other for other in of_quotes.get(lead.folio, ()) if other.pk != lead.pk]
        phone = phones.read_stored(lead.phone or "", stored.customer.phone_raw, shop=shop.WHATSAPP_NUMBER)
        yield LeadRow(
            lead=lead,
            stored=stored,
            age=timesince(lead.asked_at, now, depth=1),
            urgency=urgency_of(lead, now=now) if is_waiting else None,
            others=max(0, by_phone.get(phones.key(lead.phone or ""), 1) - 1),
            phone=phone,
            flags=(*flags.labels(stored), *([doubt[0]] if lead.phone and (doubt := flags.doubt(phone)) else ())),
            corrected=tuple(other for other in others if other.is_same_person(lead))[:MOST_PEOPLE],
            people=tuple(other for other in others if not other.is_same_person(lead))[:MOST_PEOPLE],
            note=noted.get(lead.pk, ""),
            answers=tuple(in_words(stored.customer.answers, site.language())),
        )


def _leads_of_quotes(folios: set[str]) -> dict[str, list[Lead]]:
    """Return the leads with a phone of each folio, the newest first, without their quotes."""
    found: dict[str, list[Lead]] = {}
    with_phone = Lead.objects.filter(folio__in=folios, phone__gt="").without_quotes().order_by("-submitted_at", "-id")
    for lead in with_phone[: MOST_PEOPLE * max(1, len(folios))] if folios else ():
        found.setdefault(lead.folio, []).append(lead)
    return found


def state_of(lead: Lead) -> str:
    """Return the value of the tab that has a lead, besides ALL."""
    if lead.status == Lead.Status.CONTACTED:
        return "contacted"
    if lead.set_aside:
        return "discarded" if lead.set_aside == Lead.SetAside.DISCARDED else "set_aside"
    return "waiting" if lead.phone else "anonymous"


def urgency_of(lead: Lead, *, now: datetime) -> Urgency:
    """Return how urgent it is to answer a lead that waits."""
    return urgency(
        lead.asked_at,
        now=now,
        promise=shop.ANSWER_PROMISE,
        hours=shop.BUSINESS_HOURS,
        zone=site.zone(),
        holidays=shop.HOLIDAYS,
    )
