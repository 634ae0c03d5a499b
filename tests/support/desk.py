"""Leads with totals, sources and outcomes, for the tests of the desk."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.utils import timezone

from leads.models import Lead, LeadOutcome
from quoter import site

JUAREZ = ZoneInfo("America/Ciudad_Juarez")
# A Wednesday; the shop is open from 8 to 18, on Saturdays to 14.
NOON = datetime(2026, 11, 18, 12, 0, tzinfo=JUAREZ)
TODAY = NOON.date()
ANA, BETO = "+526561234567", "+526561234568"


def a_lead(
    at: datetime = NOON, *, phone: str = ANA, source: str = "", product: str = "concrete", **values: Any
) -> Lead:
    """Add a lead that was quoted and asked for at a moment. values: further ones of its quote, as `total`."""
    data = {"attribution": {"utm_source": source} if source else {}, "lines": [{"product": product}], **values}
    asked = {"name": "Ana", "phone": phone, "submitted_at": at} if phone else {}
    return Lead.objects.create(folio=f"F{Lead.objects.count()}", quote_data=data, created_at=at, **asked)


def an_outcome(lead: Lead, kind: str, amount: str | None, *, reason: str = "", by: User | None = None) -> None:
    LeadOutcome.objects.create(lead=lead, kind=kind, amount=amount, reason=reason, by=by, at=lead.created_at)


def the_last(number: int, now: datetime = NOON) -> list[date]:
    return [now.date() - timedelta(days=back) for back in range(number)]


def today_at_noon() -> datetime:
    return datetime.combine(timezone.localdate(), NOON.time(), site.zone())
