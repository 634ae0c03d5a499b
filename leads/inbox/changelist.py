"""The list of people and leads: its pages, its tabs, and the limit of its counts."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.http import urlencode

from leads.inbox import filters, live, rows, search
from leads.inbox.filters import hand
from leads.inbox.person import follow_ups
from leads.inbox.tabs import (
    ALL,
    MINE,
    OLDEST,
    ORDER,
    PUT_ASIDE,
    SET_ASIDE,
    TAB,
    TABS,
    TODAY,
    WAITING,
    Tab,
    is_by_person,
    tab_of,
)
from leads.models import Lead
from quoter import site
from quoter.engine.numbers import grouped

MOST_COUNTED = 1001


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

    @property
    def is_cut(self) -> bool:
        """Whether there may be more than `most` rows."""
        return self.count == self.most

    def page(self, number: int | str) -> Any:
        number = self.validate_number(number)
        keys = self.keys[(number - 1) * self.per_page : number * self.per_page]
        return Page(self.object_list.filter(pk__in=keys), number, self)


class Card(NamedTuple):
    """A person in the list: the newest of their leads in it, and when the oldest was asked for."""

    newest: Any
    asked_at: datetime
    since: datetime


class PeoplePaginator(CappedPaginator):
    """Pages of people: of at most `most` leads, each person once, at the place of the first of theirs.

    places: the place of each person, where the list has an order of its own. may_reverse: whether people who fit on a
    page stand in the reverse of the list's order.
    """

    places: Mapping[str, int] | None = None
    may_reverse = False

    @cached_property
    def leads(self) -> list[tuple[Any, str, datetime]]:
        """Key, person and time of each lead, as the list has them."""
        asked_at = Coalesce("submitted_at", "created_at")
        return list(self.object_list.with_person().values_list("pk", "person", asked_at)[: self.most])

    @cached_property
    def is_reversed(self) -> bool:
        people = {person for _pk, person, _at in self.leads}
        return self.may_reverse and not self.is_cut and len(people) <= self.per_page

    @property
    def is_cut(self) -> bool:
        return len(self.leads) == self.most

    @cached_property
    def cards(self) -> list[Card]:
        cards: dict[str, Card] = {}
        for pk, person, at in reversed(self.leads) if self.is_reversed else self.leads:
            known = cards.get(person, Card(pk, at, at))
            newest = (pk, at) if at > known.asked_at else known[:2]
            cards[person] = Card(*newest, min(at, known.since))
        places = self.places
        if places is None:
            return list(cards.values())
        return [cards[person] for person in sorted(cards, key=lambda each: places.get(each, self.most))]

    @cached_property
    def keys(self) -> list[Any]:
        return [card.newest for card in self.cards]

    @cached_property
    def since(self) -> dict[Any, datetime]:
        return {card.newest: card.since for card in self.cards}

    def page(self, number: int | str) -> Any:
        number = self.validate_number(number)
        keys = self.keys[(number - 1) * self.per_page : number * self.per_page]
        found = Lead.objects.select_related("contacted_by").in_bulk(keys)  # again by what filters them takes 2 ms
        return Page([found[key] for key in keys if key in found], number, self)


def paginator_of(request: HttpRequest, *args: Any, **kwargs: Any) -> CappedPaginator:
    """Return the paginator of a requested list."""
    paginator = (PeoplePaginator if is_by_person(request) else CappedPaginator)(*args, **kwargs)
    if request.GET.get("q"):
        paginator.most = search.MOST_FOUND  # to find a thousand matches of a rare name may take long
    if isinstance(paginator, PeoplePaginator):
        paginator.may_reverse = _may_reverse(request)
        if tab_of(request).turn:
            paginator.places = getattr(request, "places", None)
    return paginator


def _may_reverse(request: HttpRequest) -> bool:
    return tab_of(request) is WAITING and request.GET.get(ORDER) != OLDEST


def capped_count(queryset: Any) -> int:
    """Return how many rows there are, up to MOST_COUNTED."""
    return capped_counts(queryset)[0]


def capped_counts(*querysets: Any) -> list[int]:
    """Return how many rows each has, up to MOST_COUNTED. One query."""
    counts: list[str] = []
    parameters: list[Any] = []
    for queryset in querysets:
        # It keeps its order: without one, Postgres may read the whole table for a tab with few rows.
        sql, its_own = queryset.values("pk")[:MOST_COUNTED].query.sql_with_params()
        counts.append(f"(SELECT count(*) FROM ({sql}) AS counted)")
        parameters += its_own
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", parameters)
        return list(cursor.fetchone())


def people_waiting() -> int:
    """Return how many people wait; MOST_COUNTED when so many leads do."""
    return Lead.objects.waiting().count_people(MOST_COUNTED)


def count_text(count: int) -> str:
    """Return a count as text: 12, or 1000+."""
    return str(count) if count < MOST_COUNTED else f"{MOST_COUNTED - 1}+"


class Inbox(ChangeList):
    """The admin's list with tabs, counts and a LeadRow for each person or lead."""

    def get_queryset(self, request: Any, exclude_parameters: Any = None) -> Any:
        self.user: User = request.user
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[Any]:
        """Return the tab's order.

        When more people wait than a page holds, the newest come first, so that nobody who has just asked is out of
        sight, whatever a flood brings. `order=oldest` in the address shows the others first. So the newest are asked
        for, and the paginator reverses a page that has them all.
        """
        return ["-arrived_at", "-id"] if _may_reverse(request) else list(tab_of(request).ordering)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if getattr(self.paginator, "is_reversed", False):
            self.queryset = self.queryset.reverse()  # for the download
        if not self.multi_page:  # then Django bypasses the paginator and its limit
            self.result_list = self.paginator.get_page(1).object_list
        self.tab = tab_of(request)
        self.now = timezone.now()
        self.rows = list(rows.rows(list(self.result_list), now=self.now, since=getattr(self.paginator, "since", None)))

    @cached_property
    def tabs(self) -> list[dict[str, Any]]:
        counted = [(tab, self._count_of(tab)) for tab in TABS]
        return [
            {
                "title": tab.title,
                "query": self.get_query_string({TAB: tab.value, PAGE_VAR: None}),
                "is_shown": tab == self.tab,
                "is_far": tab not in (WAITING, TODAY, MINE),  # on a phone, behind "More"
                "count": count,
            }
            for tab, count in counted
            if count or tab != SET_ASIDE or tab == self.tab
        ]

    def _count_of(self, tab: Tab) -> str:
        if tab == WAITING:
            return self.waiting_shown
        count = self._counts.get(tab)
        return count_text(count) if count else ""

    @cached_property
    def _counts(self) -> dict[Tab, int]:
        today = follow_ups.due_today(self.user, now=self.now, zone=site.zone())
        counts = capped_counts(today, follow_ups.open_of(self.user), Lead.objects.set_aside())
        return dict(zip((TODAY, MINE, SET_ASIDE), counts, strict=True))

    @property
    def is_newest_first(self) -> bool:
        """Whether more people wait than fit on a page, so that the newest come first."""
        paginator = self.paginator
        return bool(not self.query and getattr(paginator, "may_reverse", False) and not paginator.is_reversed)

    @property
    def may_tick(self) -> bool:
        """Whether rows can be ticked, to move many at once: also those of a flood that looks like many customers."""
        return self.tab in (SET_ASIDE, PUT_ASIDE) or (self.tab == WAITING and self.waiting > self.list_per_page)

    @cached_property
    def live(self) -> live.WaitingState:
        """Who waits, asked after the rows: an older state would make the list announce leads that it shows already."""
        return live.state(fresh=True)

    @property
    def waiting(self) -> int:
        """How many people wait, up to MOST_COUNTED."""
        return self.live.waiting

    @property
    def waiting_shown(self) -> str:
        return count_text(self.waiting)

    @property
    def by_hand(self) -> hand.HandFilter:
        """The filter that has the form."""
        return next(each for each in self.filter_specs if isinstance(each, hand.HandFilter))

    @cached_property
    def filtered_by(self) -> list[dict[str, Any]]:
        """What filters the list, in words, and the address without each."""
        return [
            {"text": said.text, "without": self.get_query_string(dict.fromkeys((*said.names, PAGE_VAR)))}
            for said in hand.of_list(self.params, self.filter_specs)
        ]

    @property
    def source_query(self) -> str:
        """The list's address up to the source by which it is filtered, for a link to each."""
        kept = {name: value for name, value in self.params.items() if name not in (filters.SOURCE, "q")}
        return f"?{urlencode({**kept, filters.SOURCE: ''})}"

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the form of filters has to carry on: the tab, a search, and what only links filter by."""
        fields = self.by_hand.form.fields
        others = [(name, value) for name, value in self.params.items() if name not in fields and name != TAB]
        return [(TAB, self.tab.value), *others]

    @property
    def in_all(self) -> str:
        """The address of the same filters in the tab of all leads."""
        return self.get_query_string({TAB: ALL.value, PAGE_VAR: None})

    @property
    def most_read(self) -> str:
        """Among how many leads the list was looked for; "" for all."""
        return grouped(Decimal(filters.MOST_READ), places=0) if self.by_hand.is_cut else ""

    @property
    def most_found(self) -> int | None:
        """The limit at which a search stopped, or None when it listed everything."""
        return int(self.paginator.most) if self.query and self.paginator.is_cut else None

    @property
    def pages(self) -> Iterator[int | str]:
        return iter(self.paginator.get_elided_page_range(self.page_num))
