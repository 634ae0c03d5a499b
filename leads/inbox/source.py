"""What brought a customer: the campaign, or else the site that linked here."""

from typing import Any

from leads.models import Lead


def source(lead: Lead) -> str:
    """Return the campaign that brought the customer, or else the site that did, or ""."""
    return source_in(lead.quote_data.get("attribution") if isinstance(lead.quote_data, dict) else None)


def source_in(attribution: Any) -> str:
    """Return the same from what a lead's `quote_data` says of it."""
    if not isinstance(attribution, dict):
        return ""
    linked_from = str(attribution.get("referrer") or "").partition("://")[2].partition("/")[0]
    return str(attribution.get("utm_source") or attribution.get("source") or linked_from)
