"""The filters as one filter of the admin, and the list's address without what says nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Q
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext_lazy as _

from leads.inbox.filters import NAMES, conditions, words
from leads.inbox.filters.form import FilterForm
from leads.inbox.filters.words import Said
from leads.inbox.tabs import ORDER, TAB, tab_of
from leads.models import Lead, LeadQuerySet

# What the desk's links filter by besides: which leads a number counts at all, and those of one number each.
_UNSAID = ("phone__gt", "set_aside__exact")
_OF_LINKS = {
    "phone__exact": _("Without phone"),
    "arrived_at__lte": _("Longer than promised"),
    "id__in": _("Restored from the chat"),
}


class HandFilter(admin.ListFilter):
    """All filters of the form as one filter of the admin, which shows none itself."""

    title = _("filters")

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.given = {name: params.pop(name)[-1] for name in NAMES if name in params}
        self.used_parameters = dict(self.given)
        self.form = FilterForm(self.given)
        self.form.is_valid()
        self.values: dict[str, Any] = {
            name: self.form.cleaned_data.get(name) if name in self.form.fields else text
            for name, text in self.given.items()
        }
        self.is_cut = False

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(NAMES)

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield from ()

    def queryset(self, request: HttpRequest, queryset: Any) -> LeadQuerySet:
        if self.form.errors:  # a download of what was not meant would be worse than nothing
            nothing: LeadQuerySet = queryset.none()
            return nothing
        indexed: LeadQuerySet = queryset.filter(conditions.indexed(self.values))
        condition = conditions.read(self.values)
        if not condition:
            return indexed
        first = conditions.first(indexed, tab_of(request).ordering)
        self.is_cut = first != Q()
        return conditions.with_read(indexed).filter(first, condition)

    def said(self) -> Iterator[Said]:
        """Yield what filters the list, in words."""
        return words.said(self.values)


def of_list(params: Mapping[str, str], specs: Sequence[Any]) -> Iterator[Said]:
    """Yield in words all that filters a list, besides its tab. params: of its address; specs: its filters."""
    for spec in specs:
        if isinstance(spec, HandFilter):
            yield from spec.said()
        elif spec.parameter_name not in (TAB, ORDER) and spec.value():
            yield from (Said((spec.parameter_name,), title) for _value, title in spec.lookup_choices)
    own = {TAB, ORDER, SEARCH_VAR, *NAMES, *_UNSAID, *(getattr(spec, "parameter_name", "") for spec in specs)}
    for name, value in params.items():
        if name == "status__exact":
            yield Said((name,), dict(Lead.Status.choices).get(value, value))
        elif name not in own:
            yield Said((name,), _OF_LINKS.get(name, _("a filter of this address")))


def cleaned(address: QueryDict) -> QueryDict | None:
    """Return the address without filters that say nothing, as a form sends them; None when it has none of these."""
    empty = [name for name in NAMES if name in address and not str(address[name]).strip()]
    if not empty:
        return None
    kept = address.copy()
    for name in empty:
        del kept[name]
    return kept
