"""What was done with leads, for staff: a lead is exported so often that exports would hide everything else."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from leads.models import Lead, LeadEvent

# Of a person with very many leads, the newest events and exports stand for all.
MOST_EVENTS = 300


def of_person(leads: Sequence[Lead]) -> Iterator[tuple[LeadEvent, int]]:
    """Yield what was done with the leads of a person, oldest first, each with how many events it stands for."""
    by_key = {lead.pk: lead for lead in leads}
    newest = LeadEvent.objects.filter(lead__in=list(by_key)).select_related("actor").order_by("-at", "-pk")
    events = list(newest[:MOST_EVENTS])
    for event in events:
        event.lead = by_key[event.lead_id]
    return without_repeated_exports(reversed(events))


def without_repeated_exports(events: Iterable[LeadEvent]) -> Iterator[tuple[LeadEvent, int]]:
    """Yield the events of a person, of the exports only the last, each with how many events it stands for."""
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
