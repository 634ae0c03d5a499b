"""What was done with leads, for staff: a lead is exported so often that exports would hide everything else."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads.inbox.person import correct
from leads.models import Lead, LeadEvent
from quoter.engine.numbers import money

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


def in_words(event: LeadEvent) -> str:
    """Return what an event's detail says: an amount, a reason, a time, a colleague; "" when its kind says all."""
    read = _READ.get(event.kind)
    try:
        return read(event.detail) if read else ""
    except (ArithmeticError, ValueError, TypeError):  # of another program or release
        return event.detail


def _planned(detail: str) -> str:
    if not detail:
        return gettext("no next step")
    return date_format(localtime(datetime.fromisoformat(detail)), "SHORT_DATETIME_FORMAT")


def _handed(detail: str) -> str:
    if not detail:
        return gettext("to nobody")
    colleague = User.objects.filter(pk=int(detail)).first()
    return (colleague.get_full_name() or colleague.get_username()) if colleague else detail


def _corrected(detail: str) -> str:
    words = {correct.NAME: gettext("name"), correct.PHONE: gettext("phone"), correct.BACK: gettext("taken back")}
    return ", ".join(words.get(part, part) for part in detail.split())


def _set_aside(detail: str) -> str:
    return str(Lead.SetAside(detail).label)


_READ: dict[str, Callable[[str], str]] = {
    LeadEvent.Kind.WON: lambda detail: money(Decimal(detail)),
    LeadEvent.Kind.LOST: str,
    LeadEvent.Kind.PLANNED: _planned,
    LeadEvent.Kind.HANDED: _handed,
    LeadEvent.Kind.CORRECTED: _corrected,
    LeadEvent.Kind.EXPORTED: str,  # csv, xlsx or jsonl
    LeadEvent.Kind.SET_ASIDE: _set_aside,
}


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
