"""The tabs of the list, and its order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from leads.customer.matching import PhoneKey
from leads.inbox.person import follow_ups
from leads.models import FollowUp, LeadQuerySet
from quoter import site

TAB, ORDER = "status", "order"
OLDEST = "oldest"


@dataclass(frozen=True, slots=True)
class Tab:
    """One view of the list. ordering: as for `order_by`.

    is_by_person: whether a row is a person with all their leads, and not a lead. turn: of the tabs that list what comes
    next, which people they list for a user, in order.
    """

    value: str
    title: Any  # translated when shown
    ordering: tuple[Any, ...]
    is_by_person: bool = False
    turn: Callable[[User], list[FollowUp]] | None = None

    def leads(self, queryset: LeadQuerySet) -> LeadQuerySet:
        return queryset if self.value == "all" or self.turn else getattr(queryset, self.value)()


def _today(user: User) -> list[FollowUp]:
    return follow_ups.today(user, now=timezone.now(), zone=site.zone())


WAITING = Tab("waiting", _("Waiting"), ("arrived_at", "id"), is_by_person=True)
TODAY = Tab("today", _("Today"), ("-created_at", "-id"), is_by_person=True, turn=_today)
MINE = Tab("mine", _("Mine"), ("-created_at", "-id"), is_by_person=True, turn=follow_ups.mine)
CONTACTED = Tab(
    "contacted", _("Contacted"), (F("contacted_at").desc(nulls_last=True), F("id").desc()), is_by_person=True
)
ANONYMOUS = Tab("anonymous", _("Anonymous quotes"), ("-created_at", "-id"))
SET_ASIDE = Tab("set_aside", _("Doubtful"), ("-arrived_at", "-id"))
PUT_ASIDE = Tab("put_aside", _("Put aside"), ("-arrived_at", "-id"))
ALL = Tab("all", _("All"), ("-created_at", "-id"))
TABS = (WAITING, TODAY, MINE, CONTACTED, SET_ASIDE, PUT_ASIDE, ANONYMOUS, ALL)
OLD_NAMES = {"discarded": PUT_ASIDE}


def tab_of(request: HttpRequest) -> Tab:
    """Return the requested tab. The default is WAITING, or ALL for a search."""
    requested = request.GET.get(TAB, "")
    chosen = OLD_NAMES.get(requested) or next((tab for tab in TABS if tab.value == requested), None)
    return chosen or (ALL if request.GET.get("q") else WAITING)


def is_by_person(request: HttpRequest) -> bool:
    """Return whether a row of the requested list is a person. A search for a name lists people, in any tab."""
    return tab_of(request).is_by_person or bool(request.GET.get("q"))


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
        return [*((tab.value, tab.title) for tab in TABS), *((name, tab.title) for name, tab in OLD_NAMES.items())]

    def queryset(self, request: Any, queryset: Any) -> LeadQuerySet:
        tab = tab_of(request)
        if tab.turn is None:
            return tab.leads(queryset)
        # The list is filtered twice in a request: by Django, and by the view that counts.
        if not hasattr(request, "places"):
            request.places = follow_ups.keys_in_order(tab.turn(request.user))
        theirs: LeadQuerySet = queryset.alias(phone_key=PhoneKey("phone")).filter(phone_key__in=list(request.places))
        return theirs
