"""What was done with leads, for staff: a lead is exported so often that exports would hide everything else."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from leads.models import LeadEvent


def without_repeated_exports(events: Iterable[LeadEvent]) -> Iterator[tuple[LeadEvent, int]]:
    """Yield the events of one lead, of its exports only the last, each with how many events it stands for."""
    listed = list(events)
    exports = [event for event in listed if event.kind == LeadEvent.Kind.EXPORTED]
    for event in listed:
        if event not in exports:
            yield event, 1
        elif event == exports[-1]:
            yield event, len(exports)


class KindFilter(admin.SimpleListFilter):
    """Shows one kind of events. By default all but exports, of which there is one for each lead and each file."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(LeadEvent.Kind.choices)

    def choices(self, changelist: Any) -> Iterator[Any]:
        default, *kinds = super().choices(changelist)
        yield {**default, "display": _("All but exports")}
        yield from kinds

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        kind = self.value()
        return queryset.filter(kind=kind) if kind else queryset.exclude(kind=LeadEvent.Kind.EXPORTED)
